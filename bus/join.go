package bus

import (
	"slices"
	"unsafe"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// JoinOptions say how an endpoint wants to join.
type JoinOptions struct {
	Number     int        // port number; 0: the lowest free one
	Make       bool       // Number may be one that does not exist: it is made
	Alone      bool       // the port must have nobody, not even one of the same user
	Name       string     // free text for people that the port gets, at most MaxPortName bytes; empty: it stays
	Recv, Send bool       // the rights it has
	Brings     bool       // it may bring frames even if it may not send: they are counted as dropped
	MaxLen     int        // longest frame in bytes it can take; 0: any
	FreeTags   frame.Tags // of which one, the outermost, does not count in MaxLen
	Offload    bool       // it takes super-frames: see frame.Frame.Offload
	Hops       bool       // it is a cable that counts frame.Frame.Hops: what has passed frame.MaxHops does not go there
	Info       Info

	// Setup are values that the policy has for the port (PortKnobber): in force
	// before a frame can reach or come from it. They imply Alone.
	Setup []PortSetting
	Words string // what else the joiner could be told, for the refusal of a setting that does not exist
}

// Join attaches ep to a port. A wanted number that is connected already is
// shared with its holder if both have the same user (vde_switch does so),
// else it is Busy. What is refused changes nothing.
func (n *Network) Join(ep Endpoint, o JoinOptions) (*Conn, error) {
	c := &Conn{net: n, ep: ep, info: o.Info, recv: o.Recv, send: o.Send, offload: o.Offload, hops: o.Hops, freeTags: o.FreeTags, out: &unsent}
	c.q.Memory = n.mem
	c.maxLen.Store(int64(o.MaxLen))
	if o.Send || o.Brings {
		c.out = &sending{}
	}
	n.lock()
	p, _, err := n.admitLocked(o)
	if err == nil {
		n.joinLocked(c, p, o)
	}
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	n.settle()
	return c, nil
}

// CanJoin tells whether Join with these options would be refused now, before
// anything is made that is to join.
func (n *Network) CanJoin(o JoinOptions) error {
	n.lock()
	defer n.mu.Unlock()
	_, back, err := n.admitLocked(o)
	if err == nil {
		back()
	}
	return err
}

// admitLocked finds or makes the port that a joiner gets, and sets it up. back
// leaves it as it was; so it is if it is refused.
//
// +checklocks:n.mu
// +checklocksignore: back is called with the lock held
func (n *Network) admitLocked(o JoinOptions) (p *Port, back func(), err error) {
	if err := checkPortName(o.Name); err != nil {
		return nil, nil, err
	}
	made := o.Number == 0 || n.portLocked(o.Number) == nil
	if p, err = n.portForLocked(o); err != nil {
		return nil, nil, err
	}
	shared := len(p.conns) > 0
	if shared && !n.bus.takePort() { // those that share a number count, too
		return nil, nil, n.bus.errNoPorts()
	}
	restore, err := n.setUpLocked(p, o)
	back = func() {
		restore()
		switch {
		case made:
			n.freePortLocked(p)
		case shared:
			n.bus.returnPort()
		}
	}
	if err != nil {
		back()
		return nil, nil, err
	}
	return p, back, nil
}

// +checklocks:n.mu
func (n *Network) joinLocked(c *Conn, p *Port, o JoinOptions) {
	c.port = p
	c.ep.Attach(c)
	c.stages.Store(p.stages)
	c.configure(p.limitsLocked()) // +checklocksignore: p.net is n; before the first frame can come
	p.setConnsLocked(append(slices.Clone(p.conns), c))
	n.invalidateLocked()
	if joiner, ok := n.policy.(policy.Joiner); ok && len(p.conns) == 1 {
		joiner.Join(p)
	}
	if _, ok := c.ep.(Bypasser); ok {
		n.bypassers.Add(1)
	}
	n.bypassPortLocked(p)
	if n.listening.Load() > 0 {
		info := ConnInfo{o.Info, o.Recv, o.Send}
		n.eventLocked("port-joined", "port=%d kind=%s rights=%s uid=%d pid=%d comm=%s",
			p.number, o.Info.Kind, info.Rights(), o.Info.UID, o.Info.PID, fail.Quote(o.Info.Comm))
		n.countsLocked()
	}
	if o.Name != "" {
		p.setNameLocked(o.Name) // +checklocksignore: as above
	}
}

// countsLocked publishes how many may receive and send now, as IPN's
// out-of-band messages did.
//
// +checklocks:n.mu
func (n *Network) countsLocked() {
	readers, writers := 0, 0
	for _, p := range n.ports {
		if p == nil {
			continue
		}
		for _, c := range p.conns {
			if c.recv {
				readers++
			}
			if c.send {
				writers++
			}
		}
	}
	n.eventLocked("counts", "readers=%d writers=%d", readers, writers)
}

// portForLocked finds or makes the port that a joiner gets.
//
// +checklocks:n.mu
func (n *Network) portForLocked(o JoinOptions) (*Port, error) {
	if n.gone {
		return nil, errNetworkGone
	}
	if o.Number == 0 {
		for n.lowest < len(n.ports) && n.ports[n.lowest] != nil {
			n.lowest++
		}
		if n.lowest >= n.settings.MaxPorts {
			return nil, fail.Errorf(fail.NoPort, "all %d ports are in use: raise maxports", n.settings.MaxPorts)
		}
		return n.newPortLocked(n.lowest + 1)
	}
	if p := n.portLocked(o.Number); p != nil {
		if len(p.conns) > 0 && (o.Alone || len(o.Setup) > 0 || p.conns[0].info.UID != o.Info.UID) {
			held := &p.conns[0].info
			return nil, fail.Errorf(fail.Busy, "port %d is held by uid %d (%s)", o.Number, held.UID, held.holder())
		}
		return p, nil
	}
	if !o.Make {
		return nil, fail.Errorf(fail.Unknown, "there is no port %d: mkdir ports/%d reserves it", o.Number, o.Number)
	}
	if err := n.checkNumberLocked(o.Number); err != nil {
		return nil, err
	}
	return n.newPortLocked(o.Number)
}

// checkNumberLocked tells whether a port may have that number.
//
// +checklocks:n.mu
func (n *Network) checkNumberLocked(number int) error {
	if number < 1 || number > n.settings.MaxPorts {
		return fail.Errorf(fail.Range, "port number %d is out of range: 1 to %d (maxports)", number, n.settings.MaxPorts)
	}
	return nil
}

// +checklocks:n.mu
func (n *Network) portLocked(number int) *Port {
	if number < 1 || number > len(n.ports) {
		return nil
	}
	return n.ports[number-1]
}

// +checklocks:n.mu
func (n *Network) newPortLocked(number int) (*Port, error) {
	if !n.bus.takePort() {
		return nil, n.bus.errNoPorts()
	}
	if !n.roomForLocked(number) {
		n.bus.returnPort()
		return nil, fail.Errorf(fail.NoSpace, "no memory for a table of %d ports: see mem, or take a lower number", number)
	}
	n.lives++
	p := &Port{net: n, number: number, life: n.lives}
	p.setConnsLocked(nil)
	n.ports[number-1] = p
	n.used++
	return p, nil
}

// roomForLocked makes the table of ports long enough for a number, if memory
// allows. Its size is that of the highest number there was, until the last port
// has gone.
//
// +checklocks:n.mu
func (n *Network) roomForLocked(number int) bool {
	if number <= len(n.ports) {
		return true
	}
	if size := cap(n.ports); number > size {
		size = max(number, 2*size, 8)
		if !n.mem.ChargeTable((size - cap(n.ports)) * pointerSize) {
			return false
		}
		n.ports = append(make([]*Port, 0, size), n.ports...)
	}
	n.ports = n.ports[:number]
	return true
}

// pointerSize is the size in bytes of an entry of the table of ports.
const pointerSize = int(unsafe.Sizeof((*Port)(nil)))

// Reserve makes port number exist without anybody connected, so that it can
// be set up and joined by number.
func (n *Network) Reserve(number int) (*Port, error) {
	n.lock()
	defer n.mu.Unlock()
	if n.gone {
		return nil, errNetworkGone
	}
	if err := n.checkNumberLocked(number); err != nil {
		return nil, err
	}
	if n.portLocked(number) != nil {
		return nil, fail.Errorf(fail.Exists, "port %d exists", number)
	}
	p, err := n.newPortLocked(number)
	if err != nil {
		return nil, err
	}
	p.reserved = true
	n.eventLocked("port-reserved", "port=%d", number)
	return p, nil
}

// Port returns the port of that number, or nil.
func (n *Network) Port(number int) *Port {
	n.lock()
	defer n.mu.Unlock()
	return n.portLocked(number)
}

// Ports lists the numbers of the ports that exist, in order.
func (n *Network) Ports() []int {
	n.lock()
	defer n.mu.Unlock()
	list := make([]int, 0, n.used)
	for _, p := range n.ports {
		if p != nil {
			list = append(list, p.number)
		}
	}
	return list
}
