// Package ipn is the cable ipn://NET: it joins two networks of one process.
//
//   - ipn.go: the locator, and one link from Dial to its end: who may, and the far port.
//   - half.go: an end of a link, which is the endpoint of a port.
//   - cross.go: how frames pass from one network into the other.
//   - ferry.go: what goes on with those that cannot pass at once.
//   - pair.go: two networks have one cable.
//
// # The path of a frame
//
//  1. A Send on network a finds the half that is a's (half.Claim) and hands it the frames
//     (half.Emit), on the sender's thread and with no lock held.
//  2. The half lends them to a batch of its own, one hop further, and sends that on b, as
//     b's half (half.cross): to the end, on the same thread. Nothing is copied. A lane's
//     drivers in b find its Turn (frame.Batch.Scratch).
//  3. What all crossings that come of one Send may cost is bounded (Batch.Onward). What is
//     more is not claimed, or returned: it waits in the queue of a's port, bounded and
//     charged there, and the overflow setting of a decides when that is full.
//  4. The ferry, a goroutine, sends on what waits. Users take turns, and then the halves of
//     a user, a millisecond each.
//  5. What b makes wait (overflow = block) is parked there, a burst at most. The rest waits
//     in a's queue.
//
// # Why nobody waits for himself
//
// A half claims nothing but in a Send's own call, so it sends under no lock of any
// network, nor under that of a list of parked sends. Networks in a ring are entered again
// while their own Send goes on: that is bounded, by hops and by Onward. A sender or a
// cable never waits for room in the queue of a cable, if the frames have crossed already
// (Batch.Beyond): so cables wait for readers only, and no ring of them for itself.
package ipn
