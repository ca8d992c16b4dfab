package lane_test

import (
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// Where senders wait a source reads no more than there is room for, and goes
// on when there is some: nothing is lost.
func TestBlocked(t *testing.T) {
	eachWay(t, func(t *testing.T, c lane.Config) {
		l, sink := lanetest.Blocking(t, 5)
		a := lanetest.NewFar(t)
		d := start(t, l, a, c)
		n := a.FillUp(t, func(i int) []byte { return lanetest.Frame(1, i) })
		bustest.WaitFor(t, "the receiver to be full", func() bool { return l.Net.Stats().Frames == 5 })
		// It has read one burst, and waits with what is left of it.
		if got := sink.Queued(); got != 5 {
			t.Errorf("%d frames were sent to a receiver with room for 5", got)
		}
		bustest.WaitFor(t, "the lane to ask for no more", func() bool { return lanetest.Watched(t, a.Near) == 0 })
		if !a.Waits() {
			t.Error("the source reads what it cannot send")
		}
		var got [][]byte
		for len(got) < n {
			bustest.WaitFor(t, fmt.Sprintf("frame %d of %d", len(got), n), func() bool { return sink.Queued() > 0 })
			got = append(got, sink.Take())
		}
		if err := bustest.CheckOrder(got); err != nil {
			t.Error(err)
		}
		if stats := d.Conn().Port().Stats(); stats.Frames != uint64(n) || stats.Dropped() != 0 {
			t.Errorf("%d frames were brought: %+v", n, stats)
		}
		if more := sink.TakeAll(); len(more) != 0 {
			t.Errorf("%d frames came twice", len(more))
		}
		// And once more from the beginning.
		a.Bring(t, lanetest.Frame(1, n))
		bustest.WaitFor(t, "one more", func() bool { return sink.Queued() == 1 })
	})
}

// Without memory for what would have to wait the source is read on: that is lost,
// and counted.
func TestBlockedWithoutMemory(t *testing.T) {
	const frames = 50
	eachWay(t, func(t *testing.T, c lane.Config) {
		l, sink := lanetest.Blocking(t, 1)
		a := lanetest.NewFar(t)
		d := start(t, l, a, c)
		a.Bring(t, lanetest.Frame(1, 0))
		bustest.WaitFor(t, "the receiver to be full", func() bool { return sink.Queued() == 1 })
		refund := lanetest.Exhaust(l.Net.Memory())
		for i := range frames {
			a.Bring(t, lanetest.Frame(1, 1+i))
		}
		bustest.WaitFor(t, "all to be read", func() bool { return d.Conn().Port().Stats().Frames == 1+frames })
		if stats := l.Net.Stats(); stats.Dropped() != frames {
			t.Errorf("%d frames were lost, want %d", stats.Dropped(), frames)
		}
		refund()
		sink.TakeAll()
		a.Bring(t, lanetest.Frame(1, 99))
		bustest.WaitFor(t, "a frame to come again", func() bool { return sink.Queued() == 1 })
	})
}

// Several sources wait at the same receiver, and all go on.
func TestSeveralWait(t *testing.T) {
	const sources, frames = 4, 20
	l, sink := lanetest.Blocking(t, 2)
	for who := range sources {
		f := lanetest.NewFar(t)
		start(t, l, f, lane.Config{Lossy: true}) // nobody waits for it
		for i := range frames {
			f.Bring(t, lanetest.Frame(who, i))
		}
	}
	var got [][]byte
	for len(got) < sources*frames {
		bustest.WaitFor(t, fmt.Sprintf("frame %d", len(got)), func() bool { return sink.Queued() > 0 })
		got = append(got, sink.Take())
	}
	if err := bustest.CheckOrder(got); err != nil {
		t.Error(err)
	}
}

// A source may end while it waits.
func TestEndWhileBlocked(t *testing.T) {
	for what, end := range map[string]func(t *testing.T, l *bustest.Lab, d *lane.Endpoint){
		"closed": func(_ *testing.T, _ *bustest.Lab, d *lane.Endpoint) { d.Close() },
		"removed": func(t *testing.T, l *bustest.Lab, d *lane.Endpoint) {
			if err := l.Net.RemovePort(d.Conn().Port().Number()); err != nil {
				t.Error(err)
			}
		},
		"network ended":  func(_ *testing.T, l *bustest.Lab, _ *lane.Endpoint) { l.Bus.Shutdown() },
		"and room comes": func(_ *testing.T, l *bustest.Lab, d *lane.Endpoint) { go d.Close(); _ = l.Net.RemovePort(1) },
	} {
		for range 20 {
			l, sink := lanetest.Blocking(t, 2)
			a, e := lanetest.NewFar(t), &lanetest.Ending{}
			d := start(t, l, a, lane.Config{Ended: e.Ended})
			a.FillUp(t, func(i int) []byte { return lanetest.Frame(1, i) })
			bustest.WaitFor(t, "the receiver to be full", func() bool { return sink.Queued() == 2 })
			end(t, l, d)
			d.Close()
			if !a.Closed() {
				t.Errorf("%s: the descriptor is still open", what)
			}
			if n := len(sink.TakeAll()); n > 2 {
				t.Errorf("%s: %d frames came", what, n)
			}
			bustest.WaitFor(t, what+": no memory to be used", func() bool { return l.Bus.Memory.Waiting() == 0 })
		}
	}
}

// The setting changes while a source waits: it goes on.
func TestBlockEnds(t *testing.T) {
	for what, change := range map[string]func(l *bustest.Lab) error{
		"drop":            func(l *bustest.Lab) error { return l.Net.Change(func(s *bus.Settings) { s.Overflow = bus.DropNew }) },
		"longer queue":    func(l *bustest.Lab) error { return l.Net.Change(func(s *bus.Settings) { s.Queue = bus.MaxQueue }) },
		"receiver leaves": func(l *bustest.Lab) error { return l.Net.RemovePort(1) },
	} {
		l, sink := lanetest.Blocking(t, 2)
		a := lanetest.NewFar(t)
		d := start(t, l, a, lane.Config{})
		n := a.FillUp(t, func(i int) []byte { return lanetest.Frame(1, i) })
		bustest.WaitFor(t, "the receiver to be full", func() bool { return sink.Queued() == 2 })
		if err := change(l); err != nil {
			t.Fatal(err)
		}
		bustest.WaitFor(t, what+": all to be sent", func() bool { return d.Conn().Port().Stats().Frames == uint64(n) })
		if a.Waits() {
			t.Errorf("%s: the source does not read", what)
		}
	}
}
