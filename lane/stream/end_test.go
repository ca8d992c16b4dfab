package stream

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// The end of the network's side is the end of the stream at the peer, and the other way
// round. Nothing stays open.
func TestEnds(t *testing.T) {
	eachWay(t, func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config)) {
		l := lanetest.Hub(t)
		connect(t, l) // a lane stays
		open := len(lanetest.OpenFiles(t))
		for what, end := range map[string]func(p *peer){
			"rmdir":   func(*peer) { _ = l.Net.RemovePort(2) },
			"hang-up": func(p *peer) { p.HangUp() },
			"half close": func(p *peer) {
				if unix.Shutdown(p.Out, unix.SHUT_WR) != nil {
					p.HangUp()
				}
			},
		} {
			p, c := by(t, l.Net, frame.Length4)
			start(t, l.Net, p, c, both)
			used := l.Net.Memory().Used()
			p.Write(t, wire(make([]byte, 1500))[:100])
			bustest.WaitFor(t, "half a frame to be held", func() bool { return l.Net.Memory().Used() > used })
			end(p)
			bustest.WaitFor(t, what, func() bool { return p.left.Load() == 1 })
			if !p.Ended() {
				t.Errorf("%s: the peer does not read the end of the stream", what)
			}
			p.Close()
			lanetest.WantOpen(t, open)
		}
	})
}

// Who reads no more ends the stream when something is sent to him, though he could send.
func TestReadsNoMore(t *testing.T) {
	l := lanetest.Hub(t)
	p, c := piped(t, l.Net, frame.Length4)
	start(t, l.Net, p, c, both)
	from := l.Join(t, &bustest.Sink{})
	unix.Close(p.In)
	p.In = -1
	bustest.Send(from, frames(1)[0])
	bustest.WaitFor(t, "the port to end", func() bool { return p.left.Load() == 1 })
}

// What a peer sent before he hung up is carried, however long it is.
func TestHangsUpAtOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config)) {
		l := lanetest.Hub(t)
		got := &bustest.Recorder{}
		l.JoinAs(t, got, bus.JoinOptions{Recv: true})
		for i := range 50 {
			p, c := by(t, l.Net, frame.Length4)
			p.Write(t, wire(make([]byte, 65000)))
			p.HangUp()
			start(t, l.Net, p, c, both)
			bustest.WaitFor(t, "the port to end", func() bool { return p.left.Load() == 1 })
			if len(got.Frames()) != i+1 {
				t.Fatalf("%d frames came, want %d", len(got.Frames()), i+1)
			}
		}
	})
}

// Peers that come and go, and those that say nothing, leave nothing and hold up nobody.
func TestManyPeers(t *testing.T) {
	l := lanetest.Hub(t)
	from, to := connect(t, l), connect(t, l)
	open := len(lanetest.OpenFiles(t))
	var silent []*peer
	for i := range 200 {
		p := connect(t, l)
		if i%2 == 0 {
			p.Write(t, wire(make([]byte, 1500))[:i%10])
		}
		silent = append(silent, p)
	}
	from.Write(t, wire(frames(1)...))
	bustest.WaitFor(t, "a frame", func() bool { return len(to.Received()) == 1 })
	for _, p := range silent {
		p.hangUp(t)
		p.Close()
	}
	for range 1000 {
		p, c := pair(t, l.Net, frame.Length4)
		start(t, l.Net, p, c, both)
		p.Close()
		bustest.WaitFor(t, "the port to end", func() bool { return p.left.Load() == 1 })
	}
	lanetest.WantOpen(t, open)
}

// Frames allocate nothing on their way in and out, alone and cut.
func TestNoAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l := lanetest.Hub(t)
	from, to := connect(t, l), connect(t, l)
	p := port(t, l, 1)
	stream := wire(lanetest.Frame(1, 14))
	for what, step := range map[string]int{"whole": len(stream), "in pieces": 500} {
		lanetest.NoAllocations(t, what, func(n int) {
			at := p.Stats().Frames
			for sent := range n {
				for k := 0; k < len(stream); k += step {
					piece := stream[k:min(len(stream), k+step)]
					yieldUntil(func() bool { _, err := unix.Write(from.Out, piece); return err == nil })
				}
				if sent%16 == 15 {
					lanetest.AwaitFrames(p, at+uint64(sent)+1)
					to.Drain()
				}
			}
			lanetest.AwaitFrames(p, at+uint64(n))
			to.Drain()
		})
	}
	if s := l.Net.Stats(); s.Dropped() != 0 {
		t.Errorf("%d frames were lost", s.Dropped())
	}
}
