package bus

import (
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// FrameCost is how many copies a frame is worth though fewer get it: it is
// looked at, and its source may be new.
const FrameCost = 8

// Batch is what one call of an endpoint sends: frames, what it may cost, and the
// scratch space to carry them. It belongs to the thread that fills it and is used
// again, so that sending allocates nothing. The zero Batch is ready.
type Batch struct {
	frame.Batch

	// Budget is how many copies of frames one Send may make, or a few more;
	// 0: any number. Made tells how many the last Send made, at least FrameCost
	// for a frame, and Spent that it stopped for the budget. Who sends on a thread
	// that others need sets it, and goes on elsewhere.
	Budget int
	Made   int
	Spent  bool
	// NoWait is for a thread that serves other networks, too: a Send that would
	// have to wait for work under the network's lock stops as if its budget was
	// spent, and what is much of what the policy defers goes on elsewhere.
	NoWait bool

	// Behind is for frames that a stage of the sender's port has held: they go on
	// behind it, 1 + its rank, and are counted already. Reset leaves it as it is.
	Behind Rank

	stages        *stages         // of the sender's port, when the Send began; nil: none
	passed        int             // frames before this one have passed the stages
	egress, other policy.Egress   // of this frame and the next, by turns
	answers       []policy.Egress // of a Batcher
	lane          policy.Lane
	targets       []target
	room          []int
	full          *Conn // the receiver for which the last frame had to wait
}
