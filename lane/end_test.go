package lane_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// wantEnded checks that an endpoint has ended, and how often it said so.
func wantEnded(t *testing.T, what string, d *lane.Endpoint, far *lanetest.Far, e *lanetest.Ending, calls int) {
	t.Helper()
	d.Close() // it waits, and may be called again
	if got := e.Calls(); got != calls {
		t.Errorf("%s: Ended was called %d times, want %d", what, got, calls)
	}
	if !far.Closed() {
		t.Errorf("%s: the descriptor is still open", what)
	}
	if !d.Conn().Gone() {
		t.Errorf("%s: the port is still there", what)
	}
}

// What ends an endpoint, and who hears of it.
func TestEnd(t *testing.T) {
	for what, c := range map[string]struct {
		end   func(t *testing.T, l *bustest.Lab, d *lane.Endpoint)
		calls int
	}{
		"closed":       {func(_ *testing.T, _ *bustest.Lab, d *lane.Endpoint) { d.Close() }, 0},
		"closed twice": {func(_ *testing.T, _ *bustest.Lab, d *lane.Endpoint) { d.Close(); d.Close() }, 0},
		"closed by several": {func(_ *testing.T, _ *bustest.Lab, d *lane.Endpoint) {
			var all sync.WaitGroup
			for range 4 {
				all.Go(d.Close)
			}
			all.Wait()
		}, 0},
		"port removed": {func(t *testing.T, l *bustest.Lab, d *lane.Endpoint) {
			if err := l.Net.RemovePort(d.Conn().Port().Number()); err != nil {
				t.Error(err)
			}
		}, 1},
		"network ended": {func(_ *testing.T, l *bustest.Lab, _ *lane.Endpoint) { l.Bus.Shutdown() }, 1},
	} {
		before := len(lanetest.OpenFiles(t))
		l := lanetest.Hub(t)
		far, e := lanetest.NewFar(t), &lanetest.Ending{}
		d := start(t, l, far, lane.Config{Ended: e.Ended})
		far.Bring(t, lanetest.Frame(1, 1))
		c.end(t, l, d)
		if c.calls > 0 {
			if reason := e.Await(t); reason == "" {
				t.Errorf("%s: no reason is given", what)
			}
		}
		wantEnded(t, what, d, far, e, c.calls)
		lanetest.WantOpen(t, before+1) // the far end is open
	}
}

// When Ended is called all is over: the descriptors are closed, the port is
// free.
func TestEndedIsLast(t *testing.T) {
	l := lanetest.Hub(t)
	far := lanetest.NewFar(t)
	done := make(chan bool)
	var d *lane.Endpoint
	d = start(t, l, far, lane.Config{Ended: func(reason string) {
		if !far.Closed() || !d.Conn().Gone() || len(l.Net.Ports()) != 0 || reason != "removed" {
			t.Errorf("it ended (%s), but closed: %v, gone: %v, ports %v", reason, far.Closed(), d.Conn().Gone(), l.Net.Ports())
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
	l := lanetest.Hub(t)
	far := lanetest.NewFar(t)
	d := start(t, l, far, lane.Config{})
	if err := l.Net.RemovePort(1); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if !far.Closed() {
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
// of its descriptor then has nothing to do with the endpoint.
func TestRemovedDuringStart(t *testing.T) {
	l := bustest.NewLab(t, "test-hello")
	e := &lanetest.Ending{}
	ear := &remover{do: func() {}}
	l.Join(t, ear)
	far := lanetest.NewFar(t)
	number := far.Near
	other, mine := -1, -1
	ear.do = func() {
		if err := l.Net.RemovePort(2); err != nil {
			t.Error(err)
		}
		e.Await(t)
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
		if _, err := unix.Write(mine, lanetest.Frame(1, 1)); err != nil {
			t.Error(err)
		}
	}
	start(t, bustest.NewLab(t, "test-hello"), lanetest.NewFar(t), lane.Config{}) // the lane goes on
	d, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{lanetest.Datagrams{FD: number}.Source()}, Ended: e.Ended}, both)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	defer unix.Close(mine)
	wantEnded(t, "removed during Start", d, far, e, 1)
	poll := []unix.PollFd{{Fd: int32(other), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 0); n != 1 {
		t.Errorf("what is for another was read: %v", err)
	}
	if lanetest.Watched(t, number) != 0 {
		t.Error("the lane waits for what is another's")
	}
}

// flow lets frames flow between sources until the test is over.
func flow(t *testing.T, stop *atomic.Bool, all ...*lanetest.Far) *sync.WaitGroup {
	var flowing sync.WaitGroup
	for who, f := range all {
		flowing.Go(func() {
			for i := 0; !stop.Load(); i++ {
				for range 9 {
					f.Try(lanetest.Frame(who, i))
				}
				f.Drain()
			}
		})
	}
	return &flowing
}

// Endpoints end in every way while frames flow. Others are not disturbed, and
// nothing is left.
func TestEndWhileFramesFlow(t *testing.T) {
	const rounds = 15
	eachWay(t, func(t *testing.T, c lane.Config) {
		for _, overflow := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
			before := len(lanetest.OpenFiles(t))
			l := lanetest.Hub(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 4, overflow }); err != nil {
				t.Fatal(err)
			}
			var stop atomic.Bool
			a, b := lanetest.NewFar(t), lanetest.NewFar(t)
			da, db := start(t, l, a, c), start(t, l, b, c)
			sink := &bustest.Sink{}
			ear := l.Join(t, sink)
			flowing := flow(t, &stop, a, b)
			flowing.Go(func() {
				for !stop.Load() {
					sink.TakeAll()
				}
			})
			for i := range rounds {
				far, e := lanetest.NewFar(t), &lanetest.Ending{}
				c.Ended = e.Ended
				d := start(t, l, far, c)
				var one atomic.Bool
				talking := flow(t, &one, far)
				before := da.Conn().Port().Stats().Frames
				bustest.WaitFor(t, "frames to flow", func() bool { return da.Conn().Port().Stats().Frames > before+5 })
				var ends sync.WaitGroup
				if i%3 != 0 {
					ends.Go(d.Close)
				}
				if i%3 != 1 {
					ends.Go(func() { _ = l.Net.RemovePort(d.Conn().Port().Number()) })
				}
				ends.Wait()
				d.Close()
				one.Store(true)
				talking.Wait()
				if calls := e.Calls(); calls > 1 || i%3 == 0 && calls == 0 || i%3 == 1 && calls > 0 {
					t.Errorf("Ended was called %d times", calls)
				}
				if !far.Closed() {
					t.Error("a descriptor is still open")
				}
				unix.Shutdown(far.FD, unix.SHUT_RDWR)
			}
			if da.Conn().Gone() || db.Conn().Gone() {
				t.Error("the others are gone")
			}
			stop.Store(true)
			flowing.Wait()
			da.Close()
			db.Close()
			l.Leave(ear)
			if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
				t.Error(err)
			}
			if n := len(l.Net.Ports()); n != 0 {
				t.Errorf("%d ports are left", n)
			}
			lanetest.WantOpen(t, before+2+rounds) // the far ends are open
		}
	})
}

// Frames that are on their way out when a Lossy endpoint ends are not written to
// what has the number of its descriptor then.
func TestEmitAfterEnd(t *testing.T) {
	l := lanetest.Hub(t)
	far, other := lanetest.NewFar(t), lanetest.NewFar(t)
	d := start(t, l, far, lane.Config{Lossy: true})
	d.Close()
	if err := unix.Dup3(other.Near, far.Near, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(far.Near)
	defer unix.Close(other.Near)
	var b bus.Batch
	b.AddPlain(lanetest.Frame(1, 1))
	b.AddPlain(lanetest.Frame(1, 2))
	d.Emit(&b.Batch, 0, 2, 0)
	b.Reset()
	if n := len(other.Received()); n != 0 {
		t.Errorf("%d frames came to another's descriptor", n)
	}
}
