package bus_test

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// parkVnet sends frames with virtio-net headers from memory that does not
// stay, and lets wait what did not go.
func parkVnet(from *bus.Conn, raws ...[]byte) *parked {
	p := &parked{}
	p.Conn = from
	p.Resume = func(sent bool) { p.sent.Store(sent); p.calls.Add(1) }
	var b bus.Batch
	lent := bustest.SetVnet(&b, raws...)
	if n := from.Send(&b); n == len(b.Frames) {
		b.Reset()
		p.Resume(true)
		return p
	} else {
		p.Take(&b, n)
	}
	b.Reset()
	for _, raw := range lent {
		for i := range raw {
			raw[i] = 0xee
		}
	}
	p.Park()
	return p
}

// Where senders wait everybody gets complete frames, since what was sent is
// counted in frames: all of them, in order, with their tags.
func TestFormsUnderBlock(t *testing.T) {
	for _, queue := range []int{1, 3, 50, 1000} {
		var s script
		l, all := audience(t, &s)
		set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = queue, bus.BlockSender })
		from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
		raws := mixedBatch()
		p := parkVnet(from, raws...)
		want := "waits"
		if queue == 1000 {
			want = "sent"
		}
		p.want(t, "before anybody takes", want)
		for slices.ContainsFunc(all, func(one listener) bool { return one.Queued() > 0 }) {
			for _, one := range all {
				one.Take(1)
			}
		}
		p.want(t, "all was taken", "sent")
		frames := 0
		for _, raw := range raws {
			frames += len(bustest.Complete(raw))
		}
		for _, one := range all {
			one.wantRaws(t, raws, true)
		}
		stats := l.Net.Stats()
		if err := bustest.CheckBalance(stats); err != nil || stats.Dropped() != 0 || stats.Frames != uint64(frames) {
			t.Errorf("queue %d: %d frames are sent in the end: %+v, %v", queue, frames, stats, err)
		}
		if err := received(l, all); err != nil {
			t.Errorf("queue %d: %v", queue, err)
		}
		if used := l.Bus.Memory.Waiting(); used != 0 {
			t.Errorf("queue %d: %d bytes are used when all was received", queue, used)
		}
	}
}

// Only one port blocks. The others lose by themselves, and get what is sent
// in their form.
func TestOneBlocksForms(t *testing.T) {
	var ports []*bus.Port
	s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		out.Add(ports[0])
		out.AddEdited(ports[1], frame.Edit{Push: newTag})
	}}
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Queue = 2 })
	slow, lossy := bustest.NewTaper(0), bustest.NewTaper(0)
	for _, ear := range []*bustest.Taper{slow, lossy} {
		ports = append(ports, l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: true}).Port())
	}
	block := bus.BlockSender
	wantKind(t, "block", ports[0].SetOverflow(&block), 0)
	from := l.Join(t, &bustest.Sink{})
	raw := bustest.Super{Size: 500, Payload: 2600}.Raw()
	p := parkVnet(from, raw)
	p.want(t, "2 of 6 frames fit", "waits")
	for range 6 {
		slow.Take(1)
	}
	p.want(t, "all were taken", "sent")
	frames := bustest.Complete(raw)
	if got := slow.Frames(); !slices.EqualFunc(got, frames, slices.Equal) {
		t.Errorf("who blocks got %d frames, or others than the %d", len(got), len(frames))
	}
	lossy.Take(-1)
	var want [][]byte
	for _, f := range frames[:2] {
		want = append(want, retagged(f, frame.Edit{Push: newTag}))
	}
	if got := lossy.Frames(); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("who loses got %d frames, want the first 2 of %d", len(got), len(frames))
	}
	stats := l.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil || drop(stats, "full") != 4 || stats.Dropped() != 4 {
		t.Errorf("stats are %+v, %v", stats, err)
	}
}

// A send that waits is given up, with some frames gone and some kept: all its
// memory returns.
func TestCancelForms(t *testing.T) {
	var s script
	l, all := audience(t, &s)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 2, bus.BlockSender })
	from := l.Join(t, &bustest.Sink{})
	p := parkVnet(from, mixedBatch()...)
	p.want(t, "nobody takes", "waits")
	for _, one := range all {
		one.Take(1)
	}
	p.want(t, "all took one", "waits")
	if !p.Cancel() {
		t.Error("it cannot be cancelled")
	}
	if n := len(p.Batch.Frames); n != 0 {
		t.Errorf("%d frames are left in its batch", n)
	}
	frames := bustest.Complete(mixedBatch()[0])
	for _, one := range all {
		one.Take(-1)
		if got := len(one.Frames()); got < 3 || got > len(frames) {
			t.Errorf("%v: %d frames came, 2 had room and one was taken", one, got)
		}
	}
	if used := l.Bus.Memory.Waiting(); used != 0 {
		t.Errorf("%d bytes are used", used)
	}
}

// The setting changes while a send waits, and between sends: nothing is lost
// or changed by it.
func TestBlockComesAndGoes(t *testing.T) {
	ear, whole := bustest.NewTaper(0), bustest.NewTaper(-1)
	l := bustest.NewLab(t, hub)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 2, bus.BlockSender })
	l.JoinAs(t, ear, bus.JoinOptions{Recv: true})
	l.JoinAs(t, whole, bus.JoinOptions{Recv: true, Offload: true})
	from := l.Join(t, &bustest.Sink{})
	raw := bustest.Super{Size: 100, Payload: 1000}.Raw()
	p := parkVnet(from, raw)
	p.want(t, "2 of 10 frames fit", "waits")
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 100, bus.DropNew })
	p.want(t, "others are dropped now", "sent")
	if n := bustest.SendVnet(from, raw); n != 1 {
		t.Errorf("a super-frame is %d frames where nobody waits", n)
	}
	set(t, l, func(s *bus.Settings) { s.Overflow = bus.BlockSender })
	if n := bustest.SendVnet(from, raw); n != 10 {
		t.Errorf("it is %d frames where senders wait, want 10", n)
	}
	ear.Take(-1)
	frames := bustest.Complete(raw)
	if want := slices.Concat(frames, frames, frames); !slices.EqualFunc(ear.Frames(), want, slices.Equal) {
		t.Errorf("%d frames came, or others than the %d", len(ear.Frames()), len(want))
	}
	if want := slices.Concat(frames, [][]byte{raw[vnet.HeaderLen:]}, frames); !slices.EqualFunc(whole.Frames(), want, slices.Equal) {
		t.Errorf("who takes super-frames got %d frames, or others than the %d", len(whole.Frames()), len(want))
	}
}

// Several send super-frames where senders wait, and receivers of all kinds
// take them, while the setting changes. Run it with -race.
func TestFormsRace(t *testing.T) {
	const senders, batches = 3, 20
	var s script
	l, all := audience(t, &s)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 20, bus.BlockSender })
	var sending, others sync.WaitGroup
	var done atomic.Bool
	raws := mixedBatch()[:8]
	for range senders {
		c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
		sending.Go(func() {
			for range batches {
				p := parkVnet(c, raws...)
				for p.calls.Load() == 0 {
					runtime.Gosched()
				}
				if !p.sent.Load() {
					t.Error("a sender that stays was told that it is gone")
				}
			}
		})
	}
	others.Go(func() {
		for !done.Load() {
			for _, one := range all {
				one.Take(-1)
			}
		}
	})
	others.Go(func() {
		for i := 0; !done.Load(); i++ {
			err := l.Net.Change(func(s *bus.Settings) { s.Queue = 5 + i%20 })
			wantKind(t, "change", err, 0)
			runtime.Gosched()
		}
	})
	sending.Wait()
	done.Store(true)
	others.Wait()
	frames := 0
	for _, raw := range raws {
		frames += len(bustest.Complete(raw))
	}
	for _, one := range all {
		one.Take(-1)
		if got := len(one.Frames()); got != senders*batches*frames {
			t.Errorf("%v: %d frames came, want %d", one, got, senders*batches*frames)
		}
	}
	stats := l.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil || stats.Dropped() != 0 {
		t.Errorf("stats are %+v, %v", stats, err)
	}
}
