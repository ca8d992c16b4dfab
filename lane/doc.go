// Package lane serves sources: descriptors that bring frames to a network and take
// frames from it. A source is a descriptor and a Driver, which reads, writes and
// closes; the lane waits, sends, queues, makes senders wait, keeps time and ends.
//
// # The path of a frame
//
//  1. A lane (lane.go) is a goroutine that learns by epoll which of its sources
//     have something to read, and gives each a turn.
//  2. In a turn (source.go) the driver reads a burst into the lane's own memory
//     (turn.go); what is too long for the network is refused; the rest goes as one
//     batch into the bus, and to its end on this goroutine.
//  3. A receiver that is an Endpoint of this package (endpoint.go) gets the frames
//     by its driver's Write, at once (out.go). What its descriptor has no room for
//     waits in the port's queue until epoll says that there is some, or is lost if
//     the endpoint is Lossy.
//
// Nothing is copied or allocated in between, and no clock is read.
//
// # Turns
//
// A turn is one burst and at most Budget copies of frames, so that a source waits
// no longer than one turn of each other. What is not read stays in the descriptor.
// What was read and is too much is held, and carried in the next turns; what the
// network makes wait (overflow = block) is parked. Both are copies, charged to the
// network; without memory for them they are lost, and counted so. Meanwhile
// nothing is read (hold.go). A burst grows while a source is always ready, and is
// one frame otherwise, which has the better latency. A source whose frames come as one
// piece (Source.Bulk) is asked for a whole burst at once.
//
// # Lanes
//
// Few lanes serve all sources: a frame and its answer pass on one processor while
// its caches know them, and what the frames are for needs the others (deal.go).
//
// The ring (ring.go) is for descriptors that have no call for many frames, as taps
// have none. It is never used asynchronously: each operation is done when the call
// returns.
//
// A driver whose connection comes and goes gets other descriptors, and the endpoint and
// its port stay (rewire.go).
//
// # Locks
//
// source.mu is held while a source has its turn, or a timer of it. No call of the
// bus to an Endpoint takes it, as these come from other turns. Leaves are lanes.mu,
// lane.mu, timers.mu and watch.mu; watch.mu may be taken under timers.mu, Conn.mu
// and source.mu. Endpoint.mu is held for reading while a Lossy one's frames are
// written.
package lane
