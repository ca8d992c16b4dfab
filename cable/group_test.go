package cable

import (
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
)

// What came by a cable leaves by none of its group, and by all others.
func TestGroups(t *testing.T) {
	l := newLab(t)
	_, _, a := l.layUp("fake://a")
	b, _, bFar := l.layUp("fake://b")
	_, _, c := l.layUp("fake://c group=g")
	_, _, d := l.layUp("fake://d group=g")
	last := &bustest.Recorder{} // the last to get a frame
	l.Join(t, last)
	heard := func(from *lanetest.Far, seq int, want ...*lanetest.Far) {
		t.Helper()
		from.Bring(t, lanetest.Frame(1, seq))
		bustest.WaitFor(t, "the frame", func() bool { return len(last.Frames()) == seq+1 })
		for _, far := range []*lanetest.Far{a, bFar, c, d} {
			n := 0
			for _, w := range want {
				if w == far {
					n = 1
				}
			}
			before := len(far.Taken())
			if got := len(far.Received()) - before; got != n {
				t.Errorf("frame %d: a far end got %d, want %d", seq, got, n)
			}
		}
	}
	heard(a, 0, c, d)
	heard(bFar, 1, c, d)
	heard(c, 2, a, bFar)
	heard(d, 3, a, bFar)
	if n := lanetest.Count(b.port(), "drop_filtered"); n != 1 {
		t.Errorf("%d are counted as filtered", n)
	}
	// One that comes later is of the group that is there.
	b.finish(nil)
	bFar.Received()
	_, _, bFar = l.layUp("fake://b")
	heard(a, 4, c, d)
	if len(registry.sides) != 2 {
		t.Errorf("there are %d sides", len(registry.sides))
	}
}
