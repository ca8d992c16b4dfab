package seq

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is the far end of a connection.
type guest struct {
	*lanetest.Far
	left   atomic.Int64 // calls of Visitor.Left
	served chan error   // what serve returned
}

// pair makes a guest and the visitor that he is. Both rights are his.
func pair(tb testing.TB, n *bus.Network) (*guest, *bus.Visitor) {
	tb.Helper()
	g := &guest{Far: lanetest.NewFar(tb), served: make(chan error, 1)}
	return g, &bus.Visitor{Network: n, FD: g.Near, Recv: true, Send: true, Joined: func() {}, Left: func() { g.left.Add(1) }}
}

// connect makes a guest the next port.
func connect(tb testing.TB, l *bustest.Lab, change ...func(v *bus.Visitor)) *guest {
	tb.Helper()
	g, v := pair(tb, l.Net)
	for _, f := range change {
		f(v)
	}
	joined := len(l.Net.Ports()) + 1
	go func() { g.served <- serve(v) }()
	bustest.WaitFor(tb, "the port", func() bool { return len(l.Net.Ports()) == joined })
	tb.Cleanup(func() { g.hangUp(tb) })
	return g
}

// hangUp ends the connection and waits until nothing is left of it.
func (g *guest) hangUp(tb testing.TB) {
	tb.Helper()
	_ = unix.Shutdown(g.FD, unix.SHUT_RDWR)
	bustest.WaitFor(tb, "the port to end", func() bool { return g.left.Load() == 1 })
}

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		g, v := pair(tb, nil)
		e, err := lane.New(lane.Config{Sources: newPeer(v).sources()})
		if err != nil {
			tb.Fatal(err)
		}
		return lanetest.Fixture(tb, e, g.Far)
	})
}

// Empty messages are ignored, also as the first and the last ones, and the end is none.
func TestEmptyMessages(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	l.JoinAs(t, got, bus.JoinOptions{Recv: true})
	g := connect(t, l)
	send := func(n int) {
		if err := unix.Sendto(g.FD, make([]byte, n), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
	const rounds = 100
	for i := range rounds {
		send(0)
		send(60)
		bustest.WaitFor(t, "the frame", func() bool { return len(got.Frames()) == i+1 })
	}
	for range 50 {
		send(0)
	}
	send(61)
	send(0)
	unix.Close(g.FD)
	g.FD = -1
	bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 })
	if f := got.Frames(); len(f) != rounds+1 || len(f[rounds]) != 61 {
		t.Errorf("%d frames came", len(f))
	}
}

// Too long ones are refused and counted, what a peer may not send is dropped and
// counted, and what he may not receive does not reach him.
func TestRights(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 1000 }); err != nil {
		t.Fatal(err)
	}
	got := &bustest.Recorder{}
	from := l.Join(t, got)
	both := connect(t, l)
	mute := connect(t, l, func(v *bus.Visitor) { v.Send = false })
	deaf := connect(t, l, func(v *bus.Visitor) { v.Recv = false })
	for _, g := range []*guest{both, mute, deaf} {
		g.Bring(t, lanetest.Frame(1, 0), make([]byte, 1001))
	}
	for port, want := range map[int]map[string]uint64{
		2: {"refused_too_long": 1, "frames": 1},
		3: {"drop_filtered": 2},
		4: {"refused_too_long": 1, "frames": 1},
	} {
		for name, n := range want {
			bustest.WaitFor(t, fmt.Sprintf("%s of port %d", name, port), func() bool { return lanetest.Count(l.Net.Port(port), name) == n })
		}
	}
	bustest.Send(from, lanetest.Frame(2, 0))
	both.Await(t, 2)
	mute.Await(t, 3)
	if len(deaf.Received()) != 0 || len(got.Frames()) != 2 {
		t.Errorf("%d frames came to who may not receive, %d of who may send", len(deaf.Received()), len(got.Frames()))
	}
}

// A message longer than the socket takes is lost, and the next one is not.
func TestTooLongForSocket(t *testing.T) {
	l := lanetest.Hub(t)
	g := connect(t, l, func(v *bus.Visitor) { _ = unix.SetsockoptInt(v.FD, unix.SOL_SOCKET, unix.SO_SNDBUF, 4608) })
	from := l.Join(t, &bustest.Sink{})
	bustest.SendBatch(from, lanetest.Frame(1, 0), make([]byte, 20000), lanetest.Frame(1, 1))
	g.Await(t, 2)
	if n := lanetest.Count(l.Net.Port(1), "drop_device"); n != 1 {
		t.Errorf("%d frames were lost, want 1", n)
	}
}

// A peer that takes nothing holds up whom the overflow setting says, and gets what
// waits, in order, when he takes again.
func TestStuckPeer(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender} {
		t.Run(overflow.String(), func(t *testing.T) {
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 50, overflow }); err != nil {
				t.Fatal(err)
			}
			stuck, from := connect(t, l), connect(t, l)
			stats := func(port int) bus.Stats { return l.Net.Port(port).Stats() }
			sent := 0
			if overflow == bus.BlockSender {
				bustest.WaitFor(t, "the sender to be held up", func() bool {
					for from.Try(lanetest.Frame(1, sent)) {
						sent++
					}
					return stats(1).Queued == 50 && from.Waits()
				})
			} else {
				for ; sent < 2000; sent++ {
					from.Bring(t, lanetest.Frame(1, sent))
				}
				bustest.WaitFor(t, "all to be sent", func() bool { return stats(2).Frames == 2000 })
			}
			bustest.WaitFor(t, "all to be taken", func() bool {
				stuck.Received()
				return stats(2).Frames == uint64(sent) && stats(1).Queued == 0
			})
			stuck.Await(t, int(stats(1).Received))
			if err := bustest.CheckOrder(stuck.Received()); err != nil {
				t.Error(err)
			}
		})
	}
}

// sendRights sends a message with descriptors.
func sendRights(tb testing.TB, g *guest, payload []byte, fds ...int) {
	tb.Helper()
	if err := unix.Sendmsg(g.FD, payload, unix.UnixRights(fds...), nil, 0); err != nil {
		tb.Fatal(err)
	}
}

// Whatever descriptors come, none stays open.
func TestStrayDescriptors(t *testing.T) {
	l := lanetest.Hub(t)
	hold := connect(t, l) // a lane stays
	hold.Bring(t, lanetest.Frame(1, 0))
	if err := <-hold.served; err != nil {
		t.Fatal(err)
	}
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fd := int(null.Fd())
	open := len(lanetest.OpenFiles(t))
	for _, c := range []struct {
		what    string
		send    func(g *guest)
		refused bool
	}{
		{"no tap", func(g *guest) { sendRights(t, g, []byte{1}, fd) }, true},
		{"with nothing else", func(g *guest) { sendRights(t, g, nil, fd) }, true},
		{"several", func(g *guest) { sendRights(t, g, []byte{1}, fd, fd, fd) }, true},
		{"and hung up", func(g *guest) { sendRights(t, g, []byte{1}, fd); unix.Shutdown(g.FD, unix.SHUT_RDWR) }, true},
		{"second message", func(g *guest) {
			g.Bring(t, lanetest.Frame(1, 0))
			sendRights(t, g, lanetest.Frame(1, 0), fd, fd)
			bustest.WaitFor(t, "both", func() bool { return l.Net.Port(2).Stats().Frames == 2 })
		}, false},
	} {
		g := connect(t, l)
		c.send(g)
		if err := <-g.served; (err != nil) != c.refused {
			t.Errorf("%s: error %v", c.what, err)
		} else if err != nil {
			t.Logf("%s: %v", c.what, err)
		}
		g.hangUp(t)
		unix.Close(g.FD)
		g.FD = -1
		lanetest.WantOpen(t, open)
	}
}

// A descriptor that came when nobody waited for it any more is closed at the end.
func TestLateDescriptor(t *testing.T) {
	_, v := pair(t, nil)
	p := newPeer(v)
	open := len(lanetest.OpenFiles(t))
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p.first.descriptors <- descriptor{fd: fd}
	p.Close()
	lanetest.WantOpen(t, open-1)
}

// Peers that come and go leave nothing.
func TestManyPeers(t *testing.T) {
	l := lanetest.Hub(t)
	from, to := connect(t, l), connect(t, l)
	from.Bring(t, lanetest.Frame(1, 0))
	open := len(lanetest.OpenFiles(t))
	for i := range 1000 {
		g, v := pair(t, l.Net)
		go func() { g.served <- serve(v) }()
		if i%2 == 0 {
			_ = unix.Sendto(g.FD, nil, 0, nil)
		}
		unix.Close(g.FD)
		g.FD = -1
		bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 })
		if err := <-g.served; err != nil {
			t.Fatal(err)
		}
	}
	lanetest.WantOpen(t, open)
	var silent []*guest
	for range 200 {
		silent = append(silent, connect(t, l))
	}
	from.Bring(t, lanetest.Frame(1, 1))
	to.Await(t, 2)
	for _, g := range silent {
		g.hangUp(t)
	}
}

// Frames allocate nothing on their way in and out.
func TestNoAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l := lanetest.Hub(t)
	from, to := connect(t, l), connect(t, l)
	from.Bring(t, lanetest.Frame(1, 0))
	<-from.served
	p := l.Net.Port(1)
	data := lanetest.Frame(1, 14)
	lanetest.NoAllocations(t, "messages", func(n int) {
		at := p.Stats().Frames
		for sent := range n {
			for !from.Try(data) {
				runtime.Gosched()
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
