package bustest

import (
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// Gate is a stage that drops frames: a filter. A nil function lets all pass.
type Gate struct {
	In, Out func(f *frame.Frame) frame.Drop
}

var _ bus.Stage = (*Gate)(nil)

// Ingress asks In.
func (g *Gate) Ingress(_ *bus.Conn, f *frame.Frame) frame.Drop { return g.ask(g.In, f) }

// Egress asks Out.
func (g *Gate) Egress(_ *bus.Conn, _ *bus.Port, f *frame.Frame) frame.Drop { return g.ask(g.Out, f) }

// Hold is never called.
func (*Gate) Hold(*bus.Conn, bus.Way, frame.Frame) { panic("bustest: a gate holds nothing") }

// Leave has nothing to give up.
func (*Gate) Leave(*bus.Conn) {}

func (*Gate) ask(f func(*frame.Frame) frame.Drop, arg *frame.Frame) frame.Drop {
	if f == nil {
		return 0
	}
	return f(arg)
}

// Group is a stage for the ports of one side: what came by one of them leaves by
// none of them (split horizon). The same Group stands at each.
type Group struct{ members sync.Map }

var _ bus.Stage = (*Group)(nil)

// Add makes p one of the group.
func (g *Group) Add(p *bus.Port) error {
	g.members.Store(p, true)
	return p.SetStage(bus.Horizon, g)
}

// Ingress lets all pass.
func (*Group) Ingress(*bus.Conn, *frame.Frame) frame.Drop { return 0 }

// Egress drops what came by another of the group.
func (g *Group) Egress(_ *bus.Conn, in *bus.Port, _ *frame.Frame) frame.Drop {
	if _, same := g.members.Load(in); same {
		return frame.DropFiltered
	}
	return 0
}

// Hold is never called.
func (*Group) Hold(*bus.Conn, bus.Way, frame.Frame) { panic("bustest: a group holds nothing") }

// Leave takes the port off the group.
func (g *Group) Leave(c *bus.Conn) { g.members.Delete(c.Port()) }

// Line is a stage that holds all frames until the test lets them go on: an impairment.
type Line struct {
	mu   sync.Mutex
	held []heldFrame
	left map[*bus.Conn]bool // for whom Leave was called
}

type heldFrame struct {
	conn *bus.Conn
	way  bus.Way
	f    frame.Frame
}

var _ bus.Stage = (*Line)(nil)

// Ingress holds.
func (*Line) Ingress(*bus.Conn, *frame.Frame) frame.Drop { return bus.Hold }

// Egress holds.
func (*Line) Egress(*bus.Conn, *bus.Port, *frame.Frame) frame.Drop { return bus.Hold }

// Hold keeps the frame.
func (l *Line) Hold(c *bus.Conn, way bus.Way, f frame.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left[c] { // it was under way
		f.Release()
		c.LoseHeld(1)
		return
	}
	l.held = append(l.held, heldFrame{c, way, f})
}

// Leave loses what is held of c, and what still comes. The Line is of no use to c
// again.
func (l *Line) Leave(c *bus.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == nil {
		l.left = map[*bus.Conn]bool{}
	}
	l.left[c] = true
	kept := l.held[:0]
	for _, h := range l.held {
		if h.conn != c {
			kept = append(kept, h)
			continue
		}
		h.f.Release()
		c.LoseHeld(1)
	}
	l.held = kept
}

// Held is how many frames it holds.
func (l *Line) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

// GoOn lets the oldest n frames go on from the stage of that rank, the last of
// them first if so wanted.
func (l *Line) GoOn(rank bus.Rank, n int, backwards bool) {
	l.mu.Lock()
	now := append([]heldFrame(nil), l.held[:n]...)
	l.held = l.held[n:]
	l.mu.Unlock()
	b := bus.Batch{Behind: rank + 1}
	for i := range now {
		h := now[i]
		if backwards {
			h = now[n-1-i]
		}
		b.Add(h.f)
		if h.way == bus.Out {
			h.conn.Deliver(&b, rank)
		} else if h.conn.Send(&b) == 0 {
			h.conn.LoseHeld(1)
		}
		b.Reset()
	}
}
