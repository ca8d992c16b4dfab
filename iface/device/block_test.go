package device

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
)

// blocking is a network where senders wait for a receiver that has room for
// queue frames and takes none by itself.
func blocking(t testing.TB, queue int) (*bustest.Lab, *bustest.Sink) {
	t.Helper()
	l := hubLab(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = queue, bus.BlockSender }); err != nil {
		t.Fatal(err)
	}
	sink := &bustest.Sink{}
	l.JoinAs(t, sink, bus.JoinOptions{Recv: true})
	return l, sink
}

// fillUp brings frames until the device reads no more of them, and returns
// how many there were.
func (f *fakeTap) fillUp(t testing.TB, l *bustest.Lab, frame func(i int) []byte) (n int) {
	t.Helper()
	f.bring(t, frame(0))
	for n = 1; f.try(frame(n)); n++ {
		if n > 1e6 {
			t.Fatal("the device reads and reads")
		}
	}
	return n
}

// Where senders wait a device reads no more than there is room for, and goes
// on when there is some: nothing is lost.
func TestBlockedDevice(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l, sink := blocking(t, 5)
		a := newFakeTap(t)
		d := a.start(t, l, Config{})
		n := a.fillUp(t, l, func(i int) []byte { return marked(1, i) })
		bustest.WaitFor(t, "the receiver to be full", func() bool { return l.Net.Stats().Frames == 5 })
		// It has read one burst, and waits with what is left of it.
		if got := sink.Queued(); got != 5 {
			t.Errorf("%d frames were sent to a receiver with room for 5", got)
		}
		if !a.waits() {
			t.Error("the device reads what it cannot send")
		}
		var got [][]byte
		for len(got) < n {
			bustest.WaitFor(t, fmt.Sprintf("frame %d of %d", len(got), n), func() bool { return sink.Queued() > 0 })
			got = append(got, sink.Take())
		}
		if err := bustest.CheckOrder(got); err != nil {
			t.Error(err)
		}
		if stats := d.Port().Stats(); stats.Frames != uint64(n) || stats.Dropped() != 0 {
			t.Errorf("%d frames were brought: %+v", n, stats)
		}
		if more := sink.TakeAll(); len(more) != 0 {
			t.Errorf("%d frames came twice", len(more))
		}
		// And once more from the beginning.
		a.bring(t, marked(1, n))
		bustest.WaitFor(t, "one more", func() bool { return sink.Queued() == 1 })
	})
}

// waits tells whether something lies unread in the device's queue.
func (f *fakeTap) waits() bool {
	n, err := unix.IoctlGetInt(f.near, unix.TIOCINQ)
	return err == nil && n > 0
}

// Without memory for what would have to wait the device reads on: that is lost, and
// counted.
func TestBlockedWithoutMemory(t *testing.T) {
	const frames = 50
	l, sink := blocking(t, 1)
	a := newFakeTap(t)
	d := a.start(t, l, Config{})
	a.bring(t, marked(1, 0))
	bustest.WaitFor(t, "the receiver to be full", func() bool { return sink.Queued() == 1 })
	m, charged := l.Net.Memory(), 0
	for step := 1 << 28; step > 0; step /= 2 {
		for m.Charge(step) {
			charged += step
		}
	}
	for i := range frames {
		a.bring(t, marked(1, 1+i))
	}
	bustest.WaitFor(t, "all to be read", func() bool { return d.Port().Stats().Frames == 1+frames })
	if stats := l.Net.Stats(); stats.Dropped() != frames {
		t.Errorf("%d frames were lost, want %d", stats.Dropped(), frames)
	}
	m.Refund(charged)
	sink.TakeAll()
	a.bring(t, marked(1, 99))
	bustest.WaitFor(t, "a frame to come again", func() bool { return sink.Queued() == 1 })
}

// Super-frames are cut before they wait.
func TestBlockedSuperFrames(t *testing.T) {
	l, sink := blocking(t, 3)
	a, b := newFakeTap(t), newFakeTap(t)
	d := a.start(t, l, Config{})
	b.start(t, l, Config{})
	var want [][]byte
	for _, raw := range superFrames() {
		a.bring(t, raw)
		want = append(want, bustest.Complete(raw)...)
	}
	var got [][]byte
	for len(got) < len(want) {
		bustest.WaitFor(t, fmt.Sprintf("frame %d of %d", len(got), len(want)), func() bool { return sink.Queued() > 0 })
		got = append(got, sink.Take())
		b.received()
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Error("other frames came than the super-frames stand for")
	}
	// The other tap gets complete frames as well: what is sent counts frames.
	out := b.await(t, len(want))
	for i, raw := range out {
		if h := vnet.Parse(raw); !h.Plain() || !bytes.Equal(raw[vnet.HeaderLen:], want[i]) {
			t.Fatalf("the other tap's frame %d is %+v with %d bytes", i, h, len(raw))
		}
	}
	if stats := d.Port().Stats(); stats.Frames != uint64(len(want)) || stats.Dropped() != 0 {
		t.Errorf("%d frames were brought: %+v", len(want), stats)
	}
}

// Cut, they may be more than one call can carry.
func TestManyCutFrames(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l := hubLab(t)
		if err := l.Net.Change(func(s *bus.Settings) { s.Overflow = bus.BlockSender }); err != nil {
			t.Fatal(err)
		}
		a, b := newFakeTap(t), newFakeTap(t)
		a.start(t, l, Config{})
		b.start(t, l, Config{})
		raw := bustest.Super{To: 0xff, Size: 500, Payload: 500 * 3 * maxBurst}.Raw()
		want := bustest.Complete(raw)
		a.bring(t, raw)
		if got := bare(b.await(t, len(want))); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d frames came, want %d, or others", len(got), len(want))
		}
	})
}

// Several devices wait at the same receiver, and all go on.
func TestSeveralWait(t *testing.T) {
	const taps, frames = 4, 20
	l, sink := blocking(t, 2)
	for who := range taps {
		f := newFakeTap(t)
		f.start(t, l, Config{MTU: 2}) // it takes nothing
		for i := range frames {
			f.bring(t, marked(who, i))
		}
	}
	var got [][]byte
	for len(got) < taps*frames {
		bustest.WaitFor(t, fmt.Sprintf("frame %d", len(got)), func() bool { return sink.Queued() > 0 })
		got = append(got, sink.Take())
	}
	if err := bustest.CheckOrder(got); err != nil {
		t.Error(err)
	}
}

// A device may end while it waits.
func TestEndWhileBlocked(t *testing.T) {
	for what, end := range map[string]func(t *testing.T, l *bustest.Lab, d *Device){
		"closed": func(_ *testing.T, _ *bustest.Lab, d *Device) { d.Close() },
		"removed": func(t *testing.T, l *bustest.Lab, d *Device) {
			if err := l.Net.RemovePort(d.Port().Number()); err != nil {
				t.Error(err)
			}
		},
		"network ended":  func(_ *testing.T, l *bustest.Lab, _ *Device) { l.Bus.Shutdown() },
		"and room comes": func(_ *testing.T, l *bustest.Lab, d *Device) { go d.Close(); _ = l.Net.RemovePort(1) },
	} {
		for range 20 {
			l, sink := blocking(t, 2)
			a, e := newFakeTap(t), &ending{}
			d := a.start(t, l, Config{Ended: e.ended})
			a.fillUp(t, l, func(i int) []byte { return marked(1, i) })
			bustest.WaitFor(t, "the receiver to be full", func() bool { return sink.Queued() == 2 })
			end(t, l, d)
			d.Close()
			if !a.closed() {
				t.Errorf("%s: the descriptor is still open", what)
			}
			if n := len(sink.TakeAll()); n > 2 {
				t.Errorf("%s: %d frames came", what, n)
			}
			bustest.WaitFor(t, what+": no memory to be used", func() bool { return l.Bus.Memory.Waiting() == 0 })
		}
	}
}

// The setting changes while a device waits: it goes on.
func TestBlockEnds(t *testing.T) {
	for what, change := range map[string]func(l *bustest.Lab) error{
		"drop":            func(l *bustest.Lab) error { return l.Net.Change(func(s *bus.Settings) { s.Overflow = bus.DropNew }) },
		"longer queue":    func(l *bustest.Lab) error { return l.Net.Change(func(s *bus.Settings) { s.Queue = bus.MaxQueue }) },
		"receiver leaves": func(l *bustest.Lab) error { return l.Net.RemovePort(1) },
	} {
		l, sink := blocking(t, 2)
		a := newFakeTap(t)
		d := a.start(t, l, Config{})
		n := a.fillUp(t, l, func(i int) []byte { return marked(1, i) })
		bustest.WaitFor(t, "the receiver to be full", func() bool { return sink.Queued() == 2 })
		if err := change(l); err != nil {
			t.Fatal(err)
		}
		bustest.WaitFor(t, what+": all to be sent", func() bool { return d.Port().Stats().Frames == uint64(n) })
		if a.waits() {
			t.Errorf("%s: the device does not read", what)
		}
	}
}
