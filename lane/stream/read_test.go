package stream

import (
	"bytes"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane/lanetest"
)

// frames are n of them, of many lengths.
func frames(n int) (list [][]byte) {
	for i := range n {
		list = append(list, lanetest.Frame(1, i))
	}
	return list
}

func wantFrames(tb testing.TB, got [][]byte, want [][]byte) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("%d frames came, want %d", len(got), len(want))
	}
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			tb.Fatalf("frame %d of %d bytes came as one of %d bytes, or changed", i, len(want[i]), len(got[i]))
		}
	}
}

// forms are those of streams.
var forms = []frame.Form{frame.Length2, frame.Length4, frame.Hops4}

// Whatever the split of the bytes, the frames are the same.
func TestSplits(t *testing.T) {
	super := bytes.Repeat([]byte{7}, 65535)
	few := frames(40)
	long := append(few[:len(few):len(few)], super, []byte{1}, super)
	for step, want := range map[int][][]byte{1: few, 2: few, 3: few, 7: few, 64: long, 1503: long, 2048: long, 4096: long, 70000: long, 1 << 20: long} {
		for _, form := range forms {
			t.Run(fmt.Sprintf("%d, %#x", step, form), func(t *testing.T) {
				eachWay(t, func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config)) {
					l := lanetest.Hub(t)
					got := &bustest.Recorder{}
					l.JoinAs(t, got, bus.JoinOptions{Recv: true})
					p, c := by(t, l.Net, form)
					start(t, l.Net, p, c, both)
					stream := p.Wire(want...)
					for at := 0; at < len(stream); at += step {
						p.Write(t, stream[at:min(len(stream), at+step)])
					}
					bustest.WaitFor(t, "all frames", func() bool { return len(got.Frames()) >= len(want) })
					wantFrames(t, got.Frames(), want)
				})
			})
		}
	}
}

// What is no frame for the network is skipped and counted, and the next one goes on.
func TestRefused(t *testing.T) {
	const mtu = 1000
	for _, form := range forms {
		l := lanetest.Hub(t)
		if err := l.Net.Change(func(s *bus.Settings) { s.MTU = mtu }); err != nil {
			t.Fatal(err)
		}
		got := &bustest.Recorder{}
		l.JoinAs(t, got, bus.JoinOptions{Recv: true})
		p, c := pair(t, l.Net, form)
		start(t, l.Net, p, c, both)
		good := bustest.Mark(bustest.EthernetHeader(1), 1, 0, 30)
		longest := maxLength
		if form == frame.Length2 {
			longest = frame.MaxPrefixed
		}
		p.Write(t, p.Wire(nil, good, make([]byte, mtu+1), nil, nil, good, make([]byte, longest), nil, good))
		bustest.WaitFor(t, "good ones", func() bool { return len(got.Frames()) == 3 })
		if n := lanetest.Count(port(t, l, 2), "refused_too_long"); n != 2 {
			t.Errorf("form %#x: %d frames were refused, want 2", form, n)
		}
		if s := port(t, l, 2).Stats(); s.Frames != 3 || s.Dropped() != 0 {
			t.Errorf("form %#x: %d frames entered and %d were dropped, want 3 and 0", form, s.Frames, s.Dropped())
		}
	}
}

// What is no such stream ends the connection, and what came before is carried.
func TestGarbage(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	l.JoinAs(t, got, bus.JoinOptions{Recv: true})
	g := connect(t, l)
	g.Write(t, append(wire(frames(1)...), "GET / HTTP/1.1\r\n"...))
	bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 })
	wantFrames(t, got.Frames(), frames(1))
	if l.Net.Port(2) != nil {
		t.Error("the port is still there")
	}
}

// Who may not send is read, and what he sends is dropped, and counted.
func TestMute(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	from := l.JoinAs(t, got, bus.JoinOptions{Recv: true, Send: true})
	g := connect(t, l, func(c *Config) { c.Mute = true })
	stream := wire(frames(100)...)
	for at := 0; at < len(stream); at += 999 {
		g.Write(t, stream[at:min(len(stream), at+999)])
	}
	bustest.WaitFor(t, "frames to be dropped", func() bool { return lanetest.Count(port(t, l, 2), "drop_filtered") == 100 })
	bustest.Send(from, frames(1)[0])
	bustest.WaitFor(t, "a frame", func() bool { return len(g.Received()) == 1 })
	if len(got.Frames()) != 0 {
		t.Error("frames came of who may not send")
	}
}

// Without memory for what is unfinished, that frame is lost and the next one is not.
func TestNoMemory(t *testing.T) {
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	l.JoinAs(t, got, bus.JoinOptions{Recv: true})
	g := connect(t, l)
	refund := lanetest.Exhaust(l.Net.Memory())
	defer refund()
	half := wire(frames(1)...)
	g.Write(t, half[:20])
	p := port(t, l, 2)
	bustest.WaitFor(t, "the loss", func() bool { return lanetest.Count(p, "drop_memory") == 1 })
	g.Write(t, append(half[20:], wire(frames(2)[1])...))
	bustest.WaitFor(t, "the next", func() bool { return len(got.Frames()) == 1 })
	wantFrames(t, got.Frames(), frames(2)[1:])
	if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
		t.Error(err)
	}
}

// Half a frame costs as much memory as the frame, while it lasts.
func TestHalfAFrame(t *testing.T) {
	l := lanetest.Hub(t)
	before := l.Net.Memory().Used()
	g := connect(t, l)
	g.Write(t, wire(make([]byte, 1500))[:9])
	bustest.WaitFor(t, "the charge", func() bool { return l.Net.Memory().Used() > before })
	if used := l.Net.Memory().Used() - before; used > 4096 {
		t.Errorf("%d bytes are charged", used)
	}
	g.hangUp(t)
}

// A frame that is over an mtu which became less while it came is refused, and what held
// its beginning given back.
func TestMTUBecomesLess(t *testing.T) {
	l := lanetest.Hub(t)
	g := connect(t, l)
	before := l.Net.Memory().Used()
	stream := wire(make([]byte, 900))
	g.Write(t, stream[:100])
	bustest.WaitFor(t, "the charge", func() bool { return l.Net.Memory().Used() > before })
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 500 }); err != nil {
		t.Fatal(err)
	}
	g.Write(t, stream[100:])
	bustest.WaitFor(t, "the refusal", func() bool { return lanetest.Count(port(t, l, 1), "refused_too_long") == 1 })
	bustest.WaitFor(t, "the refund", func() bool { return l.Net.Memory().Used() == before })
}

// FuzzStream: any bytes in any split give the frames of the same bytes in one piece.
func FuzzStream(f *testing.F) {
	f.Add(wire(frames(5)...), uint16(1))
	f.Add(wire(make([]byte, 70000), []byte{1, 2}, nil, make([]byte, 1500)), uint16(999))
	f.Add([]byte{0, 16, 0, 1, 0}, uint16(2))
	f.Add(append(wire(frames(60)...), 0, 0, 1), uint16(3000))
	f.Add(wire(make([]byte, 65535), make([]byte, 65535)), uint16(65535))
	f.Add(lanetest.Wire(frame.Length2, frames(5)...), uint16(7))
	f.Add(append([]byte{9, 0, 0, 2, 'a', 'b', 8, 0, 0, 1, 'c'}, lanetest.Wire(frame.Hops4, frames(5)...)...), uint16(600))
	f.Add(lanetest.Wire(frame.Length2, make([]byte, 65535), nil, []byte{1}), uint16(4096))
	f.Fuzz(func(t *testing.T, stream []byte, step uint16) {
		for _, form := range forms {
			want := reference(form, stream, frame.DefaultMTU)
			l := lanetest.Hub(t)
			got := &bustest.Recorder{}
			l.JoinAs(t, got, bus.JoinOptions{Recv: true})
			p, c := pair(t, l.Net, form)
			start(t, l.Net, p, c, both)
			for at, n := 0, max(1, int(step), len(stream)/500); at < len(stream) && p.left.Load() == 0; at += n {
				p.Write(t, stream[at:min(len(stream), at+n)])
			}
			if used := l.Net.Memory().Used(); used > 1<<20 {
				t.Errorf("%d bytes are charged for one peer", used)
			}
			p.hangUp(t)
			wantFrames(t, got.Frames(), want)
		}
	})
}

// reference parses a stream as simply as can be.
func reference(form frame.Form, stream []byte, mtu int) (list [][]byte) {
	head := 4
	if form == frame.Length2 {
		head = 2
	}
	for len(stream) >= head {
		n := 0
		for _, c := range stream[:head] {
			n = n<<8 | int(c)
		}
		hops := 0
		if form == frame.Hops4 {
			hops, n = n>>24, n&0xffffff
		}
		if n > 1<<20 || len(stream) < head+n {
			break
		}
		if n > 0 && n <= mtu && hops <= frame.MaxHops {
			list = append(list, stream[head:head+n])
		}
		stream = stream[head+n:]
	}
	return list
}
