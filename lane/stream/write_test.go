package stream

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// narrow gives a port's socket or pipe room for few bytes, so that frames are cut.
func narrow(tb testing.TB) func(c *Config) {
	return func(c *Config) {
		err := unix.SetsockoptInt(c.Out, unix.SOL_SOCKET, unix.SO_SNDBUF, 4608)
		if err == unix.ENOTSOCK {
			_, err = unix.FcntlInt(uintptr(c.Out), unix.F_SETPIPE_SZ, 4096)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// Frames that are cut arrive whole, in whatever form they came: from another such peer,
// or bare.
func TestCutFrames(t *testing.T) {
	eachWay(t, func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config)) {
		for _, memory := range []bool{true, false} {
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue = 4096 }); err != nil {
				t.Fatal(err)
			}
			g, c := by(t, l.Net, frame.Length4)
			narrow(t)(&c)
			start(t, l.Net, g, c, both)
			bare := l.Join(t, &bustest.Sink{})
			other := connect(t, l)
			refund := func() {}
			if !memory {
				refund = lanetest.Exhaust(l.Net.Memory())
			}
			var want [][]byte
			for i := range 300 {
				f := lanetest.Frame(1, i)
				want = append(want, f)
				if i%2 == 0 || !memory {
					bustest.Send(bare, f)
				} else {
					sent := port(t, l, 3).Stats().Frames
					other.Write(t, wire(f))
					bustest.WaitFor(t, "the port to send", func() bool { return port(t, l, 3).Stats().Frames > sent })
				}
				if i%7 == 0 && memory || !memory {
					bustest.WaitFor(t, "the frames", func() bool { return len(g.Received()) == i+1 })
				}
			}
			// The last one is cut, with none behind it.
			last := lanetest.Frame(1, len(want))
			last = append(last, make([]byte, 60000)...)
			want = append(want, last)
			bustest.Send(bare, last)
			bustest.WaitFor(t, "the rest", func() bool { return len(g.Received()) == len(want) })
			wantFrames(t, g.Received(), want)
			refund()
		}
	})
}

// Where neither the network nor the others have left memory for the rest of a frame, the
// peer is disconnected; what was taken for it is given back.
func TestNoMemoryForTail(t *testing.T) {
	l := lanetest.Hub(t)
	stuck := connect(t, l, narrow(t))
	from := l.Join(t, &bustest.Sink{})
	defer lanetest.Exhaust(l.Net.Memory())()
	spare.Add(maxSpare)
	bustest.Send(from, make([]byte, 60000))
	bustest.WaitFor(t, "the peer to be disconnected", func() bool { return stuck.left.Load() == 1 })
	if got := spare.Add(-maxSpare); got != 0 {
		t.Errorf("%d bytes are counted", got)
	}
}

// With overflow disconnect a stuck peer loses his connection.
func TestStuckPeerDisconnected(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 50, bus.Disconnect }); err != nil {
		t.Fatal(err)
	}
	stuck := connect(t, l, narrow(t))
	from := l.Join(t, &bustest.Sink{})
	for i := 0; stuck.left.Load() == 0; i++ {
		if i > 1e5 {
			t.Fatal("it takes and takes")
		}
		bustest.Send(from, lanetest.Frame(1, i))
	}
}

// Wherever a frame is cut, the tail is the rest of it.
func TestTails(t *testing.T) {
	l := lanetest.Hub(t)
	data := lanetest.Frame(1, 0)
	for _, form := range forms {
		var b frame.Batch
		b.AddIn(form, lanetest.Wire(form, data))
		for _, f := range []frame.Frame{frame.NewFrame(data), b.Frames[0]} {
			stream := lanetest.Wire(form, data)
			if f.Hops() > 0 {
				stream[0]++ // one cable more
			}
			d := New(Config{Form: form, Net: l.Net})
			d.pieces(new(lane.Turn), 0, 0, &f)
			for sent := 1; sent < len(stream); sent++ {
				if err := d.cut(0, &f, sent); err != nil || !bytes.Equal(d.output.tail, stream[sent:]) {
					t.Fatalf("form %#x: %d of %d bytes were sent, and the tail is %d other ones", form, sent, len(stream), len(d.output.tail))
				}
				d.output.reset()
			}
		}
	}
}

// What 2 bytes cannot tell of is lost, and what is around it is sent.
func TestTooLongForForm(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 200000 }); err != nil {
		t.Fatal(err)
	}
	p, c := pair(t, l.Net, frame.Length2)
	start(t, l.Net, p, c, both)
	from := connect(t, l)
	long, longest := make([]byte, frame.MaxPrefixed+1), make([]byte, frame.MaxPrefixed)
	few := frames(3)
	from.Write(t, wire(long, few[0], long, long, few[1], longest, few[2], long))
	want := [][]byte{few[0], few[1], longest, few[2]}
	bustest.WaitFor(t, "frames", func() bool { return len(p.Received()) == len(want) })
	wantFrames(t, p.Received(), want)
	bustest.WaitFor(t, "the losses", func() bool { return lanetest.Count(port(t, l, 1), "drop_device") == 4 })
}

// Frames pass between streams of each form and way.
func TestForms(t *testing.T) {
	for _, from := range forms {
		for _, to := range forms {
			eachWay(t, func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config)) {
				l := lanetest.Hub(t)
				a, c := by(t, l.Net, from)
				start(t, l.Net, a, c, both)
				b, c := by(t, l.Net, to)
				start(t, l.Net, b, c, both)
				list := frames(100)
				for _, f := range list {
					a.Write(t, a.Wire(f))
				}
				bustest.WaitFor(t, "the frames", func() bool { return len(b.Received()) == len(list) })
				wantFrames(t, b.Received(), list)
				if len(a.Received()) != 0 {
					t.Error("frames came back")
				}
			})
		}
	}
}

// A frame says at each cable how many it has passed, and after the last one goes nowhere.
func TestHops(t *testing.T) {
	for counted, reason := range map[bool]string{true: "drop_loop", false: "drop_device"} {
		l := lanetest.Hub(t)
		join := both
		join.Hops = counted
		a, c := pair(t, l.Net, frame.Hops4)
		start(t, l.Net, a, c, join)
		b, c := pair(t, l.Net, frame.Hops4)
		start(t, l.Net, b, c, join)
		socket := connect(t, l)
		few := frames(4)
		stream := a.Wire(few...)
		at := 0
		for k, hops := range []byte{0, frame.MaxHops - 1, frame.MaxHops, frame.MaxHops + 1} {
			stream[at] = hops
			at += 4 + len(few[k])
		}
		a.Write(t, append(stream, a.Wire(few[0])...))
		bustest.WaitFor(t, "the frames at a socket", func() bool { return len(socket.Received()) == 4 })
		wantFrames(t, socket.Received(), [][]byte{few[0], few[1], few[2], few[0]})
		bustest.WaitFor(t, "the frames at a cable", func() bool { return len(b.Received()) == 3 })
		wantFrames(t, b.Received(), [][]byte{few[0], few[1], few[0]})
		if got := b.Hops(); !bytes.Equal(got, []byte{1, frame.MaxHops, 2}) {
			t.Errorf("they have passed %v cables", got)
		}
		for number, want := range map[int]uint64{0: 1, 1: 1} {
			if r := [2]string{"drop_loop", reason}[number]; lanetest.Count(port(t, l, number+1), r) != want {
				t.Errorf("port %d counts %d as %s, want %d", number+1, lanetest.Count(port(t, l, number+1), r), r, want)
			}
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Error(err)
		}
	}
}

// A peer that takes nothing holds up whom the overflow setting says, and gets what
// waits when he takes again.
func TestStuckPeer(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender} {
		t.Run(overflow.String(), func(t *testing.T) {
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 50, overflow }); err != nil {
				t.Fatal(err)
			}
			stuck := connect(t, l, narrow(t))
			from := connect(t, l)
			seq := 0
			for seq < 2000 {
				stream := wire(lanetest.Frame(1, seq))
				n, err := unix.Write(from.Out, stream)
				if err == unix.EAGAIN {
					if overflow == bus.BlockSender {
						break
					}
					continue
				}
				from.Write(t, stream[n:])
				seq++
			}
			if blocked := seq < 2000; blocked != (overflow == bus.BlockSender) {
				t.Fatalf("%d frames were taken", seq)
			}
			sent := func() uint64 { return port(t, l, 2).Stats().Frames }
			if overflow == bus.BlockSender {
				bustest.WaitFor(t, "all frames", func() bool { return len(stuck.Received()) == seq })
			} else {
				bustest.WaitFor(t, "all to be sent", func() bool { return sent() == uint64(seq) })
				bustest.WaitFor(t, "the queue to empty", func() bool { stuck.Received(); return port(t, l, 1).Stats().Queued == 0 })
				took := int(port(t, l, 1).Stats().Received)
				bustest.WaitFor(t, "what was taken", func() bool { return len(stuck.Received()) == took })
			}
			if err := bustest.CheckOrder(stuck.Received()); err != nil {
				t.Error(err)
			}
		})
	}
}
