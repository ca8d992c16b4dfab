package fastpath

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// Known addresses go by the plane once they are learned, both ways, and each of a new port.
func TestForwards(t *testing.T) {
	l := newLab(t, "switch", 2)
	l.settle()
	if l.fast(1, 2) {
		t.Error("addresses that nobody knows are forwarded")
	}
	l.speak()
	l.settle()
	if !l.fast(1, 2) || !l.fast(2, 1) {
		t.Errorf("known addresses: %v, %v", l.fast(1, 2), l.fast(2, 1))
	}
	l.join(bus.JoinOptions{})
	l.speak()
	l.settle()
	if !l.fast(3, 1) || !l.fast(2, 3) {
		t.Errorf("a new port: %v, %v", l.fast(3, 1), l.fast(2, 3))
	}
}

// What is behind a port that is not of the plane is not in it.
func TestOtherPorts(t *testing.T) {
	l := newLab(t, "switch", 2)
	c := l.Join(t, &bustest.Recorder{})
	l.speak()
	bustest.Send(c, makeFrame(toAll, macOf(9)))
	l.settle()
	if n := l.plane.len(); n != 2 {
		t.Errorf("%d entries", n)
	}
	bustest.Send(c, makeFrame(toAll, macOf(1))) // it moves there
	l.settle()
	if n := l.plane.len(); n != 1 || l.fast(2, 1) || l.fast(1, 2) {
		t.Errorf("moved away: %d entries", n)
	}
	l.at(1).send(toAll, macOf(9)) // and this one here
	l.settle()
	if out, _ := l.at(2).gate.decide(makeFrame(macOf(9), macOf(2))); out != l.at(1).gate {
		t.Error("moved here: not forwarded")
	}
}
