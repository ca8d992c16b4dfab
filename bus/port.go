package bus

import (
	"sync/atomic"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// Access is who may do what: an owner, a group and the nine mode bits, read
// as IPN did: r = receive, w = send, x = manage. The bus stores it; the door
// through which a caller comes enforces it.
type Access struct {
	Mode uint32 `json:"mode"` // the low 9 bits; for a directory also set-gid and sticky
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
}

// Port is a number on a network. It exists while something is connected to
// it or while the number is reserved.
type Port struct {
	net    *Network
	number int
	life   uint16

	// receivers are the conns that may receive; immutable once stored.
	receivers atomic.Pointer[[]*Conn]

	// Guarded by Network.mu.
	conns    []*Conn
	reserved bool
	name     string
	queue    int       // 0: the network's
	overflow *Overflow // nil: the network's
	access   *Access   // nil: the network's
	stages   *stages   // nil: none
	mirrored *[]int    // ports whose frames are copied here, in order; nil: none
	departed *Stats    // of conns that left while the port stayed; nil: none
}

var _ policy.Port = (*Port)(nil)

// Number returns the port's number, 1 or more.
func (p *Port) Number() int { return p.number }

// Life tells this port from others that had or will have its number: it is
// another each time, until 65536 ports later.
func (p *Port) Life() uint16 { return p.life }

// Network returns the port's network.
func (p *Port) Network() *Network { return p.net }

// PortInfo describes a port at one moment.
type PortInfo struct {
	Number   int
	Name     string
	Reserved bool
	Conns    []ConnInfo
}

// ConnInfo describes a connection at one moment.
type ConnInfo struct {
	Info
	Recv, Send bool
}

// Rights is "rw", "r" or "w".
func (c ConnInfo) Rights() string {
	switch {
	case c.Recv && c.Send:
		return "rw"
	case c.Recv:
		return "r"
	}
	return "w"
}

// Conns returns how many connections the port has.
func (p *Port) Conns() int {
	p.net.lock()
	defer p.net.mu.Unlock()
	return len(p.conns)
}

// Info describes the port now.
func (p *Port) Info() PortInfo {
	p.net.lock()
	defer p.net.mu.Unlock()
	i := PortInfo{Number: p.number, Name: p.name, Reserved: p.reserved}
	for _, c := range p.conns {
		i.Conns = append(i.Conns, ConnInfo{c.info, c.recv, c.send})
	}
	return i
}

// SetName gives the port a free text for people, at most MaxPortName bytes.
func (p *Port) SetName(name string) error {
	if err := checkPortName(name); err != nil {
		return err
	}
	p.net.lock()
	defer p.net.mu.Unlock()
	p.setNameLocked(name)
	return nil
}

// +checklocks:p.net.mu
func (p *Port) setNameLocked(name string) {
	p.name = name
	p.net.eventLocked("port-named", "port=%d name=%s", p.number, fail.Quote(name))
}

func checkPortName(name string) error {
	if len(name) > MaxPortName {
		return fail.Errorf(fail.Range, "port name of %d bytes: at most %d", len(name), MaxPortName)
	}
	return nil
}

// Queue returns the number of frames a receiver at this port may have
// waiting.
func (p *Port) Queue() int {
	p.net.lock()
	defer p.net.mu.Unlock()
	queue, _ := p.limitsLocked()
	return queue
}

// SetQueue overrides the network's queue for this port; 0 ends that.
func (p *Port) SetQueue(frames int) error {
	if frames != 0 {
		if err := words.Check("queue", frames, 1, MaxQueue); err != nil {
			return err
		}
	}
	return p.configure(func() { p.queue = frames })
}

// Overflow returns what a full receiver at this port means.
func (p *Port) Overflow() Overflow {
	p.net.lock()
	defer p.net.mu.Unlock()
	_, overflow := p.limitsLocked()
	return overflow
}

// SetOverflow overrides the network's overflow for this port; nil ends that.
func (p *Port) SetOverflow(o *Overflow) error {
	return p.configure(func() { p.overflow = o })
}

func (p *Port) configure(change func()) error {
	n := p.net
	n.lock()
	change()
	p.configureConnsLocked()
	n.invalidateLocked()
	n.mu.Unlock()
	n.ease()
	return nil
}

// limitsLocked is what holds for the port: its own, or else the network's.
//
// +checklocks:p.net.mu
func (p *Port) limitsLocked() (queue int, overflow Overflow) {
	queue, overflow = p.net.settings.Queue, p.net.settings.Overflow
	if p.queue != 0 {
		queue = p.queue
	}
	if p.overflow != nil {
		overflow = *p.overflow
	}
	return queue, overflow
}

// own is what the port has of its own: 0, nil if it has not.
func (p *Port) own() (queue int, overflow *Overflow) {
	p.net.lock()
	defer p.net.mu.Unlock()
	return p.queue, p.overflow
}

// +checklocks:p.net.mu
func (p *Port) configureConnsLocked() {
	queue, overflow := p.limitsLocked()
	for _, c := range p.conns {
		c.configure(queue, overflow)
	}
}

// Access returns the rights on the port: its own if ChangeAccess was called,
// else those of the network's door.
func (p *Port) Access() Access {
	p.net.lock()
	defer p.net.mu.Unlock()
	return p.accessLocked()
}

// +checklocks:p.net.mu
func (p *Port) accessLocked() Access {
	if p.access != nil {
		return *p.access
	}
	return *p.net.door.Load()
}

// OwnAccess returns the rights that ChangeAccess gave the port, which are not to be
// changed there; nil: none.
func (p *Port) OwnAccess() *Access {
	p.net.lock()
	defer p.net.mu.Unlock()
	return p.access
}

// ChangeAccess applies change to the rights on the port, which are its own then,
// for as long as it exists. No other change comes between.
func (p *Port) ChangeAccess(change func(*Access)) {
	p.net.lock()
	defer p.net.mu.Unlock()
	a := p.accessLocked()
	change(&a)
	p.access = &a
}

// setConnsLocked replaces the list of connections.
func (p *Port) setConnsLocked(conns []*Conn) {
	p.conns = conns
	receivers := make([]*Conn, 0, len(conns))
	for _, c := range conns {
		if c.recv {
			receivers = append(receivers, c)
		}
	}
	p.receivers.Store(&receivers)
}
