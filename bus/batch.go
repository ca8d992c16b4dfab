package bus

import (
	"math"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// FrameCost is how many copies a frame is worth though fewer get it: it is
// looked at, and its source may be new.
const FrameCost = 8

// OnwardBudget is how many copies one Send may make in networks beyond its own, by
// endpoints that send on what they take: a millisecond. What is more they queue.
const OnwardBudget = 16 << 10

// Batch is what one call of an endpoint sends: frames, what it may cost, and the
// scratch space to carry them. It belongs to the thread that fills it and is used
// again, so that sending allocates nothing. The zero Batch is ready.
type Batch struct {
	frame.Batch

	// Budget is how many copies of frames one Send may make on its network, or a few
	// more; 0: any number. Made tells how many the last Send made, at least FrameCost
	// for a frame, those beyond its network included, and Spent that it stopped for the
	// budget. Who sends on a thread that others need sets it, and goes on elsewhere.
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

	// Beyond says that the frames come out of another network of this process: what
	// their Send may cost is Onward's, if there is one, and not Budget's. They wait for
	// no receiver that is a cable (JoinOptions.Hops), so that networks in a ring do not
	// wait for one another. Reset leaves it as it is.
	Beyond bool

	onward int // what Onward points to, if not Beyond; 0 outside of Send
	weight int // how many frames on a wire one of the batch is, on average

	stages        *stages         // of the sender's port, when the Send began; nil: none
	passed        int             // frames before this one have passed the stages
	egress, other policy.Egress   // of this frame and the next, by turns
	answers       []policy.Egress // of a Batcher
	lane          policy.Lane
	targets       []target
	room          []int
	full          *Conn // the receiver for which the last frame had to wait
}

// left is how many copies b may still make on the network that it is sent on.
func (b *Batch) left() int {
	switch {
	case b.Beyond && b.Onward != nil:
		return *b.Onward / b.weight
	case b.Budget == 0:
		return math.MaxInt
	}
	return b.Budget - b.Made
}

// spend counts copies that b makes, or fewer than was thought.
func (b *Batch) spend(copies int) {
	b.Made += copies
	if b.Beyond && b.Onward != nil {
		*b.Onward -= copies * b.weight
	}
}

// weigh finds out what a frame of b is worth: a super-frame as those that it stands for.
func (b *Batch) weigh() {
	b.weight = 1
	if !b.Beyond || !b.Offloads() {
		return
	}
	sum := 0
	for i := range b.Frames {
		sum += b.Frames[i].WireFrames()
	}
	b.weight = (sum + len(b.Frames) - 1) / len(b.Frames)
}
