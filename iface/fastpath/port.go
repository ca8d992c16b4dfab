package fastpath

import (
	"sync"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/iface/plane"
)

// gate is what is needed of a plane.Port.
type gate interface {
	Slot() int
	Mark() uint32
	Revoke()
	Set(mark uint32, s plane.Settings)
	SetLimits(device, network int)
	Carried(n int)
	Counts() plane.Counts
}

var _ gate = (*plane.Port)(nil)

// Port is a port of a network that the plane forwards for. It is a device.Shortcut.
type Port struct {
	gate  gate
	table table

	// Set by Attach.
	conn     *bus.Conn
	number   int
	follower *follower

	why   atomic.Pointer[string] // Bypass; of a new one: pending
	anew  atomic.Bool            // the follower is to look at it
	state atomic.Pointer[state]  // nil: it was not looked at yet
	short atomic.Bool            // stations of it found no room
	left  atomic.Bool

	counting sync.Mutex
	// +checklocks:counting
	counted plane.Counts

	limits sync.Mutex
	// +checklocks:limits
	device int // the longest frame in bytes, as SetMaxLen says
	// +checklocks:limits
	network int // as Resize says
}

// state is what came of the last look at a port: the mark it had, and why it forwards
// nothing; empty: it does, as long as it has that mark.
type state struct {
	mark uint32
	why  string
}

// pending is why a port forwards nothing that nobody has looked at yet.
const pending = "it is being set up"

// New makes p, which the Port does not own, a port that takes part when it has joined.
func New(p *plane.Port) *Port {
	t, err := plane.Load()
	if err != nil {
		panic("fastpath: a port without a plane: " + err.Error())
	}
	return newPort(t, p)
}

func newPort(t table, g gate) *Port {
	p, why := &Port{gate: g, table: t}, pending
	p.why.Store(&why)
	return p
}

// Attach is called when the port has joined, from within Join. Nothing goes by before the
// bus has called Bypass.
func (p *Port) Attach(c *bus.Conn) {
	p.conn, p.number = c, c.Port().Number()
	p.Resize(c.Network().MTU())
	p.follower = join(c.Network(), p)
}

// Bypass is bus.Bypasser's.
func (p *Port) Bypass(why string) {
	changed := *p.why.Swap(&why) != why
	if why != "" {
		p.gate.Revoke()
	}
	if changed {
		p.anew.Store(true)
	}
	p.follower.Wake() // also to see whether the policy is another
}

// Count is bus.Bypasser's.
func (p *Port) Count() {
	p.counting.Lock()
	defer p.counting.Unlock()
	now, was := p.gate.Counts(), p.counted
	p.counted = now
	lost := now.Lost - was.Lost // of what was forwarded, or what the daemon sent: both count as received
	p.conn.Add(bus.Passed{
		Frames: now.In - was.In, Bytes: now.InBytes - was.InBytes,
		Received: now.Out - was.Out - lost, ReceivedBytes: now.OutBytes - was.OutBytes,
		Lost:    lost,
		Overrun: now.Overrun - was.Overrun, OverrunBytes: now.OverrunBytes - was.OverrunBytes,
	})
}

// Carried says that n frames that were read have gone to all their receivers.
func (p *Port) Carried(n int) { p.gate.Carried(n) }

// SetMaxLen says how long a frame the host's end takes: see plane.Port.SetLimits.
func (p *Port) SetMaxLen(bytes int) {
	p.limits.Lock()
	defer p.limits.Unlock()
	p.device = bytes
	p.gate.SetLimits(p.device, p.network)
}

// Resize is bus.Resizer's.
func (p *Port) Resize(mtu int) {
	p.limits.Lock()
	defer p.limits.Unlock()
	p.network = mtu
	p.gate.SetLimits(p.device, p.network)
}

// Leave ends it: nothing goes past the network any more, and all is counted. It comes
// before the connection is closed, or after it has gone, with no lock of the network held.
func (p *Port) Leave() {
	if p.follower == nil || p.left.Swap(true) {
		return
	}
	p.gate.Revoke()
	p.follower.leave(p)
	p.Count()
}

// Path tells why frames do not go past the network; empty: they do.
func (p *Port) Path() string {
	if why := *p.why.Load(); why != "" {
		return why
	}
	switch s := p.state.Load(); {
	case s == nil:
		return pending
	case s.why != "":
		return s.why
	case p.short.Load():
		return "memory"
	case s.mark != p.gate.Mark():
		return pending
	}
	return ""
}
