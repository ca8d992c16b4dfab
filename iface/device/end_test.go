package device

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// ending notes how a device ended.
type ending struct {
	calls  atomic.Int64
	reason atomic.Pointer[string]
}

func (e *ending) ended(reason string) {
	e.reason.Store(&reason)
	e.calls.Add(1)
}

func (e *ending) await(t testing.TB) string {
	t.Helper()
	bustest.WaitFor(t, "the device to end", func() bool { return e.calls.Load() > 0 })
	return *e.reason.Load()
}

// closed tells whether nothing is at the other end of a fake tap any more.
func (f *fakeTap) closed() bool {
	poll := []unix.PollFd{{Fd: int32(f.fd)}}
	_, err := unix.Poll(poll, 0)
	return err == nil && poll[0].Revents&unix.POLLHUP != 0
}

// wantEnded checks that a device has ended, and how often it said so.
func wantEnded(t *testing.T, what string, d *Device, far *fakeTap, e *ending, calls int64) {
	t.Helper()
	d.Close() // it waits, and may be called again
	if got := e.calls.Load(); got != calls {
		t.Errorf("%s: Ended was called %d times, want %d", what, got, calls)
	}
	if !far.closed() {
		t.Errorf("%s: the descriptor is still open", what)
	}
	if !d.conn.Gone() {
		t.Errorf("%s: the port is still there", what)
	}
}

// What ends a device, and who hears of it.
func TestEnd(t *testing.T) {
	for what, c := range map[string]struct {
		end   func(t *testing.T, l *bustest.Lab, d *Device)
		calls int64
	}{
		"closed":       {func(_ *testing.T, _ *bustest.Lab, d *Device) { d.Close() }, 0},
		"closed twice": {func(_ *testing.T, _ *bustest.Lab, d *Device) { d.Close(); d.Close() }, 0},
		"closed by several": {func(_ *testing.T, _ *bustest.Lab, d *Device) {
			var all sync.WaitGroup
			for range 4 {
				all.Go(d.Close)
			}
			all.Wait()
		}, 0},
		"port removed": {func(t *testing.T, l *bustest.Lab, d *Device) {
			if err := l.Net.RemovePort(d.Port().Number()); err != nil {
				t.Error(err)
			}
		}, 1},
		"network ended": {func(_ *testing.T, l *bustest.Lab, _ *Device) { l.Bus.Shutdown() }, 1},
	} {
		before := quiet(t)
		l := hubLab(t)
		far, e := newFakeTap(t), &ending{}
		d := far.start(t, l, Config{Ended: e.ended})
		far.bring(t, marked(1, 1))
		c.end(t, l, d)
		if c.calls > 0 {
			if reason := e.await(t); reason == "" {
				t.Errorf("%s: no reason is given", what)
			}
		}
		wantEnded(t, what, d, far, e, c.calls)
		awaitClosed(t, before+1) // the far end is open
	}
}

// When Ended is called all is over: the descriptors are closed, the port is
// free.
func TestEndedIsLast(t *testing.T) {
	l := hubLab(t)
	far := newFakeTap(t)
	done := make(chan bool)
	var d *Device
	d = far.start(t, l, Config{Ended: func(reason string) {
		if !far.closed() || !d.conn.Gone() || len(l.Net.Ports()) != 0 || reason != "removed" {
			t.Errorf("it ended (%s), but closed: %v, gone: %v, ports %v", reason, far.closed(), d.conn.Gone(), l.Net.Ports())
		}
		close(done)
	}})
	if err := l.Net.RemovePort(1); err != nil {
		t.Fatal(err)
	}
	<-done
}

// Nobody has to hear of it.
func TestEndedIsOptional(t *testing.T) {
	l := hubLab(t)
	far := newFakeTap(t)
	d := far.start(t, l, Config{})
	if err := l.Net.RemovePort(1); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if !far.closed() {
		t.Error("the descriptor is still open")
	}
}

// remover is an endpoint that does something with the frame it gets.
type remover struct {
	bustest.Recorder
	do func()
}

// Emit does it.
func (r *remover) Emit(*frame.Batch, int, int, uint64) { r.do() }

// hello is a policy that sends a frame to port 1 when somebody joins.
type hello struct {
	env policy.Env
	one policy.Port
}

func init() {
	policy.Register(policy.Type{Name: "test-hello", New: func(map[string]string) (policy.Policy, error) { return &hello{}, nil }})
}

func (*hello) Name() string                                              { return "test-hello" }
func (*hello) Forward(_ policy.Port, _ *frame.Frame, out *policy.Egress) { out.Flood() }
func (h *hello) Start(env policy.Env)                                    { h.env = env }
func (h *hello) Stop()                                                   {}
func (h *hello) Leave(policy.Port)                                       {}
func (h *hello) Join(p policy.Port) {
	if h.one == nil {
		h.one = p
	}
	h.env.Send(h.one, []byte{1})
}

// The port may be removed before Start has returned. Whoever gets the number
// of its descriptor then has nothing to do with the device.
func TestRemovedDuringStart(t *testing.T) {
	l := bustest.NewLab(t, "test-hello")
	e := &ending{}
	ear := &remover{do: func() {}}
	l.Join(t, ear)
	far := newFakeTap(t)
	number := far.near
	other, mine := -1, -1
	ear.do = func() {
		if err := l.Net.RemovePort(2); err != nil {
			t.Error(err)
		}
		e.await(t)
		// Another socket gets the number, with something to read.
		p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return
		}
		mine = p[1]
		if other = p[0]; other != number {
			if err := unix.Dup3(p[0], number, unix.O_CLOEXEC); err != nil {
				t.Error(err)
			}
			unix.Close(p[0])
			other = number
		}
		put(t, mine, marked(1, 1))
	}
	keep, err := acquireLoop() // the loop goes on
	if err != nil {
		t.Fatal(err)
	}
	defer keep.release()
	d, err := Start(l.Net, Config{Fds: []int{far.near}, Ended: e.ended})
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	defer unix.Close(mine)
	wantEnded(t, "removed during Start", d, far, e, 1)
	loops.mu.Lock()
	defer loops.mu.Unlock()
	for _, loop := range loops.list {
		if loop.queue(int32(number)) != nil {
			t.Error("the loop serves a descriptor that is not the device's any more")
		}
	}
	poll := []unix.PollFd{{Fd: int32(other), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 0); n != 1 {
		t.Errorf("what is for another was read: %v", err)
	}
}

// flow lets frames flow between taps until the test is over.
func flow(t *testing.T, stop *atomic.Bool, taps ...*fakeTap) *sync.WaitGroup {
	var all sync.WaitGroup
	for who, f := range taps {
		all.Go(func() {
			for i := 0; !stop.Load(); i++ {
				f.try(marked(who, i))
				for range 8 {
					f.try(bustest.Super{To: 0xff, Size: 500, Payload: 1700}.Raw())
				}
				f.mu.Lock()
				for {
					if n, err := unix.Read(f.fd, f.buf); err != nil || n == 0 {
						break
					}
				}
				f.mu.Unlock()
			}
		})
	}
	return &all
}

// Devices end in every way while frames flow. Others are not disturbed, and
// nothing is left.
func TestEndWhileFramesFlow(t *testing.T) {
	const rounds = 15
	withAndWithoutRing(t, func(t *testing.T) {
		for _, overflow := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
			before := quiet(t)
			l := hubLab(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 4, overflow }); err != nil {
				t.Fatal(err)
			}
			var stop atomic.Bool
			a, b := newFakeTap(t), newFakeTap(t)
			da, db := a.start(t, l, Config{}), b.start(t, l, Config{})
			sink := &bustest.Sink{}
			c := l.Join(t, sink)
			flowing := flow(t, &stop, a, b)
			flowing.Go(func() {
				for !stop.Load() {
					sink.TakeAll()
				}
			})
			for i := range rounds {
				far, e := newFakeTap(t), &ending{}
				d := far.start(t, l, Config{Ended: e.ended})
				var one atomic.Bool
				talking := flow(t, &one, far)
				before := da.Port().Stats().Frames
				bustest.WaitFor(t, "frames to flow", func() bool { return da.Port().Stats().Frames > before+5 })
				var ends sync.WaitGroup
				if i%3 != 0 {
					ends.Go(d.Close)
				}
				if i%3 != 1 {
					ends.Go(func() { _ = l.Net.RemovePort(d.Port().Number()) })
				}
				ends.Wait()
				d.Close()
				one.Store(true)
				talking.Wait()
				if calls := e.calls.Load(); calls > 1 || i%3 == 0 && calls == 0 || i%3 == 1 && calls > 0 {
					t.Errorf("Ended was called %d times", calls)
				}
				if !far.closed() {
					t.Error("a descriptor is still open")
				}
				unix.Shutdown(far.fd, unix.SHUT_RDWR)
			}
			if da.conn.Gone() || db.conn.Gone() {
				t.Error("the others are gone")
			}
			stop.Store(true)
			flowing.Wait()
			da.Close()
			db.Close()
			l.Leave(c)
			if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
				t.Error(err)
			}
			if n := len(l.Net.Ports()); n != 0 {
				t.Errorf("%d ports are left", n)
			}
			awaitClosed(t, before+2+rounds) // the far ends are open
		}
	})
}

// Frames that are on their way out when a device ends are not written to
// what has the number of its descriptor then.
func TestEmitAfterEnd(t *testing.T) {
	l := hubLab(t)
	far, other := newFakeTap(t), newFakeTap(t)
	d := far.start(t, l, Config{})
	d.Close()
	if err := unix.Dup3(other.near, far.near, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(far.near)
	defer unix.Close(other.near)
	var b bus.Batch
	b.AddVnet(marked(1, 1))
	b.AddVnet(marked(1, 2))
	d.Emit(&b.Batch, 0, 2, 0)
	b.Reset()
	if n := len(other.received()); n != 0 {
		t.Errorf("%d frames came to another's descriptor", n)
	}
}
