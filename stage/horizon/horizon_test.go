package horizon_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/stage/horizon"
)

// What came by a port of a side leaves by none of it, and by all others.
func TestSide(t *testing.T) {
	l := bustest.NewLab(t, "bustest-hub")
	var sides [2]horizon.Side
	var conns [5]*bus.Conn
	var heard [5]bustest.Recorder
	for i := range conns {
		conns[i] = l.Join(t, &heard[i])
		if i < 4 {
			if err := sides[i/2].Add(conns[i].Port()); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := func(from int, counts ...int) {
		t.Helper()
		var before [5]int
		for i := range heard {
			before[i] = len(heard[i].Frames())
		}
		bustest.Send(conns[from], []byte("x"))
		for i, n := range counts {
			if got := len(heard[i].Frames()) - before[i]; got != n {
				t.Errorf("of port %d's frame port %d got %d, want %d", from+1, i+1, got, n)
			}
		}
	}
	want(0, 0, 0, 1, 1, 1)
	want(1, 0, 0, 1, 1, 1)
	want(2, 1, 1, 0, 0, 1)
	want(4, 1, 1, 1, 1, 0)
	if err := conns[0].Port().SetStage(bus.Horizon, nil); err != nil { // it is on no side
		t.Fatal(err)
	}
	want(0, 0, 1, 1, 1, 1)
	want(1, 1, 0, 1, 1, 1)
	stats := conns[1].Port().Stats()
	if stats.Dropped() != 1 {
		t.Errorf("%d frames are counted as dropped", stats.Dropped())
	}
}

// A port that has gone is on no side.
func TestGone(t *testing.T) {
	l := bustest.NewLab(t, "bustest-hub")
	var side horizon.Side
	first, second := l.Join(t, &bustest.Recorder{}), l.Join(t, &bustest.Recorder{})
	port := first.Port()
	l.Leave(first)
	if err := side.Add(port); fail.KindOf(err) != fail.Gone {
		t.Errorf("a port that has gone: %v", err)
	}
	if err := side.Add(second.Port()); err != nil {
		t.Fatal(err)
	}
	rec := &bustest.Recorder{}
	other := l.Join(t, rec)
	if err := side.Add(other.Port()); err != nil {
		t.Fatal(err)
	}
	in := second.Port()
	l.Leave(second)
	if why := side.Egress(other, in, nil); why != 0 {
		t.Errorf("what came by it before is dropped: %v", why)
	}
}
