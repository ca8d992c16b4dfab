package cable

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/cable/toobig"
	"ipnfs/lane/lanetest"
	_ "ipnfs/policies/broadcast"
	_ "ipnfs/policies/l2switch"
	"ipnfs/test/harness"
)

// packet is a frame of so many bytes with a UDP packet that must not be cut, between two
// stations.
func packet(from, to byte, length int) []byte {
	f := []byte{2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to}
	f = append(f, make([]byte, length-len(f))...)
	binary.BigEndian.PutUint16(f[16:], uint16(length-14))
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(f[i:]))
	}
	binary.BigEndian.PutUint16(f[24:], ^uint16(sum>>16+sum))
	return f
}

// newSwitch is a lab whose network is a switch.
func newSwitch(t *testing.T) *lab {
	t.Helper()
	l := &lab{Lab: bustest.NewLab(t, bridging), t: t, events: &bustest.Events{}, rec: &bustest.Recorder{}}
	l.peer = l.Join(t, l.rec)
	return l
}

// Who sends a packet that is too long for the link is told, by the station that it was
// for, in the same VLAN, and nobody else is.
func TestTellsTooLong(t *testing.T) {
	l := newSwitch(t)
	c, f, far := l.layUp("fake://x", func(k *Link) { k.MaxLen = 1000 })
	other := &bustest.Recorder{}
	l.Join(t, other)
	far.Bring(t, packet(2, 1, 100)) // so the switch knows where 2 is
	bustest.WaitFor(t, "it to come", func() bool { return len(l.rec.Frames()) == 1 && len(other.Frames()) == 1 })
	bustest.Send(l.peer, packet(1, 2, 1000))
	bustest.Send(l.peer, packet(1, 2, 1001))
	bustest.WaitFor(t, "the answer", func() bool { return len(l.rec.Frames()) == 2 })
	want, ok := toobig.Answer(nil, packet(1, 2, 1001), 1000)
	if got := l.rec.Frames()[1]; !ok || !bytes.Equal(got, want) {
		t.Errorf("the answer is %x, want %x", got, want)
	}
	if got := far.Await(t, 1); len(got) != 1 || len(other.Frames()) != 1 {
		t.Errorf("%d frames left by the cable, another port got %d", len(got), len(other.Frames()))
	}
	if n := lanetest.Count(c.port(), "drop_too_long"); n != 1 || c.port().Stats().Frames != 2 {
		t.Errorf("%d are counted as too long, %d as brought", n, c.port().Stats().Frames)
	}
	// The way is of another length now.
	f.plug.Load().SetMaxLen(500)
	bustest.WaitFor(t, "an answer of that length", func() bool {
		bustest.Send(l.peer, packet(1, 2, 1001))
		all := l.rec.Frames()
		return binary.BigEndian.Uint16(all[len(all)-1][40:]) == 500-14
	})
}

// Of many packets few are answered, of each pair of stations one at a time.
func TestTellsTooLongSeldom(t *testing.T) {
	l := newSwitch(t)
	_, _, far := l.layUp("fake://x", func(k *Link) { k.MaxLen = 1000 })
	far.Bring(t, packet(2, 1, 100))
	far.Bring(t, packet(3, 1, 100))
	bustest.WaitFor(t, "them to come", func() bool { return len(l.rec.Frames()) == 2 })
	began := time.Now()
	for range 5000 {
		bustest.Send(l.peer, packet(1, 2, 1001))
		bustest.Send(l.peer, packet(1, 3, 1001))
	}
	bustest.WaitFor(t, "answers", func() bool { return len(l.rec.Frames()) >= 4 })
	from := map[byte]int{}
	for _, f := range l.rec.Frames()[2:] {
		from[f[11]]++
	}
	// Time is the promise: 100 a second, and a few at once.
	if most := int(time.Since(began)/answerPause) + 2*answersAtOnce; from[2]+from[3] > most || from[2] == 0 || from[3] == 0 {
		t.Errorf("%v answers, at most %d", from, most)
	}
}

// A super-frame counts by its segments, and is answered once.
func TestTellsOfSuperFrames(t *testing.T) {
	l := newSwitch(t)
	_, _, far := l.layUp("fake://x", func(k *Link) { k.MaxLen = 1000 })
	far.Bring(t, packet(2, 1, 100))
	bustest.WaitFor(t, "it to come", func() bool { return len(l.rec.Frames()) == 1 })
	super := func(segment int) []byte { // of UDP, 4 segments
		data := packet(1, 2, 42+4*segment)
		binary.BigEndian.PutUint16(data[38:], uint16(len(data)-34))
		head := make([]byte, 10)
		head[0], head[1] = 1, 5 // NEEDS_CSUM, UDP_L4
		binary.LittleEndian.PutUint16(head[2:], 42)
		binary.LittleEndian.PutUint16(head[4:], uint16(segment))
		binary.LittleEndian.PutUint16(head[6:], 34)
		binary.LittleEndian.PutUint16(head[8:], 6)
		return append(head, data...)
	}
	send := func(raw []byte) {
		var b bus.Batch
		b.AddVnet(raw)
		l.peer.Send(&b)
		b.Reset()
	}
	send(super(958))
	if got := far.Await(t, 4); len(got[0]) != 1000 {
		t.Errorf("a segment is of %d bytes", len(got[0]))
	}
	send(super(959))
	bustest.WaitFor(t, "the answer", func() bool { return len(l.rec.Frames()) == 2 })
	if n := lanetest.Count(l.Net.Port(2), "drop_too_long"); n != 4 {
		t.Errorf("%d are counted as too long", n)
	}
}

// Nobody is told where frames need not be of Ethernet, and nobody who would not be told
// by a router.
func TestTellsNobody(t *testing.T) {
	l := &lab{Lab: bustest.NewLab(t, "broadcast"), t: t, events: &bustest.Events{}, rec: &bustest.Recorder{}}
	l.peer = l.Join(t, l.rec)
	c, _, _ := l.layUp("fake://x mtu=1000")
	bustest.Send(l.peer, packet(1, 2, 1001))
	bustest.WaitFor(t, "the lane to be done with it", func() bool {
		conn := c.end.Conn()
		conn.Lock()
		defer conn.Unlock()
		return c.end.(*answers).resting
	})
	if n := len(l.rec.Frames()); n != 0 {
		t.Errorf("%d frames came", n)
	}
	s := newSwitch(t)
	c, _, _ = s.layUp("fake://x mtu=1000")
	bustest.Send(s.peer, make([]byte, 1001))
	conn := c.end.Conn()
	conn.Lock()
	defer conn.Unlock()
	if a := c.end.(*answers); a.n != 0 || a.resting {
		t.Error("what is no packet is answered")
	}
}

// Frames that are too long allocate nothing, and what is sent of them neither.
func TestTellsWithoutAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l := newSwitch(t)
	l.Leave(l.peer)
	l.peer = l.Join(t, &ear{heard: func() {}})
	c, _, far := l.layUp("fake://x", func(k *Link) { k.MaxLen = 1000 })
	far.Bring(t, packet(2, 1, 100))
	lanetest.AwaitFrames(c.port(), 1)
	long := packet(1, 2, 1001)
	var b bus.Batch
	lanetest.NoAllocations(t, "frames that are too long", func(frames int) {
		for range frames {
			b.SetFrame(long)
			l.peer.Send(&b)
			b.Reset()
		}
	})
	lanetest.AwaitFrames(c.port(), 2)
}
