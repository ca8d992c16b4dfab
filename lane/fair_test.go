package lane_test

import (
	"runtime"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// crowd joins receivers, so that a frame costs as many copies.
func crowd(t testing.TB, l *bustest.Lab, receivers int) {
	t.Helper()
	for range receivers {
		l.JoinAs(t, &ear{heard: func([]frame.Frame) {}}, bus.JoinOptions{Recv: true})
	}
}

// The frame of a source passes within one turn of another on its lane, whatever
// that one brings.
func TestFair(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one lane for all
	const receivers, flooder, quiet, rounds = 1000, 1, 2, 20
	const turn = lane.Budget/receivers + 1 // frames
	l := lanetest.Hub(t)
	crowd(t, l, receivers)
	flood, calm := lanetest.NewFar(t), lanetest.NewFar(t)
	var waits bool // the quiet one's frame: the lane's, as are the others
	var passed int
	var heard, longest atomic.Int64
	l.JoinAs(t, &ear{heard: func(frames []frame.Frame) {
		sender, seq, _ := bustest.ReadMark(frames[0].Data())
		switch {
		case sender == quiet:
			longest.Store(max(longest.Load(), int64(passed)))
			waits = false
			heard.Add(1)
		case waits:
			passed += len(frames)
		case seq > 1000: // bursts have grown
			waits, passed = calm.Try(lanetest.Frame(quiet, 0)), 0
		}
	}}, bus.JoinOptions{Recv: true})
	start(t, l, calm, lane.Config{Lossy: true})
	start(t, l, flood, lane.Config{Lossy: true})
	for i := 0; heard.Load() < rounds; i++ {
		flood.Try(lanetest.Frame(flooder, i))
	}
	if n := longest.Load(); n > turn {
		t.Errorf("%d frames of the one passed before one of the other, want %d at most", n, turn)
	}
}

// What is too much for a turn is carried in later ones, in order, and the others
// have theirs in between.
func TestTurnEnds(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one lane for all
	const receivers, bringer, other = 2000, 1, 2
	const turn = lane.Budget/receivers + 1 // frames
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU, s.MaxPorts = 100, 4000 }); err != nil {
		t.Fatal(err)
	}
	crowd(t, l, receivers)
	brings, calm := lanetest.NewFar(t), lanetest.NewFar(t)
	rec := &bustest.Recorder{}
	var turns []int
	l.JoinAs(t, &ear{heard: func(frames []frame.Frame) {
		if sender, _, _ := bustest.ReadMark(frames[0].Data()); sender != bringer {
			turns = append(turns, 0)
			return
		}
		turns = append(turns, len(frames))
		if len(turns) == 1 {
			calm.Try(lanetest.Frame(other, 0))
		}
	}}, bus.JoinOptions{Recv: true})
	l.JoinAs(t, rec, bus.JoinOptions{Recv: true})
	start(t, l, calm, lane.Config{Lossy: true})

	// All lies there when it is first read. Frames that are refused cost
	// nothing, so that a burst grows.
	for range 63 {
		brings.Bring(t, make([]byte, 101))
	}
	for i := range lane.MaxBurst {
		brings.Bring(t, bustest.Mark(bustest.EthernetHeader(bringer), bringer, i, 0))
	}
	e := start(t, l, brings, lane.Config{Lossy: true})
	bustest.WaitFor(t, "all to come", func() bool { return len(rec.Frames()) == lane.MaxBurst+1 })
	if err := bustest.CheckOrder(rec.Frames()); err != nil {
		t.Error(err)
	}
	if refused := e.Conn().Port().Stats().Refused; refused != 63 {
		t.Errorf("%d frames are counted as refused, want 63", refused)
	}
	e.Close()
	for i, n := range turns {
		if n > turn || n == 0 && i > 2 {
			t.Errorf("the turns carried %v frames, 0 is the other's: want %d at most, and the other third at the latest", turns, turn)
			break
		}
	}
}

// What is too much for a turn is charged while it is held. Without memory for it it
// is lost, counted at the port that brought it, and the source is read on.
func TestHeldIsCharged(t *testing.T) {
	for what, memory := range map[string]bool{"with memory": true, "without": false} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.MTU, s.MaxPorts = 100, 4000 }); err != nil {
				t.Fatal(err)
			}
			crowd(t, l, 2000)
			m, rec := l.Net.Memory(), &bustest.Recorder{}
			var most atomic.Int64
			l.JoinAs(t, &ear{heard: func([]frame.Frame) { most.Store(max(most.Load(), m.Waiting())) }}, bus.JoinOptions{Recv: true})
			l.JoinAs(t, rec, bus.JoinOptions{Recv: true})
			refund := func() {}
			if !memory {
				refund = lanetest.Exhaust(m)
			}
			brings := lanetest.NewFar(t)
			for range 63 { // refused: a burst grows
				brings.Bring(t, make([]byte, 101))
			}
			for i := range lane.MaxBurst {
				brings.Bring(t, bustest.Mark(bustest.EthernetHeader(1), 1, i, 0))
			}
			port := start(t, l, brings, lane.Config{Lossy: true}).Conn().Port()
			bustest.WaitFor(t, "all to be sent", func() bool { return port.Stats().Frames == lane.MaxBurst })
			refund()
			brings.Bring(t, bustest.Mark(bustest.EthernetHeader(1), 1, lane.MaxBurst, 0))
			bustest.WaitFor(t, "one more", func() bool { return port.Stats().Frames == lane.MaxBurst+1 })
			lost := lanetest.Count(port, "drop_memory")
			if (lost == 0) != memory || memory && most.Load() == 0 {
				t.Errorf("%d frames were lost, and %d bytes waited", lost, most.Load())
			}
			bustest.WaitFor(t, "the rest to come", func() bool { return uint64(len(rec.Frames()))+lost == lane.MaxBurst+1 })
			if err := bustest.CheckOrder(rec.Frames()); err != nil && memory {
				t.Error(err)
			}
			if waiting := m.Waiting(); waiting != 0 {
				t.Errorf("%d bytes are charged when all has gone", waiting)
			}
		})
	}
}
