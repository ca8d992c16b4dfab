package bus_test

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// The things that may happen at the same time; each is done over and over.
var doings = []struct {
	name string
	do   func(w *world, i int)
}{
	{"send", func(w *world, i int) { bustest.Send(w.from[i%2], []byte{byte(i % 4), 1}) }},
	{"send to all", func(w *world, i int) { bustest.SendBatch(w.from[i%2], []byte{255, 1}, []byte{2, 1}, []byte{255, 2}) }},
	{"park", func(w *world, i int) {
		p := park(w.from[i%2], []byte{255, 3}, []byte{255, 4})
		w.sinks[i%2].Take()
		if !p.Cancel() {
			w.await(p)
		}
	}},
	{"take", func(w *world, i int) { w.sinks[i%2].TakeAll() }},
	{"pull", func(w *world, i int) { w.puller.Pull(i % 3) }},
	{"come and go", func(w *world, i int) {
		if c, err := w.Net.Join(&bustest.Recorder{}, both); err == nil {
			bustest.Send(c, []byte(toAll))
			c.Close()
		}
	}},
	{"share a port", func(w *world, i int) {
		if c, err := w.Net.Join(&bustest.Sink{}, bus.JoinOptions{Number: 1, Recv: true}); err == nil {
			c.Close()
		}
	}},
	{"reserve and remove", func(w *world, i int) {
		_, _ = w.Net.Reserve(20)
		if c, err := w.Net.Join(&bustest.Sink{}, bus.JoinOptions{Number: 20, Recv: true}); err == nil {
			_ = w.Net.RemovePort(20)
			c.Close()
		}
		_ = w.Net.RemovePort(20)
	}},
	{"settings", func(w *world, i int) {
		_ = w.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 1+i%3, bus.Overflow(i%3) })
	}},
	{"port settings", func(w *world, i int) {
		if p := w.Net.Port(1); p != nil {
			_ = p.SetQueue(i % 5)
			o := bus.Overflow(i % 3)
			_ = p.SetOverflow(&o)
			_ = p.SetName(fmt.Sprint(i))
			_ = p.Info()
		}
	}},
	{"policy", func(w *world, i int) { _ = w.Net.SetPolicy([]string{directed, hub}[i%2]) }},
	{"stats", func(w *world, i int) {
		if err := bustest.CheckBalance(w.Net.Stats()); err != nil {
			w.t.Error(err)
		}
		if p := w.Net.Port(2); p != nil {
			_ = p.Stats()
		}
	}},
	{"reset", func(w *world, i int) {
		w.Net.ResetStats()
		if p := w.Net.Port(2); p != nil {
			p.ResetStats()
		}
	}},
	{"events", func(w *world, i int) {
		e := &bustest.Events{}
		if w.Net.Subscribe(e) == nil {
			w.Net.Event("x", "i=%d", i)
			w.Net.Unsubscribe(e)
		}
	}},
	{"rename", func(w *world, i int) {
		_ = w.Bus.Rename("lab", "bal")
		_ = w.Bus.Rename("bal", "lab")
	}},
	{"list", func(w *world, i int) {
		for _, n := range w.Bus.Networks() {
			_, _ = n.Name(), n.Ports()
			_ = w.Bus.NetworkByID(n.ID())
		}
		w.Bus.Tick(epoch)
	}},
	{"poll", func(w *world, i int) {
		if w.from[0].Blocked() {
			w.from[0].WantOut()
		}
	}},
	{"short-lived networks", func(w *world, i int) {
		n, err := w.Bus.Create("short", directed, bus.Access{}, bus.Access{})
		if err != nil {
			return
		}
		_ = n.Change(func(s *bus.Settings) { s.Persist = false })
		if c, err := n.Join(&bustest.Sink{}, both); err == nil {
			c.Close()
		}
		_ = w.Bus.Remove("short")
	}},
}

// world is a small network, some of which is full.
type world struct {
	*bustest.Lab
	t      *testing.T
	sinks  [2]bustest.Sink
	puller bustest.Puller
	from   [2]*bus.Conn
}

func newWorld(t *testing.T) *world {
	w := &world{Lab: bustest.NewLab(t, directed), t: t}
	w.Join(t, &w.sinks[0])
	w.Join(t, &w.sinks[1])
	w.Join(t, &w.puller)
	for i := range w.from {
		w.from[i] = w.JoinAs(t, &bustest.Recorder{}, bus.JoinOptions{Send: true})
	}
	set(t, w.Lab, func(s *bus.Settings) { s.Queue, s.Overflow = 2, bus.BlockSender })
	return w
}

// await waits until p was resumed: somebody is at it just now.
func (w *world) await(p *parked) {
	bustest.WaitFor(w.t, "a send that could not be cancelled is resumed", func() bool { return p.calls.Load() > 0 })
}

// Each thing beside each other one, and beside itself.
func TestPairs(t *testing.T) {
	const rounds = 60
	for i := range doings {
		for k := i; k < len(doings); k++ {
			w := newWorld(t)
			var both sync.WaitGroup
			for _, d := range []func(*world, int){doings[i].do, doings[k].do} {
				both.Add(1)
				go func() {
					defer both.Done()
					for r := range rounds {
						d(w, r)
					}
				}()
			}
			both.Wait()
			if err := bustest.CheckBalance(w.Net.Stats()); err != nil {
				t.Errorf("%s beside %s: %v", doings[i].name, doings[k].name, err)
			}
		}
	}
}

// Networks that end with their last port, while others try to join.
func TestPersistRace(t *testing.T) {
	b := newBus(t, bus.DefaultLimits())
	var all sync.WaitGroup
	var joined atomic.Int64
	for range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range 200 {
				_ = create(b, "n")
				n := b.Network("n")
				if n == nil {
					continue
				}
				_ = n.Change(func(s *bus.Settings) { s.Persist = false })
				c, err := n.Join(&bustest.Sink{}, both)
				if err != nil {
					if fail.KindOf(err) != fail.Gone {
						t.Errorf("join: %v", err)
					}
					continue
				}
				joined.Add(1)
				if c.Gone() {
					t.Error("a network ended while it had a port")
				}
				c.Close()
			}
		}()
	}
	all.Wait()
	if joined.Load() == 0 {
		t.Error("nobody ever joined")
	}
	if n := b.Network("n"); n != nil && len(n.Ports()) != 0 || b.PortsUsed() != 0 {
		t.Errorf("%d ports are left", b.PortsUsed())
	}
}

// The end of all networks, while some end by themselves and others are made
// in their place: nobody is left on a network that cannot be found any more.
func TestShutdownRace(t *testing.T) {
	b := bus.New(bus.DefaultLimits())
	var all sync.WaitGroup
	var done atomic.Bool
	var conns []*bus.Conn
	all.Add(1)
	go func() {
		defer all.Done()
		for !done.Load() {
			b.Shutdown()
			runtime.Gosched()
		}
	}()
	for range 2000 {
		_ = create(b, "n")
		_ = b.Remove("n")
		_ = create(b, "n")
		if n := b.Network("n"); n != nil {
			if c, err := n.Join(&bustest.Sink{}, both); err == nil {
				conns = append(conns, c)
			}
		}
	}
	done.Store(true)
	all.Wait()
	b.Shutdown()
	left := 0
	for _, c := range conns {
		if !c.Gone() {
			left++
		}
		c.Close()
	}
	if left > 0 {
		t.Errorf("%d of %d connections were not told of the end", left, len(conns))
	}
}
