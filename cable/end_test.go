package cable

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
	"ipnfs/lane/lanetest"
)

// What ends a cable ends all of it, whatever it is at.
func TestEnd(t *testing.T) {
	for end, do := range map[string]func(l *lab, c *cable) error{
		"detached":      func(l *lab, c *cable) error { return attacher{}.Detach(l.Net, self(l.t), c.name) },
		"port removed":  func(l *lab, c *cable) error { return l.Net.RemovePort(c.port().Number()) },
		"network ended": func(l *lab, _ *cable) error { l.Net.End(); return nil },
		"shutdown":      func(l *lab, _ *cable) error { l.Bus.Shutdown(); Wait(); return nil },
	} {
		for state, up := range map[string]func(l *lab) (*cable, *fake){
			"connecting": func(l *lab) (*cable, *fake) { return l.lay("fake://x") }, // Dial blocks for ever
			"up":         func(l *lab) (*cable, *fake) { c, f, _ := l.layUp("fake://x"); return c, f },
			"down": func(l *lab) (*cable, *fake) {
				c, f := l.lay("fake://x")
				f.next <- answer{err: errFake}
				l.await(c, "down")
				return c, f
			},
			"with frames in the queue": func(l *lab) (*cable, *fake) {
				c, f, _ := l.layUp("fake://x")
				for n := 0; c.port().Stats().Queued == 0; n++ {
					bustest.Send(l.peer, lanetest.Frame(1, n))
				}
				return c, f
			},
		} {
			t.Run(end+" "+state, func(t *testing.T) {
				l := newLab(t)
				open, used := len(lanetest.OpenFiles(t)), l.Net.Memory().Used()
				c, f := up(l)
				if state == "up" || state == "with frames in the queue" {
					open++ // the far end
				}
				if err := do(l, c); err != nil {
					t.Fatal(err)
				}
				if end == "shutdown" {
					select {
					case <-c.done:
					default:
						t.Error("Wait did not wait")
					}
				}
				l.gone(c, f)
				lanetest.WantOpen(t, open)
				if got := l.Net.Memory().Used(); got > used {
					t.Errorf("%d bytes are charged, before %d", got, used)
				}
				if l.list() != "" || len(registry.lists[l.Net]) != 0 || len(registry.sides) != 0 {
					t.Errorf("it is still known: %q", l.list())
				}
				if n := l.events.Count("port-left"); n != 1 && end != "network ended" && end != "shutdown" {
					t.Errorf("%d ports left", n)
				}
			})
		}
	}
}

// Several may end it at once, and links come meanwhile.
func TestEndsAtOnce(t *testing.T) {
	l := newLab(t)
	for range 30 {
		c, f := l.lay("fake://x name=c")
		f.link(t)
		number := c.port().Number()
		var all sync.WaitGroup
		all.Go(func() { _ = l.Net.RemovePort(number) })
		all.Go(func() { c.finish(nil) })
		_ = attacher{}.Detach(l.Net, self(t), "c")
		all.Wait()
		l.gone(c, f)
		for len(f.next) > 0 { // it was never the cable's
			(<-f.next).link.Driver.Close()
		}
	}
}

// A link that Dial makes though the cable has ended is closed.
func TestDialedTooLate(t *testing.T) {
	l := newLab(t)
	far := lanetest.NewFar(t)
	c, f := l.lay("fake://x")
	bustest.WaitFor(t, "Dial", func() bool { return f.dialed.Load() == 1 })
	c.dialer = stubborn{f, &Link{Source: lanetest.Datagrams{FD: far.Near}.Source()}} // +checklocksignore: Dial is under way
	f.next <- answer{err: errFake}
	bustest.WaitFor(t, "Dial", func() bool { return f.dialed.Load() == 2 })
	c.finish(nil)
	l.gone(c, f)
	if !far.Closed() {
		t.Error("the link is open")
	}
}

// stubborn comes back with a link when the cable has ended.
type stubborn struct {
	*fake
	link *Link
}

func (s stubborn) Dial(ctx context.Context, _ *Plug) (*Link, error) {
	s.dialed.Add(1)
	<-ctx.Done()
	return s.link, nil
}

// A cable keeps no namespace alive: with all else that did so it ends.
func TestAbandoned(t *testing.T) {
	name, ns := nstest.New(t)
	if !netns.SeesAll() {
		t.Skip("this is a pid namespace that does not see all processes")
	}
	id := ns.ID()
	ns.Close()
	l := newLab(t)
	open := len(lanetest.OpenFiles(t))
	c, f, far := l.layUp("fake://x netns=" + name)
	netns.CheckGuards()
	if line := l.list(); !strings.Contains(line, "state=up") || !strings.Contains(line, " netns="+name+" ") || c.origin.NS().ID() != id {
		t.Errorf("it shows %q", line)
	}
	nstest.Delete(name)
	l.gone(c, f)
	if !far.Closed() || l.list() != "" || len(l.Net.Ports()) != 1 {
		t.Errorf("closed: %v, ports %v, %q", far.Closed(), l.Net.Ports(), l.list())
	}
	lanetest.WantOpen(t, open+1) // the far end
	if n := l.events.Count("cable-down"); n != 1 || !slices.Contains(l.events.Lines(), `cable-down name=fake0 port=2 reason="its network namespace is gone"`) {
		t.Errorf("the events are %q", l.events.Lines())
	}
}
