package qemu

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// The end of the network's side is the end of the stream at the peer, and the other way
// round. Nothing stays open.
func TestEnds(t *testing.T) {
	l := lanetest.Hub(t)
	hold := connect(t, l) // a lane stays
	open := len(lanetest.OpenFiles(t))
	for what, end := range map[string]func(g *guest){
		"rmdir":      func(*guest) { _ = l.Net.RemovePort(2) },
		"hang-up":    func(g *guest) { g.hangUp(t) },
		"half close": func(g *guest) { _ = unix.Shutdown(g.fd, unix.SHUT_WR) },
	} {
		g, v := pair(t, l.Net)
		if err := serve(v); err != nil {
			t.Fatal(err)
		}
		used := l.Net.Memory().Used()
		g.write(t, wire(make([]byte, 1500))[:100])
		bustest.WaitFor(t, "half a frame to be held", func() bool { return l.Net.Memory().Used() > used })
		end(g)
		bustest.WaitFor(t, what, func() bool { return g.left.Load() == 1 })
		if n, err := unix.Read(g.fd, g.buf); n != 0 || err != nil {
			t.Errorf("%s: the peer read %d bytes, %v: want the end of the stream", what, n, err)
		}
		unix.Close(g.fd)
		lanetest.WantOpen(t, open)
		g.fd = -1
	}
	hold.hangUp(t)
}

// What a peer sent before he hung up is carried, however long it is.
func TestHangsUpAtOnce(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	l.JoinAs(t, got, bus.JoinOptions{Recv: true})
	for i := range 50 {
		g, v := pair(t, l.Net)
		g.write(t, wire(make([]byte, 65535)))
		_ = unix.Shutdown(g.fd, unix.SHUT_RDWR)
		if err := serve(v); err != nil {
			t.Fatal(err)
		}
		bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 })
		if len(got.Frames()) != i+1 {
			t.Fatalf("%d frames came, want %d", len(got.Frames()), i+1)
		}
	}
}

// A refused visitor is gone, too.
func TestRefusedVisitor(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MaxPorts = 1 }); err != nil {
		t.Fatal(err)
	}
	connect(t, l)
	g, v := pair(t, l.Net)
	if err := serve(v); err == nil || g.left.Load() != 1 {
		t.Errorf("error %v, %d calls of Left", err, g.left.Load())
	}
	if n, err := unix.Read(g.fd, g.buf); n != 0 || err != nil {
		t.Errorf("the peer read %d bytes, %v", n, err)
	}
}

// Peers that come and go, and those that say nothing, leave nothing and hold up nobody.
func TestManyPeers(t *testing.T) {
	l := lanetest.Hub(t)
	from, to := connect(t, l), connect(t, l)
	open := len(lanetest.OpenFiles(t))
	var silent []*guest
	for i := range 200 {
		g := connect(t, l)
		if i%2 == 0 {
			g.write(t, wire(make([]byte, 1500))[:i%10])
		}
		silent = append(silent, g)
	}
	from.write(t, wire(frames(1)...))
	bustest.WaitFor(t, "a frame", func() bool { return len(to.received()) == 1 })
	for _, g := range silent {
		g.hangUp(t)
		unix.Close(g.fd)
		g.fd = -1
	}
	for range 1000 {
		g, v := pair(t, l.Net)
		if err := serve(v); err != nil {
			t.Fatal(err)
		}
		unix.Close(g.fd)
		g.fd = -1
		bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 })
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
					yieldUntil(func() bool { _, err := unix.Write(from.fd, piece); return err == nil })
				}
				if sent%16 == 15 {
					lanetest.AwaitFrames(p, at+uint64(sent)+1)
					to.drain()
				}
			}
			lanetest.AwaitFrames(p, at+uint64(n))
			to.drain()
		})
	}
	if s := l.Net.Stats(); s.Dropped() != 0 {
		t.Errorf("%d frames were lost", s.Dropped())
	}
}
