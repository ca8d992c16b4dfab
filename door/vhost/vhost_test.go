package vhost

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// guests are what guests take.
var guests = map[string]uint64{
	"usual":           usual,
	"no event index":  usual &^ featEventIndex,
	"not mergeable":   usual &^ featMergeable,
	"legacy":          0,
	"legacy, merging": featMergeable,
	"version 1":       featVersion1,
}

// Frames go both ways, for guests with all features and with few.
func TestFrames(t *testing.T) {
	for what, features := range guests {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			f := plug(t, l, features)
			rec := &bustest.Recorder{}
			c := l.JoinAs(t, rec, both)
			var sent, want [][]byte
			for i := range 1000 {
				sent = append(sent, marked(lanetest.Frame(1, i)))
				want = append(want, lanetest.Frame(1, i))
			}
			f.transmitAll(sent...)
			bustest.WaitFor(t, "frames of the guest", func() bool { return len(rec.Frames()) == len(want) })
			if !slices.EqualFunc(rec.Frames(), want, bytes.Equal) {
				t.Error("other frames came from the guest")
			}
			for i := range 1000 {
				bustest.Send(c, lanetest.Frame(1, i))
				f.receive()
			}
			bustest.WaitFor(t, "frames for the guest", func() bool { return len(f.frames()) == len(want) })
			if !slices.EqualFunc(f.frames(), want, bytes.Equal) {
				t.Error("other frames came to the guest")
			}
		})
	}
}

// Super-frames stay whole for a guest that takes them, over many buffers, and come
// cut to another.
func TestSuperFrames(t *testing.T) {
	supers := map[string]bustest.Super{
		"TCP":           {To: 0xff, Size: 1448, Payload: 60000},
		"datagrams":     {To: 0xff, Size: 1000, Payload: 20000, UDP: true},
		"one too short": {To: 0xff, Size: 1448, Payload: 100},
	}
	for what, features := range map[string]uint64{
		"usual":        usual,
		"datagrams":    usual | featUSO,
		"only its sum": featVersion1 | featMergeable | featGuestCsum,
		"none":         featVersion1,
		"legacy":       0,
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			a, b := plugWith(t, l, usual, 64, 1<<16), plug(t, l, features)
			want := 0
			for what, super := range supers {
				raw := super.Raw()
				a.transmitAll(raw)
				whole := features&usual == usual && !super.UDP || features&featUSO != 0
				expect := [][]byte{raw[10:]}
				if !whole {
					expect = bustest.Complete(raw)
				}
				from := want
				want += len(expect)
				bustest.WaitFor(t, what, func() bool { return len(b.frames()) >= want })
				for i, got := range b.frames()[from:] {
					if !bytes.Equal(got, expect[i]) {
						t.Errorf("%s: piece %d is another", what, i)
					}
				}
				if got := b.receive()[from]; whole && !bytes.Equal(got[:10], raw[:10]) {
					t.Errorf("%s: the header is %x, and was %x", what, got[:10], raw[:10])
				} else if !whole && !bytes.Equal(got[:10], make([]byte, 10)) {
					t.Errorf("%s: the header of a complete frame is %x", what, got[:10])
				}
			}
		})
	}
}

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		f := newFront(tb)
		s := &session{conn: f.file()}
		var err error
		if s.reader, err = newReader(s.conn); err != nil {
			tb.Fatal(err)
		}
		if s.dev, err = newDevice(s.conn); err != nil {
			tb.Fatal(err)
		}
		s.dev.left = func() { f.left.Add(1) }
		e, err := lane.New(lane.Config{Sources: []lane.Source{s.dev.source()}})
		if err != nil {
			tb.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = s.follow()
			s.reader.close()
		}()
		f.start(usual)
		var stalled atomic.Bool
		var reading sync.WaitGroup
		return &bustest.Fixture{
			Endpoint: lanetest.Joinable{Endpoint: e},
			Options:  bus.JoinOptions{Recv: true, Send: true, Offload: true},
			Received: func() [][]byte {
				if !stalled.Load() {
					f.receive()
				}
				return f.taken()
			},
			Bring: func(frame []byte) { f.transmitAll(marked(frame)) },
			Stall: func(on bool) {
				stalled.Store(on)
				if !on {
					reading.Go(func() { f.receiveUntil(done) })
				}
			},
			Close: func() {
				e.Close()
				<-done
				reading.Wait()
			},
		}
	})
}

// From one guest to another nothing is allocated, whatever the second takes.
func TestAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	for what, c := range map[string]struct {
		features uint64
		raw      []byte
	}{
		"small":                 {usual, marked(lanetest.Frame(1, 1))},
		"no event index":        {usual &^ featEventIndex, marked(lanetest.Frame(1, 1))},
		"super":                 {usual, bustest.Super{To: 0xff, Size: 1448, Payload: 20000}.Raw()},
		"cut":                   {featVersion1, bustest.Super{To: 0xff, Size: 1448, Payload: 20000}.Raw()},
		"a guest that runs not": {usual, marked(lanetest.Frame(1, 1))},
	} {
		l := lanetest.Hub(t)
		a, b := plugWith(t, l, usual, 64, 1<<15), plug(t, l, c.features)
		if what == "a guest that runs not" {
			b.rx.stop()
		}
		from := l.Net.Port(1)
		lanetest.NoAllocations(t, what, func(frames int) {
			at := from.Stats().Frames
			for sent := 0; sent < frames; {
				n := min(16, frames-sent)
				for i := 0; i < n; {
					i += a.transmit(c.raw)
				}
				sent += n
				lanetest.AwaitFrames(from, at+uint64(sent))
				b.drain()
			}
		})
	}
}

// The port stays when the guest stops its rings, sets them up anew and takes other
// features, and frames meanwhile are lost, not kept.
func TestReboot(t *testing.T) {
	l := lanetest.Hub(t)
	f := plug(t, l, usual)
	rec := &bustest.Recorder{}
	c := l.Join(t, rec)
	number := l.Net.Ports()[0]
	for i, features := range []uint64{usual, 0, usual &^ featEventIndex} {
		if i > 0 {
			f.say(2, u64(features|featProtocol))
			f.features = features
			f.say(5, f.table(), f.memfd)
			f.rx.start()
			f.tx.start()
		}
		f.transmitAll(marked(lanetest.Frame(1, i)))
		bustest.WaitFor(t, "a frame of the guest", func() bool { return len(rec.Frames()) == i+1 })
		for k := range 300 { // more than there are buffers
			bustest.Send(c, lanetest.Frame(2, 300*i+k))
		}
		bustest.WaitFor(t, "frames for the guest", func() bool { return len(f.frames()) == 300*(i+1) })
		for range 400 { // so many that some wait
			bustest.Send(c, lanetest.Frame(3, 0))
		}
		if got := f.rx.stop(); got != f.rx.usedIndex() {
			t.Errorf("the ring ends at %d, and %d is used", got, f.rx.usedIndex())
		}
		f.tx.stop()
		bustest.WaitFor(t, "what waits to be lost", func() bool { return l.Net.Port(number).Stats().Queued == 0 })
		bustest.Send(c, lanetest.Frame(3, 1))
		f.received = f.received[:300*(i+1)]
	}
	if got := l.Net.Ports()[0]; got != number {
		t.Errorf("the port is %d, and was %d", got, number)
	}
	if got := lanetest.Count(l.Net.Port(number), "drop_device"); got == 0 {
		t.Error("no frame is counted as lost")
	}
}

// Memory may be told anew while frames go, and a front end hang up.
func TestMemoryChanges(t *testing.T) {
	l := lanetest.Hub(t)
	open := openFiles(t)
	a, b := newFront(t), newFront(t)
	for _, f := range []*front{a, b} {
		f.visit(l.Net, both)
		f.start(usual)
	}
	for i := range 200 {
		a.transmit(marked(lanetest.Frame(1, i)))
		switch i % 4 {
		case 0:
			a.say(5, a.table(), a.memfd)
		case 1:
			b.say(5, b.table(), b.memfd)
		case 2:
			more := body(uint64(0), uint64(2*guestBase), uint64(1<<20), uint64(2*userBase), uint64(4096))
			b.say(37, more, b.memfd)
			b.say(38, more)
		}
		b.receive()
	}
	for i := range 100 {
		b.transmit(marked(lanetest.Frame(2, i)))
	}
	a.hangUp()
	b.transmit(marked(lanetest.Frame(2, 100)))
	b.hangUp()
	for _, f := range []*front{a, b} {
		if err := f.refusal(); err != nil {
			t.Error(err)
		}
		if err := bustest.CheckOrder(f.framesOf(1)); err != nil {
			t.Error(err)
		}
	}
	lanetest.WantOpen(t, open+2*6)
	if mapped.bytes != 0 || mapped.slots != 0 {
		t.Errorf("%d bytes are mapped in %d places", mapped.bytes, mapped.slots)
	}
}

// Rights cut what goes: who may not send is read, and counted; who may not receive
// gets nothing.
func TestRights(t *testing.T) {
	l := lanetest.Hub(t)
	mute, deaf := newFront(t), newFront(t)
	mute.visit(l.Net, bus.JoinOptions{Recv: true})
	mute.start(usual)
	deaf.visit(l.Net, bus.JoinOptions{Send: true})
	deaf.start(usual)
	defer deaf.hangUp()
	defer mute.hangUp()
	rec := &bustest.Recorder{}
	l.JoinAs(t, rec, bus.JoinOptions{Recv: true})
	for i := range 300 {
		mute.transmitAll(marked(lanetest.Frame(1, i)))
	}
	bustest.WaitFor(t, "all to be read", func() bool { return mute.tx.usedIndex() == 300 })
	deaf.transmitAll(marked(lanetest.Frame(2, 0)))
	bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == 1 && len(mute.frames()) == 1 })
	if n := len(deaf.frames()); n != 0 {
		t.Errorf("%d frames came to who may not receive", n)
	}
}

// Calls and kicks come when they are asked for, and while both are busy there are
// none.
func TestNotifications(t *testing.T) {
	for what, features := range map[string]uint64{"event index": usual, "flags": usual &^ featEventIndex} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			f := plug(t, l, features)
			c := l.Join(t, &bustest.Recorder{})
			bustest.Send(c, lanetest.Frame(1, 0))
			if got := f.rx.called(); got != 1 {
				t.Errorf("%d calls for a frame", got)
			}
			f.rx.wantNoCall()
			bustest.Send(c, lanetest.Frame(1, 1))
			if got := f.rx.called(); got != 0 {
				t.Errorf("%d calls that were not wanted", got)
			}
			// No buffer is left: the guest is asked to kick, and then all come.
			for i := range 400 {
				bustest.Send(c, lanetest.Frame(1, 2+i))
			}
			port := l.Net.Port(l.Net.Ports()[0])
			if port.Stats().Queued == 0 {
				t.Error("nothing waits")
			}
			bustest.WaitFor(t, "the rest", func() bool { return len(f.frames()) == 402 })
			if err := bustest.CheckOrder(f.frames()); err != nil {
				t.Error(err)
			}
			flags := atomic.LoadUint32(f.rx.word(usedAt)) & 0xffff
			if quiet := flags == noNotify; quiet == (features&featEventIndex != 0) || flags > 1 {
				t.Errorf("the flags are %#x", flags)
			}
			var b [8]byte
			_, _ = unix.Read(f.rx.kick, b[:])
			for i := range 100 {
				bustest.Send(c, lanetest.Frame(2, i))
				f.receive()
			}
			if n, err := unix.Read(f.rx.kick, b[:]); err == nil {
				t.Errorf("the guest was asked to kick where nothing waits: %d bytes, %x", n, b)
			}
		})
	}
}

// A ring that is not enabled has no effect: what the guest transmits is taken and
// nothing else, and it receives nothing.
func TestDisabled(t *testing.T) {
	l := lanetest.Hub(t)
	f := plug(t, l, usual)
	rec := &bustest.Recorder{}
	c := l.Join(t, rec)
	port := l.Net.Port(l.Net.Ports()[0])
	f.say(18, body(uint32(rxQueue), uint32(0)))
	f.say(18, body(uint32(txQueue), uint32(0)))
	bustest.Send(c, lanetest.Frame(2, 0))
	f.transmitAll(marked(lanetest.Frame(1, 0)))
	bustest.WaitFor(t, "it to be taken", func() bool { return f.tx.usedIndex() == 1 })
	if port.Stats().Frames != 0 || lanetest.Count(port, "drop_device") != 1 {
		t.Errorf("the port has %+v", port.Stats())
	}
	f.say(18, body(uint32(rxQueue), uint32(1)))
	f.say(18, body(uint32(txQueue), uint32(1)))
	bustest.Send(c, lanetest.Frame(2, 1))
	f.transmitAll(marked(lanetest.Frame(1, 1)))
	bustest.WaitFor(t, "frames", func() bool { return len(rec.Frames()) == 1 && len(f.frames()) == 1 })
	f.say(34, nil)
	if f.rx.stop() != 1 || f.tx.stop() != 2 {
		t.Error("a reset does not tell where the rings are")
	}
}
