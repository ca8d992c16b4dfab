package bus_test

import (
	"bytes"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// etherMTU is the longest frame in bytes of a wire with an mtu of 1500, which
// counts what follows the 14 bytes of the ethernet header, plus a VLAN tag.
const etherMTU = 1518

// sized is a super-frame of TCP in IPv4 whose longest frame on a wire has so
// many bytes, and which makes 40 of these and a short one.
func sized(wire int) bustest.Super {
	size := wire - 14 - 20 - 20
	return bustest.Super{Size: size, Payload: 40*size + 1}
}

// What a receiver cannot take is counted: a super-frame is as long as the
// frames it is to be cut to.
func TestMaxLenOfSuperFrames(t *testing.T) {
	for what, c := range map[string]struct {
		raw            []byte
		edit           frame.Edit
		offload        bool
		frames, tooBig int
	}{
		"fits whole":                {sized(etherMTU).Raw(), frame.Edit{}, true, 1, 0},
		"does not":                  {sized(etherMTU + 1).Raw(), frame.Edit{}, true, 0, 1},
		"fits cut":                  {sized(etherMTU).Raw(), frame.Edit{}, false, 41, 0},
		"does not but for the last": {sized(etherMTU + 1).Raw(), frame.Edit{}, false, 1, 40},
		"with a tag, whole":         {sized(etherMTU - 4).Raw(), frame.Edit{Push: newTag}, true, 1, 0},
		"a tag too long, whole":     {sized(etherMTU - 3).Raw(), frame.Edit{Push: newTag}, true, 0, 1},
		"with a tag, cut":           {sized(etherMTU - 4).Raw(), frame.Edit{Push: newTag}, false, 41, 0},
		"a tag too long, cut":       {sized(etherMTU - 3).Raw(), frame.Edit{Push: newTag}, false, 1, 40},
		"unfinished":                {bustest.Super{Payload: etherMTU - 54}.Raw(), frame.Edit{}, true, 1, 0},
		"unfinished and too long":   {bustest.Super{Payload: etherMTU - 53}.Raw(), frame.Edit{}, true, 0, 1},
		"complete":                  {make([]byte, vnet.HeaderLen+etherMTU), frame.Edit{}, true, 1, 0},
		"complete and too long":     {make([]byte, vnet.HeaderLen+etherMTU+1), frame.Edit{}, true, 0, 1},
	} {
		for _, takes := range []int{-1, 0} {
			var port *bus.Port
			s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) { out.AddEdited(port, c.edit) }}
			l := s.lab(t)
			ear := bustest.NewTaper(takes)
			conn := l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: c.offload, MaxLen: etherMTU})
			port = conn.Port()
			from := l.Join(t, &bustest.Sink{})
			short := bustest.Super{Payload: 1}.Raw()
			if n := bustest.SendVnet(from, short, c.raw, short); n != 3 {
				t.Errorf("%s: %d of 3 frames went", what, n)
			}
			ear.Take(-1)
			if got := len(ear.Frames()); got != c.frames+2 {
				t.Errorf("%s: %d frames came, want %d", what, got-2, c.frames)
			}
			stats := port.Stats()
			if got := drop(stats, "too_long"); got != uint64(c.tooBig) || stats.Offered != uint64(c.frames+c.tooBig+2) {
				t.Errorf("%s: %d frames are counted as too long, want %d; offered %d", what, got, c.tooBig, stats.Offered)
			}
			if err := bustest.CheckBalance(stats); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// The limit of a receiver may change, as an interface's mtu does.
func TestSetMaxLen(t *testing.T) {
	l := bustest.NewLab(t, hub)
	ear := &bustest.Recorder{}
	conn := l.JoinAs(t, ear, bus.JoinOptions{Recv: true, MaxLen: 100})
	from := l.Join(t, &bustest.Sink{})
	for _, c := range []struct{ limit, length, frames int }{
		{100, 100, 1}, {100, 101, 1}, {101, 101, 2}, {99, 100, 2}, {0, 70000, 3}, {99, 99, 4},
	} {
		conn.SetMaxLen(c.limit)
		bustest.Send(from, make([]byte, c.length))
		if got := len(ear.Frames()); got != c.frames {
			t.Errorf("a frame of %d bytes, limit %d: %d came so far, want %d", c.length, c.limit, got, c.frames)
		}
	}
	if got := drop(l.Net.Stats(), "too_long"); got != 2 {
		t.Errorf("%d frames are counted as too long, want 2", got)
	}
}

func TestWireLen(t *testing.T) {
	plain := frame.NewFrame(make([]byte, 77))
	if plain.WireLen() != 77 {
		t.Errorf("a frame of 77 bytes is %d on a wire", plain.WireLen())
	}
	for _, s := range []bustest.Super{
		{Size: 1448, Payload: 60000}, {Size: 1448, Payload: 1448}, {Size: 1448, Payload: 1449, V6: true},
		{Size: 1472, Payload: 9000, UDP: true, Tags: []uint32{outerTag, innerTag}}, {Payload: 3000}, {Size: 1, Payload: 2},
	} {
		want := 0
		for _, frame := range bustest.Complete(s.Raw()) {
			want = max(want, len(frame))
		}
		var b bus.Batch
		b.AddVnet(s.Raw())
		if got := b.Frames[0].WireLen(); got != want {
			t.Errorf("%+v: WireLen is %d, the longest frame has %d bytes", s, got, want)
		}
		if got := b.Frames[0].Len(); got != len(s.Raw())-vnet.HeaderLen {
			t.Errorf("%+v: Len is %d", s, got)
		}
		h, unfinished := b.Frames[0].Offload()
		if want, _ := s.Build(); h != want || !unfinished {
			t.Errorf("%+v: Offload is %+v, %v", s, h, unfinished)
		}
		if raw, ok := b.Frames[0].Vnet(); !ok || !bytes.Equal(raw, s.Raw()) {
			t.Errorf("%+v: Vnet is %d bytes, %v", s, len(raw), ok)
		}
		if _, ok := b.Frames[0].Prefixed(); ok {
			t.Errorf("%+v: a virtio-net header passes for a length", s)
		}
	}
}

// Queued forms are charged as what they take, and where memory is short they
// are dropped for it.
func TestMemoryOfForms(t *testing.T) {
	const limit = 1 << 20
	s := script{}
	b := newBus(t, bus.Limits{Ports: 10, Networks: 2, Memory: limit})
	n, err := b.Create("n", s.register(t), bus.Access{}, bus.Access{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Change(func(s *bus.Settings) { s.Queue = bus.MaxQueue }); err != nil {
		t.Fatal(err)
	}
	whole, cut := bustest.NewTaper(0), bustest.NewTaper(0)
	tags := bustest.NewTaper(0)
	var conns []*bus.Conn
	for _, r := range []struct {
		ear     *bustest.Taper
		offload bool
	}{{whole, true}, {cut, false}, {tags, true}} {
		c, err := n.Join(r.ear, bus.JoinOptions{Recv: true, Offload: r.offload})
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	s.forward = func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		out.Add(conns[0].Port())
		out.Add(conns[1].Port())
		out.AddEdited(conns[2].Port(), frame.Edit{Push: newTag})
	}
	from, err := n.Join(&bustest.Sink{}, bus.JoinOptions{Send: true})
	if err != nil {
		t.Fatal(err)
	}
	raw := bustest.Super{Size: 1448, Payload: 62000}.Raw()
	dropped := func() uint64 {
		stats := n.Stats()
		return stats.Dropped()
	}
	sent := 0
	for ; dropped() == 0; sent++ {
		before := b.Memory.Waiting()
		bustest.SendVnet(from, raw)
		// One whole, one retagged, and each of the cut ones by itself.
		if used := b.Memory.Waiting() - before; dropped() == 0 && used < int64(3*len(raw)) {
			t.Fatalf("three forms of %d bytes each are charged with %d bytes", len(raw), used)
		}
		if sent > 100 {
			t.Fatal("the memory never ends")
		}
	}
	if b.Memory.Waiting() > limit || sent < 2 {
		t.Errorf("%d bytes are used of %d, %d frames were sent", b.Memory.Waiting(), limit, sent)
	}
	stats := n.Stats()
	if err := bustest.CheckBalance(stats); err != nil || drop(stats, "memory") == 0 || drop(stats, "memory") != stats.Dropped() {
		t.Errorf("stats are %+v, %v", stats, err)
	}
	for _, ear := range []*bustest.Taper{whole, cut, tags} {
		ear.Take(-1)
	}
	frames := bustest.Complete(raw)
	for i, f := range cut.Frames() {
		if !bytes.Equal(f, frames[i%len(frames)]) {
			t.Fatalf("where memory was short frame %d came as another", i)
		}
	}
	if used := b.Memory.Waiting(); used != 0 {
		t.Errorf("%d bytes are used when all was received", used)
	}
	for _, c := range append(conns, from) {
		c.Close()
	}
}
