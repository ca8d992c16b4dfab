package bus_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// nosy is an endpoint that makes use of the network in every call that may.
type nosy struct {
	bustest.Sink
	takes bool
}

// Claim takes all, or nothing.
func (e *nosy) Claim(_ *frame.Batch, i, j int) (int, uint64) {
	if e.takes {
		return j - i, 0
	}
	return 0, 0
}

func (e *nosy) look() {
	n := e.Conn().Network()
	_, _, _ = n.Stats(), n.Settings(), n.Ports()
	_ = e.Conn().Port().Info()
	n.Event("look", "port=%d", e.Conn().Port().Number())
	_ = n.UsePolicy(func(policy.Policy) error { return nil })
}

// Emit looks.
func (e *nosy) Emit(*frame.Batch, int, int, uint64) { e.look() }

// Wake looks, and takes what waits.
func (e *nosy) Wake() {
	e.look()
	e.TakeAll()
}

// Gone looks, and closes.
func (e *nosy) Gone() {
	e.look()
	e.Conn().Close()
}

// Frames of the policy's own meet endpoints that use the network from within
// their calls, and one that is disconnected by them.
func TestSettleAndEndpoints(t *testing.T) {
	var s script
	l := s.lab(t)
	events := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(events), 0)
	ends := []*nosy{{takes: true}, {}, {}}
	var ports []*bus.Port
	for _, e := range ends {
		ports = append(ports, l.Join(t, e).Port())
	}
	slow := bus.Disconnect
	stuck := &stuckEnd{}
	ports = append(ports, l.Join(t, stuck).Port())
	wantKind(t, "slow", ports[3].SetOverflow(&slow), 0)
	wantKind(t, "slow", ports[3].SetQueue(1), 0)
	from := l.Join(t, &bustest.Sink{})
	s.leave = func(s *script, p policy.Port) { // one more round, from within settle
		for _, to := range ports {
			s.env.Send(to, []byte{1})
		}
		s.env.Defer(func() { s.env.Event("left", "port=%d", p.Number()) })
	}
	s.forward = func(s *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		out.Flood()
		for _, to := range ports {
			s.env.Send(to, []byte{2})
		}
		s.env.Defer(func() { s.env.Send(ports[0], []byte{3}) })
	}
	done := make(chan bool)
	go func() {
		for range 5 {
			bustest.Send(from, []byte{0})
		}
		wantKind(t, "remove", l.Net.RemovePort(2), 0)
		close(done)
	}()
	bustest.WaitFor(t, "all of it is done", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	if !stuck.Conn().Gone() || !ends[1].Conn().Gone() || events.Count("left") != 2 {
		t.Errorf("the one too slow is gone: %v, the one removed: %v; events of leaving: %d", stuck.Conn().Gone(), ends[1].Conn().Gone(), events.Count("left"))
	}
}

// stuckEnd queues, never takes, and closes itself when it is gone.
type stuckEnd struct{ nosy }

// Wake looks only.
func (e *stuckEnd) Wake() { e.look() }

// meddling is a policy that defers and sends with each frame, and counts what
// is done only under the network's lock. Run its tests with -race.
type meddling struct {
	env    policy.Env
	totals *totals

	// Without a lock of their own: the network's guards them.
	frames  int
	stopped bool
	ports   []policy.Port
}

type totals struct {
	done, late atomic.Int64
}

const meddlingName = "test-meddling"

var meddlingTotals atomic.Pointer[totals]

func init() {
	policy.Register(policy.Type{Name: meddlingName, New: func(map[string]string) (policy.Policy, error) {
		return &meddling{totals: meddlingTotals.Load()}, nil
	}})
}

func (*meddling) Name() string { return meddlingName }

func (m *meddling) Start(env policy.Env) { m.env = env }

func (m *meddling) Stop() { m.stopped = true }

func (m *meddling) Join(p policy.Port) { m.ports = append(m.ports, p) }

func (m *meddling) Leave(p policy.Port) {
	for i, other := range m.ports {
		if other == p {
			m.ports = append(m.ports[:i], m.ports[i+1:]...)
			break
		}
	}
}

func (m *meddling) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	out.Flood()
	m.env.Defer(func() {
		m.totals.done.Add(1)
		if m.stopped {
			m.totals.late.Add(1)
		}
		m.frames++
		for _, p := range m.ports {
			m.env.Send(p, []byte{0, byte(m.frames)})
		}
		if m.env.Listening() {
			m.env.Event("frame", "port=%d kind=%s kept=%v", in.Number(), m.env.Kind(in), m.env.Keeps(in))
		}
	})
}

// Policies come and go while frames flow, of senders and of their own.
func TestPoliciesRace(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender} {
		var sum totals
		meddlingTotals.Store(&sum)
		l := bustest.NewLab(t, meddlingName)
		set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 8, overflow })
		ends := []*nosy{{takes: true}, {}, {}}
		for _, e := range ends {
			l.Join(t, e)
		}
		var sending, others sync.WaitGroup
		var done atomic.Bool
		for range 2 {
			c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
			sending.Go(func() {
				for i := range 300 {
					p := park(c, []byte{0, byte(i)}, []byte{1})
					for p.calls.Load() == 0 {
						runtime.Gosched()
					}
				}
			})
		}
		beside := func(f func(i int)) {
			others.Go(func() {
				for i := 0; !done.Load(); i++ {
					f(i)
					runtime.Gosched()
				}
			})
		}
		beside(func(i int) { _ = l.Net.SetPolicy([]string{meddlingName, hub}[i%2]) })
		beside(func(int) { l.Bus.Tick(epoch) })
		beside(func(int) {
			e := &bustest.Events{}
			if l.Net.Subscribe(e) == nil {
				l.Net.Unsubscribe(e)
			}
		})
		beside(func(int) {
			if c, err := l.Net.Join(&nosy{takes: true}, both); err == nil {
				c.Close()
			}
		})
		beside(func(i int) {
			if p := l.Net.Port(1); p != nil {
				_ = p.SetMirror([]int{2, 4, 5}[:i%4])
			}
		})
		beside(func(int) {
			for _, e := range ends {
				e.TakeAll()
			}
		})
		sending.Wait()
		done.Store(true)
		others.Wait()
		for _, e := range ends {
			e.TakeAll()
		}
		l.Bus.Tick(epoch)
		if sum.done.Load() == 0 || sum.late.Load() != 0 {
			t.Errorf("%v: %d deferred calls were done, %d of them too late", overflow, sum.done.Load(), sum.late.Load())
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Errorf("%v: %v", overflow, err)
		}
	}
}
