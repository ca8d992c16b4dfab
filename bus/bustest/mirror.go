package bustest

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Mirror is a follower as one in the kernel would be: it knows a policy's table
// from the feed alone, and decides by that. What it knows of a port is marked with
// a number, which Revoke raises: so it revokes in one store, and more than it must.
type Mirror struct {
	feed  policy.Feed
	wakes chan struct{}
	all   atomic.Uint64
	marks sync.Map // of ports: *atomic.Uint64
	used  sync.Map // by address: heard

	mu       sync.Mutex
	ports    map[int]marked[policy.FeedPort]
	stations map[address]marked[policy.Station]
}

type address struct {
	vlan uint16
	mac  [6]byte
}

// heard is when an address was, and where.
type heard struct {
	port int
	when time.Time
}

type marked[T any] struct {
	is   T
	mark [2]uint64 // of all and of the port
}

var _ policy.Follower = (*Mirror)(nil)

// Follow makes a Mirror of the network's policy. Somebody must call Catch.
func Follow(n *bus.Network) (*Mirror, error) {
	m := &Mirror{wakes: make(chan struct{}, 1)}
	m.forget()
	return m, n.UsePolicy(func(p policy.Policy) (err error) {
		feeder, ok := p.(policy.Feeder)
		if !ok {
			return fail.Errorf(fail.Unsupported, "policy %s has no table to follow", p.Name())
		}
		m.feed, err = feeder.Follow(m)
		return err
	})
}

// Feed returns what the mirror follows.
func (m *Mirror) Feed() policy.Feed { return m.feed }

// Revoke raises marks. It knows no VLANs.
func (m *Mirror) Revoke(port int, _ uint16) {
	if port == 0 {
		m.all.Add(1)
	} else {
		m.of(port).Add(1)
	}
}

// Wake notes that there is something to catch up with.
func (m *Mirror) Wake() {
	select {
	case m.wakes <- struct{}{}:
	default:
	}
}

// Used tells what Use noted.
func (m *Mirror) Used(vlan uint16, mac [6]byte, port int) (when time.Time, ok bool) {
	if at, there := m.used.Load(address{vlan, mac}); there && at.(heard).port == port {
		return at.(heard).when, true
	}
	return when, false
}

// Use notes that a frame from an address came by a port past the policy.
func (m *Mirror) Use(vlan uint16, mac [6]byte, port int, when time.Time) {
	m.used.Store(address{vlan, mac}, heard{port, when})
}

// Wakes gets something after Wake.
func (m *Mirror) Wakes() <-chan struct{} { return m.wakes }

func (m *Mirror) of(port int) *atomic.Uint64 {
	mark, _ := m.marks.LoadOrStore(port, new(atomic.Uint64))
	return mark.(*atomic.Uint64)
}

func (m *Mirror) mark(port int) [2]uint64 { return [2]uint64{m.all.Load(), m.of(port).Load()} }

func (m *Mirror) forget() {
	m.ports, m.stations = map[int]marked[policy.FeedPort]{}, map[address]marked[policy.Station]{}
}

// Catch catches up with all that waits. By one thread at a time.
func (m *Mirror) Catch() {
	var list [16]policy.Change
	for {
		n, resync := m.feed.Next(list[:])
		if n == 0 && !resync {
			return
		}
		m.mu.Lock()
		if resync {
			m.forget()
			for _, p := range m.feed.Ports() {
				m.lookPort(p.Port.Number())
			}
			for _, s := range m.feed.Stations(0) {
				m.look(address{s.VLAN, s.MAC})
			}
		}
		for _, c := range list[:n] {
			if c.Port == 0 {
				m.look(address{c.VLAN, c.MAC})
				continue
			}
			m.lookPort(c.Port)
			for a, s := range m.stations {
				if s.is.Port == c.Port {
					m.look(a)
				}
			}
			for _, s := range m.feed.Stations(c.Port) {
				m.look(address{s.VLAN, s.MAC})
			}
		}
		m.mu.Unlock()
	}
}

// lookPort asks how a port takes part.
func (m *Mirror) lookPort(number int) {
	mark := m.mark(number)
	if p, ok := m.feed.Port(number); ok {
		m.ports[number] = marked[policy.FeedPort]{p, mark}
	} else {
		delete(m.ports, number)
	}
}

// look asks for a station. The mark of its port must be older than the answer.
func (m *Mirror) look(a address) {
	for port := 0; ; {
		mark := m.mark(port)
		s, ok := m.feed.Station(a.vlan, a.mac)
		if !ok {
			delete(m.stations, a)
			return
		}
		if s.Port == port {
			m.stations[a] = marked[policy.Station]{s, mark}
			return
		}
		port = s.Port
	}
}

// Decide tells where the mirror sends a frame that came by a port, and with what
// edit; false: that is for the policy to say.
func (m *Mirror) Decide(in int, data []byte) (to int, edit frame.Edit, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, ok := m.port(in)
	if !ok {
		return 0, edit, false
	}
	var vlan, prio, inside uint16
	tagged := from.VLANs && binary.BigEndian.Uint16(data[12:]) == from.TPID
	switch {
	case tagged && len(data) < 18:
		return 0, edit, false
	case tagged:
		tci := binary.BigEndian.Uint16(data[14:])
		inside, prio = tci&0xfff, tci&0xf000
	}
	if vlan = inside; from.VLANs && inside == 0 {
		vlan = from.PVID
	}
	src, known := m.station(vlan, data[6:])
	dst, there := m.station(vlan, data)
	if !known || !there || src.Port != in || dst.Port == in {
		return 0, edit, false
	}
	out, ok := m.port(dst.Port)
	if !ok || from.Isolated && out.Isolated || from.Apart != "" || out.Apart != "" {
		return 0, edit, false
	}
	if !from.VLANs || dst.Tagged && tagged && inside == vlan && out.TPID == from.TPID {
		return dst.Port, edit, true
	}
	if dst.Tagged {
		edit.Push = uint32(out.TPID)<<16 | uint32(prio|vlan)
	}
	if tagged {
		edit.Strip = 1
	}
	return dst.Port, edit, true
}

// port returns what is known of a port and was not revoked.
func (m *Mirror) port(number int) (policy.FeedPort, bool) {
	p, ok := m.ports[number]
	return p.is, ok && p.mark == m.mark(number)
}

// station returns where an address is known, if that was not revoked.
func (m *Mirror) station(vlan uint16, mac []byte) (policy.Station, bool) {
	s, ok := m.stations[address{vlan, [6]byte(mac)}]
	return s.is, ok && s.mark == m.mark(s.is.Port)
}
