package policy_test

import (
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

type named struct{ name string }

func (n *named) Name() string                                            { return n.name }
func (*named) Forward(_ policy.Port, _ *frame.Frame, out *policy.Egress) { out.Flood() }

// A lane keeps something for the last few policies, and a copy of it nothing.
func TestLane(t *testing.T) {
	var l policy.Lane
	var all []policy.Policy
	for i := range 6 {
		p := &named{}
		all = append(all, p)
		if l.State(p) != nil {
			t.Errorf("something is kept for policy %d, which is new", i)
		}
		for _, kept := range []*int{new(int), new(int)} {
			l.SetState(p, kept)
			if l.State(p) != kept {
				t.Errorf("of policy %d something else is kept", i)
			}
		}
	}
	for i, p := range all {
		if kept := l.State(p) != nil; kept != (i >= 2) {
			t.Errorf("kept for policy %d of 6: %v", i, kept)
		}
	}
	other := l
	if other.State(all[5]) != nil {
		t.Error("a copy has what is the original's")
	}
	other.SetState(all[0], new(int))
	if other.State(all[5]) != nil || l.State(all[0]) != nil || l.State(all[5]) == nil {
		t.Error("a copy is not apart")
	}
}

// An Egress of a test has a lane, too.
func TestEgressLane(t *testing.T) {
	var e policy.Egress
	if own := e.Lane(); own == nil || e.Lane() != own {
		t.Error("no lane of its own")
	}
	var l policy.Lane
	e.SetLane(&l)
	e.Reset()
	if e.Lane() != &l {
		t.Error("the lane is lost by Reset")
	}
}
