package policy

import "ipnfs/bus/frame"

// Batcher is for a policy that would rather look at many frames at once, such as
// one whose every call is dear. Then ForwardBatch is called, and Forward only for
// a test of the policy.
type Batcher interface {
	Policy

	// ForwardBatch is Forward for frames, which one thread brought by port in one
	// after the other: out[i], which is empty, is for frames[i]. It returns for how
	// many, from the first on, it has answered. Fewer than all, and at least 1, says
	// that its time is used up: then other networks have their turn before the rest
	// is sent, as if the sender's budget were spent. It is asked again for frames
	// that have to wait.
	//
	// frames and out are lent, as is lane: see Lane.
	ForwardBatch(lane *Lane, in Port, frames []frame.Frame, out []Egress) (done int)
}

// Lane is the way of one thread into the networks: no two calls with the same Lane
// run at once. A policy may keep there what it wants to use without a lock. Forward
// has it from Egress.Lane. It is used within the call only.
type Lane struct {
	self   *Lane // l; else l is a copy, and what is kept belongs to the original
	states [laneStates]state
	next   int // the place that is given away next
}

// laneStates is of how many policies a lane keeps something at once.
const laneStates = 4

type state struct {
	of   Policy
	kept any
}

// State returns what p keeps there, or nil. What is kept is a cache: it is lost
// when the thread has served some other policies, and when it ends.
func (l *Lane) State(p Policy) any {
	for i := range l.states {
		if l.states[i].of == p && l.self == l {
			return l.states[i].kept
		}
	}
	return nil
}

// SetState keeps something for p, a pointer so that nothing is allocated. It stays
// reachable after p's Stop, until another policy has its place.
func (l *Lane) SetState(p Policy, kept any) {
	if l.self != l {
		*l = Lane{self: l}
	}
	for i := range l.states {
		if l.states[i].of == p {
			l.states[i].kept = kept
			return
		}
	}
	l.states[l.next] = state{p, kept}
	l.next = (l.next + 1) % laneStates
}
