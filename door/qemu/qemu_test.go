package qemu

import (
	"slices"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is the far end of a connection: a QEMU.
type guest struct {
	*lanetest.Peer
	left atomic.Int64 // calls of Visitor.Left
}

// pair makes a guest and the visitor that he is. Both rights are his.
func pair(tb testing.TB, n *bus.Network) (*guest, *bus.Visitor) {
	far, near := lanetest.NewPeer(tb, frame.Length4)
	g := &guest{Peer: far}
	return g, &bus.Visitor{Network: n, FD: near, Recv: true, Send: true, Left: func() { g.left.Add(1) }}
}

// connect makes a guest a port.
func connect(tb testing.TB, l *bustest.Lab, change ...func(v *bus.Visitor)) *guest {
	tb.Helper()
	g, v := pair(tb, l.Net)
	for _, f := range change {
		f(v)
	}
	if err := serve(v); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { g.hangUp(tb) })
	return g
}

// hangUp ends the connection and waits until nothing is left of it.
func (g *guest) hangUp(tb testing.TB) {
	tb.Helper()
	g.HangUp()
	bustest.WaitFor(tb, "the port to end", func() bool { return g.left.Load() == 1 })
}

// A visitor is a port of the kind qemu, whose frames are behind 4-byte lengths.
func TestVisitor(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	l.JoinAs(t, got, bus.JoinOptions{Recv: true})
	g, to := connect(t, l), connect(t, l)
	sent := lanetest.Frame(1, 0)
	g.Write(t, g.Wire(sent))
	bustest.WaitFor(t, "a frame", func() bool { return len(got.Frames()) == 1 && len(to.Received()) == 1 })
	if !slices.Equal(got.Frames()[0], sent) || !slices.Equal(to.Received()[0], sent) {
		t.Error("it changed")
	}
	if err := l.Net.RemovePort(2); err != nil {
		t.Fatal(err)
	}
	bustest.WaitFor(t, "the visitor to leave", func() bool { return g.left.Load() == 1 })
	if !g.Ended() {
		t.Error("the peer does not read the end of the stream")
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
	if err := serve(v); err == nil || g.left.Load() != 1 || !g.Ended() {
		t.Errorf("error %v, %d calls of Left", err, g.left.Load())
	}
}

// Who may not send is read, and what he sends is dropped, and counted.
func TestMute(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	from := l.JoinAs(t, got, bus.JoinOptions{Recv: true, Send: true})
	g := connect(t, l, func(v *bus.Visitor) { v.Send = false })
	g.Write(t, g.Wire(lanetest.Frame(1, 0)))
	p := l.Net.Port(2)
	bustest.WaitFor(t, "the frame to be dropped", func() bool { return lanetest.Count(p, "drop_filtered") == 1 })
	bustest.Send(from, lanetest.Frame(2, 0))
	bustest.WaitFor(t, "a frame", func() bool { return len(g.Received()) == 1 })
	if len(got.Frames()) != 0 {
		t.Error("a frame came of who may not send")
	}
}

// Who may not receive gets nothing.
func TestDeaf(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	from := l.JoinAs(t, got, bus.JoinOptions{Recv: true, Send: true})
	g := connect(t, l, func(v *bus.Visitor) { v.Recv = false })
	bustest.Send(from, lanetest.Frame(1, 0))
	g.Write(t, g.Wire(lanetest.Frame(1, 0)))
	bustest.WaitFor(t, "a frame", func() bool { return len(got.Frames()) == 1 })
	if len(g.Received()) != 0 {
		t.Error("frames came to who may not receive")
	}
}

// A frame longer than QEMU takes is lost as too long.
func TestTooLongForPeer(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 200000 }); err != nil {
		t.Fatal(err)
	}
	g := connect(t, l)
	from := l.Join(t, &bustest.Sink{})
	bustest.Send(from, make([]byte, maxLen+1))
	bustest.Send(from, make([]byte, maxLen))
	bustest.WaitFor(t, "a frame", func() bool { return len(g.Received()) == 1 })
	if n := lanetest.Count(l.Net.Port(1), "drop_too_long"); n != 1 {
		t.Errorf("%d frames were too long, want 1", n)
	}
}
