package stream

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// narrow gives a port's socket room for few bytes, so that frames are cut.
func narrow(tb testing.TB) func(c *Config) {
	return func(c *Config) {
		if err := unix.SetsockoptInt(c.Out, unix.SOL_SOCKET, unix.SO_SNDBUF, 4608); err != nil {
			tb.Fatal(err)
		}
	}
}

// Frames that are cut arrive whole, in whatever form they came: from another such peer,
// or bare.
func TestCutFrames(t *testing.T) {
	for _, memory := range []bool{true, false} {
		t.Run(fmt.Sprintf("memory %v", memory), func(t *testing.T) {
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue = 4096 }); err != nil {
				t.Fatal(err)
			}
			g := connect(t, l, narrow(t))
			bare := l.Join(t, &bustest.Sink{})
			other := connect(t, l)
			if !memory {
				defer lanetest.Exhaust(l.Net.Memory())()
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
		})
	}
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
	stream := wire(data)
	var b frame.Batch
	b.AddIn(frame.Length4, stream)
	for _, f := range []frame.Frame{frame.NewFrame(data), b.Frames[0]} {
		d := New(Config{Form: frame.Length4, Net: l.Net})
		d.pieces(new(lane.Turn), 0, 0, &f)
		for sent := 1; sent < len(stream); sent++ {
			d.cut(0, &f, sent)
			if !bytes.Equal(d.output.tail, stream[sent:]) {
				t.Fatalf("%d of %d bytes were sent, and the tail is %d other ones", sent, len(stream), len(d.output.tail))
			}
			d.output.reset()
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
