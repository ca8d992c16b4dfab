package device

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/vnet"
	"ipnfs/lane/lanetest"
)

// bare takes the headers off.
func bare(raws [][]byte) (frames [][]byte) {
	for _, raw := range raws {
		frames = append(frames, raw[vnet.HeaderLen:])
	}
	return frames
}

// superFrames are some of all kinds, to be cut or completed.
func superFrames() (raws [][]byte) {
	for _, s := range []bustest.Super{
		{Size: 1448, Payload: 62000},
		{Size: 1428, Payload: 62000, V6: true},
		{Size: 1448, Payload: 9000, Tags: []uint32{0x81002064}},
		{Size: 1200, Payload: 12345, UDP: true},
		{Size: 1200, Payload: 12345, UDP: true, V6: true, Tags: []uint32{0x88a82064, 0x81000005}},
		{Payload: 1400},
		{Payload: 1400, UDP: true, V6: true},
	} {
		s.To = 0xff
		raws = append(raws, s.Raw())
	}
	return raws
}

// From tap to tap a frame goes as it is, its header included; to others
// complete, or as they want it.
func TestTapToTap(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l := lanetest.Hub(t)
		a, b := newFakeTap(t), newFakeTap(t)
		from := a.start(t, l, Config{})
		b.start(t, l, Config{})
		whole, cut := bustest.NewTaper(-1), bustest.NewTaper(-1)
		l.JoinAs(t, whole, bus.JoinOptions{Recv: true, Offload: true})
		l.JoinAs(t, cut, bus.JoinOptions{Recv: true})
		var raws, complete [][]byte
		for i := range 40 {
			raws = append(raws, superFrames()...)
			raws = append(raws, marked(1, i), marked(1, 40+i))
		}
		for _, raw := range raws {
			complete = append(complete, bustest.Complete(raw)...)
		}
		// The tap at the other end has to read, as a kernel does.
		for i, raw := range raws {
			a.Bring(t, raw)
			b.Await(t, i+1)
		}
		if got := b.Received(); !slices.EqualFunc(got, raws, bytes.Equal) {
			t.Errorf("%d frames came from tap to tap, want %d, or they changed", len(got), len(raws))
		}
		if got := cut.Frames(); !slices.EqualFunc(got, complete, bytes.Equal) {
			t.Errorf("%d complete frames came, want %d, or others", len(got), len(complete))
		}
		for i, s := range whole.Shapes() {
			if !bytes.Equal(append(s.Header, s.Data...), raws[i]) {
				t.Fatalf("frame %d came changed to who takes super-frames", i)
			}
		}
		if got := from.Port().Stats(); got.Frames != uint64(len(raws)) || got.Dropped() != 0 || got.Refused != 0 {
			t.Errorf("the sender's are %+v", got)
		}
	})
}

// Frames that come fast are read many at a time. Their order stays.
func TestBursts(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		const frames = 20000
		l := lanetest.Hub(t)
		ear := &bustest.Recorder{}
		l.Join(t, ear)
		a := newFakeTap(t)
		d := a.start(t, l, Config{})
		for i := range frames {
			a.Bring(t, marked(1, i))
		}
		bustest.WaitFor(t, "all to come", func() bool { return len(ear.Frames()) == frames })
		if err := bustest.CheckOrder(ear.Frames()); err != nil {
			t.Error(err)
		}
		if got := d.Port().Stats(); got.Frames != frames || got.Dropped() != 0 {
			t.Errorf("stats are %+v", got)
		}
	})
}

// What comes from files and streams gets a header that says nothing.
func TestOthersToTap(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l := lanetest.Hub(t)
		a := newFakeTap(t)
		a.start(t, l, Config{})
		from := l.Join(t, &bustest.Sink{})
		var frames, want [][]byte
		for i := range 50 {
			want = append(want, marked(1, i))
			frames = append(frames, marked(1, i)[vnet.HeaderLen:])
		}
		bustest.Send(from, frames[0])
		bustest.SendBatch(from, frames[1:]...)
		if got := a.Await(t, len(want)); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d frames came, want %d, or others", len(got), len(want))
		}
	})
}

// What the kernel has no room for is lost, and counted as that.
func TestLostOnWrite(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l := lanetest.Hub(t)
		a, b := newFakeTap(t), newFakeTap(t)
		ear := &bustest.Recorder{}
		l.Join(t, ear)
		a.start(t, l, Config{})
		d := b.start(t, l, Config{})
		const frames = 5000 // none is read at b
		for i := range frames {
			a.Bring(t, marked(1, i))
		}
		bustest.WaitFor(t, "all to come elsewhere", func() bool { return len(ear.Frames()) == frames })
		got := len(b.Received())
		stats := d.Port().Stats()
		if lost := lanetest.Count(d.Port(), "drop_device"); got == 0 || lost == 0 || int(lost)+got != frames || stats.Received != uint64(got) {
			t.Errorf("of %d frames %d came, %d are counted as lost: %+v", frames, got, lost, stats)
		}
		bytes := uint64(0)
		for _, raw := range b.Received() {
			bytes += uint64(len(raw) - vnet.HeaderLen)
		}
		if stats.ReceivedBytes != bytes {
			t.Errorf("%d bytes came, counted %d", bytes, stats.ReceivedBytes)
		}
		if err := bustest.CheckBalance(stats); err != nil {
			t.Error(err)
		}
	})
}

// A frame goes out if it, or what it is to be cut to, is as short as the
// interface takes.
func TestMTU(t *testing.T) {
	l := lanetest.Hub(t)
	a := newFakeTap(t)
	d := a.start(t, l, Config{MTU: 1500})
	from := l.Join(t, &bustest.Sink{})
	fits := bustest.Super{To: 0xff, Size: 1518 - 54, Payload: 60000}.Raw()
	longer := bustest.Super{To: 0xff, Size: 1518 - 53, Payload: 60000}.Raw()
	bustest.SendVnet(from, fits, longer, fits)
	bustest.Send(from, make([]byte, 1518))
	bustest.Send(from, make([]byte, 1519))
	d.SetMTU(1501)
	bustest.SendVnet(from, longer)
	bustest.Send(from, make([]byte, 1519))
	want := [][]byte{fits, fits, make([]byte, 10+1518), longer, make([]byte, 10+1519)}
	if got := a.Await(t, len(want)); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%d frames came, want %d, or others", len(got), len(want))
	}
	if got := lanetest.Count(d.Port(), "drop_too_long"); got != 2 {
		t.Errorf("%d are counted as too long, want 2", got)
	}
}

// The outermost tag of a frame is apart from its length, as far as the kernel
// takes such a frame.
func TestFits(t *testing.T) {
	tagged := func(n int, tpid ...uint16) []byte {
		f := make([]byte, n)
		for i, t := range tpid {
			binary.BigEndian.PutUint16(f[12+4*i:], t)
		}
		return f
	}
	for _, c := range []struct {
		what string
		fits fits
		f    []byte
		ok   bool
	}{
		{"tap", tapFits, tagged(1518), true}, {"tap", tapFits, tagged(1519), false},
		{"tap", tapFits, tagged(1522, 0x8100), true}, {"tap", tapFits, tagged(1523, 0x8100), false},
		{"tap", tapFits, tagged(1522, 0x88a8, 0x8100), true}, {"tap", tapFits, tagged(1523, 0x88a8, 0x8100), false},
		{"packet socket", packetFits, tagged(1514), true}, {"packet socket", packetFits, tagged(1515), false},
		{"packet socket", packetFits, tagged(1518, 0x8100), true}, {"packet socket", packetFits, tagged(1519, 0x8100, 0x8100), false},
		{"packet socket", packetFits, tagged(1515, 0x88a8), false},
	} {
		l := lanetest.Hub(t)
		maxLen, freeTags := c.fits(1500)
		to := l.JoinAs(t, &bustest.Recorder{}, bus.JoinOptions{Recv: true, MaxLen: maxLen, FreeTags: freeTags})
		bustest.Send(l.Join(t, &bustest.Sink{}), c.f)
		if lost := lanetest.Count(to.Port(), "drop_too_long") == 1; lost == c.ok {
			t.Errorf("%s, %d bytes, types % x: fits is %v", c.what, len(c.f), c.f[12:20], !lost)
		}
	}
}

// What is longer than the network's mtu does not enter it.
func TestOverMTU(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 1518 }); err != nil {
		t.Fatal(err)
	}
	a, b := newFakeTap(t), newFakeTap(t)
	d := a.start(t, l, Config{})
	b.start(t, l, Config{})
	fits := bustest.Super{To: 0xff, Size: 1518 - 54, Payload: 60000}.Raw()
	longer := bustest.Super{To: 0xff, Size: 1518 - 53, Payload: 60000}.Raw()
	plain := bustest.WithHeader(vnet.Header{}, make([]byte, 1518))
	a.Bring(t, longer, fits, append(slices.Clone(plain), 0), plain)
	if got := b.Await(t, 2); !slices.EqualFunc(got, [][]byte{fits, plain}, bytes.Equal) {
		t.Errorf("%d frames came, want 2, or others", len(got))
	}
	if got := d.Port().Stats(); got.Refused != 2 || got.Frames != 2 {
		t.Errorf("stats are %+v", got)
	}
}

// A port's number and what stands behind it are what Start was told.
func TestStart(t *testing.T) {
	l := lanetest.Hub(t)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	a := newFakeTap(t)
	d := a.start(t, l, Config{Join: bus.JoinOptions{Number: 7, Info: bus.Info{Kind: "tap", Detail: "tap0", UID: 5}}})
	info := l.Net.Port(7).Info()
	if d.Port() != l.Net.Port(7) || len(info.Conns) != 1 || info.Conns[0].Kind != "tap" || info.Conns[0].Detail != "tap0" || info.Conns[0].Rights() != "rw" {
		t.Errorf("the port is %+v", info)
	}

	// Who is refused keeps his descriptors.
	b := newFakeTap(t)
	defer unix.Close(b.Near)
	for what, c := range map[string]struct {
		number int
		kind   fail.Kind
	}{"a port of another user": {7, fail.Busy}, "a number that is not reserved": {9, fail.Unknown}} {
		_, err := StartTap(l.Net, Config{Fds: []int{b.Near}, Join: bus.JoinOptions{Number: c.number}})
		if fail.KindOf(err) != c.kind {
			t.Errorf("%s: error %v, want one of kind %d", what, err, c.kind)
		}
		if _, err := unix.FcntlInt(uintptr(b.Near), unix.F_GETFD, 0); err != nil {
			t.Errorf("%s: the descriptor was closed", what)
		}
	}
	b.Bring(t, marked(1, 1)) // nobody reads it
	if n := l.Net.Stats().Frames; n != 0 {
		t.Errorf("%d frames came from who was refused", n)
	}
}

// Several devices on lanes that they share, each with each.
func TestManyFakeTaps(t *testing.T) {
	const taps, frames = 20, 30
	l := lanetest.Hub(t)
	var all []*fakeTap
	for range taps {
		f := newFakeTap(t)
		f.start(t, l, Config{})
		all = append(all, f)
	}
	for i := range frames {
		for who, f := range all {
			f.Bring(t, marked(who, i))
		}
		for _, f := range all {
			f.Await(t, (i+1)*(taps-1))
		}
	}
	for who, f := range all {
		got := f.Received()
		if len(got) != frames*(taps-1) {
			t.Errorf("tap %d: %d frames came, want %d", who, len(got), frames*(taps-1))
		}
		if err := bustest.CheckOrder(bare(got), who); err != nil {
			t.Errorf("tap %d: %v", who, err)
		}
	}
	if stats := l.Net.Stats(); stats.Dropped() != 0 {
		t.Errorf("stats are %+v", stats)
	}
}

// The queues of one tap: all are read, and the frames of one pair of hosts
// are written to one of them.
func TestQueues(t *testing.T) {
	const queues, pairs, frames = 4, 16, 20
	l := lanetest.Hub(t)
	var all []*fakeTap
	var fds []int
	for range queues {
		f := newFakeTap(t)
		all, fds = append(all, f), append(fds, f.Near)
	}
	startTap(t, l, Config{Fds: fds})
	ear := &bustest.Recorder{}
	from := l.Join(t, ear)
	for i := range frames {
		for k, f := range all {
			f.Bring(t, marked(k, i))
		}
	}
	bustest.WaitFor(t, "all queues to be read", func() bool { return len(ear.Frames()) == queues*frames })
	if err := bustest.CheckOrder(ear.Frames()); err != nil {
		t.Error(err)
	}
	for i := range frames {
		for k := range pairs {
			bustest.Send(from, marked(100+k, i)[vnet.HeaderLen:])
		}
	}
	where, used := map[int]int{}, map[int]bool{}
	for q, f := range all {
		got := f.Received()
		if err := bustest.CheckOrder(bare(got)); err != nil {
			t.Errorf("queue %d: %v", q, err)
		}
		for _, raw := range got {
			sender, _, _ := bustest.ReadMark(raw[vnet.HeaderLen:])
			if before, seen := where[sender]; seen && before != q {
				t.Fatalf("frames of sender %d were written to queues %d and %d", sender, before, q)
			}
			where[sender], used[q] = q, true
		}
	}
	if len(where) != pairs || len(used) < 2 {
		t.Errorf("%d pairs of %d came, by %d of %d queues", len(where), pairs, len(used), queues)
	}
}
