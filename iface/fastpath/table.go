package fastpath

import (
	"ipnfs/bus/policy"
	"ipnfs/iface/plane"
)

// table is what is needed of a plane.Plane.
type table interface {
	NewNetwork() (id uint32)
	FreeNetwork(id uint32)
	Put(keys []plane.Key, entries []plane.Entry) error
	Delete(keys []plane.Key)
	Used(k plane.Key) (when int64)
}

var _ table = (*plane.Plane)(nil)

// address is a station's.
type address struct {
	vlan uint16
	mac  [6]byte
}

// station is where an address is.
type station struct {
	at     *Port
	mark   uint32
	tagged bool
}

const (
	// entrySize is what a station takes in bytes: in the kernel, and here.
	entrySize = 110 + 70
	// changes are taken from the feed at a time, and stations put into the plane.
	changes = 64
	batch   = 512
)

// step looks at some of what has changed; at what takes a look through the whole table only
// if it may. more: there may be more of it. later: there is what it was not to look at.
//
// +checklocks:f.mu
func (f *follower) step(may bool) (more, later, short bool) {
	if f.feed != nil {
		var list [changes]policy.Change
		n, lost := f.feed.Next(list[:])
		more, f.all = n > 0 || lost, f.all || lost
		for _, c := range list[:n] {
			if c.Port == 0 {
				f.look(address{c.VLAN, c.MAC})
				continue
			}
			for _, p := range f.at(c.Port) {
				p.anew.Store(true)
			}
		}
	}
	if may && f.all {
		f.lookAll()
		more = true
	}
	for _, p := range f.at(0) {
		switch {
		case !may:
			later = later || p.anew.Load()
		case p.anew.Swap(false):
			f.lookPort(p)
			more = true
		}
	}
	f.flush()
	return more, later || f.all, f.short
}

// lookAll looks at all ports and stations, and once more for room.
//
// +checklocks:f.mu
func (f *follower) lookAll() {
	f.whole, f.all = true, false
	f.short = f.feed == nil && f.short
	for _, p := range f.at(0) {
		p.anew.Store(false)
		p.short.Store(false)
		f.setUp(p)
	}
	for a := range f.stations {
		f.look(a)
	}
	if f.feed != nil {
		f.lookAt(f.feed.Stations(0))
	}
}

// lookPort looks at a port, and at the stations that it had or has.
//
// +checklocks:f.mu
func (f *follower) lookPort(p *Port) {
	f.whole = true
	f.setUp(p)
	for a, s := range f.stations {
		if s.at == p {
			f.look(a)
		}
	}
	if f.feed != nil {
		f.lookAt(f.feed.Stations(p.number))
	}
}

// +checklocks:f.mu
func (f *follower) lookAt(list []policy.Station) {
	for _, s := range list {
		f.look(address{s.VLAN, s.MAC})
	}
}

// setUp lets a port take part as the feed says, or not. Its mark must be older than the
// answer.
//
// +checklocks:f.mu
func (f *follower) setUp(p *Port) {
	if p.left.Load() {
		return
	}
	mark := p.gate.Mark()
	settings, why := f.ask(p)
	switch was := p.state.Load(); {
	case why == "":
		p.gate.Set(mark, settings)
	case was != nil && was.why == "": // who took the right has revoked it
		p.gate.Revoke()
	}
	p.state.Store(&state{mark, why})
}

// ask tells how a port takes part, or why it does not.
//
// +checklocks:f.mu
func (f *follower) ask(p *Port) (s plane.Settings, why string) {
	if why := *p.why.Load(); why != "" {
		return s, why
	}
	switch {
	case !p.conn.CanReceive() || !p.conn.CanSend():
		return s, "it may not both receive and send"
	case f.feed == nil:
		return s, f.none
	}
	there, ok := f.feed.Port(p.number)
	switch {
	case !ok || there.Port != policy.Port(p.conn.Port()):
		return s, "the policy does not have the port"
	case there.Apart != "":
		return s, there.Apart
	}
	return plane.Settings{
		Network: f.id.Load(), Isolated: there.Isolated, VLANs: there.VLANs, PVID: there.PVID, TPID: there.TPID,
	}, ""
}

// look asks where a station is. The mark of its port must be older than the answer.
//
// +checklocks:f.mu
func (f *follower) look(a address) {
	var p *Port
	var mark uint32
	for f.feed != nil {
		if p != nil {
			mark = p.gate.Mark()
		}
		s, ok := f.feed.Station(a.vlan, a.mac)
		if !ok {
			break
		}
		list := f.at(s.Port)
		if len(list) == 0 || list[len(list)-1].left.Load() {
			break
		}
		if at := list[len(list)-1]; at != p {
			p = at
			continue
		}
		f.keep(a, station{at: p, mark: mark, tagged: s.Tagged})
		return
	}
	f.forget(a)
}

// keep notes where a station is.
//
// +checklocks:f.mu
func (f *follower) keep(a address, s station) {
	was, there := f.stations[a]
	if was == s {
		return
	}
	if !there && !f.net.Memory().ChargeTable(entrySize) {
		f.noRoom(s.at)
		return
	}
	f.stations[a] = s
	f.change(a)
}

// forget notes that an address is no station at a Port.
//
// +checklocks:f.mu
func (f *follower) forget(a address) {
	if _, there := f.stations[a]; there {
		f.drop(a)
		f.change(a)
	}
}

// +checklocks:f.mu
func (f *follower) drop(a address) {
	delete(f.stations, a)
	f.net.Memory().RefundTable(entrySize)
}

// forgetPort forgets the stations of a port.
//
// +checklocks:f.mu
func (f *follower) forgetPort(p *Port) {
	for a, s := range f.stations {
		if s.at == p {
			f.forget(a)
		}
	}
	f.flush()
}

// +checklocks:f.mu
func (f *follower) noRoom(p *Port) {
	f.short = true
	p.short.Store(true)
}

// +checklocks:f.mu
func (f *follower) change(a address) {
	if f.dirty = append(f.dirty, a); len(f.dirty) >= batch {
		f.flush()
	}
}

// flush brings the plane up to date.
//
// +checklocks:f.mu
func (f *follower) flush() {
	var keys, gone []plane.Key
	var entries []plane.Entry
	for _, a := range f.dirty {
		key := f.key(a)
		s, there := f.stations[a]
		if !there {
			gone = append(gone, key)
			continue
		}
		keys = append(keys, key)
		entries = append(entries, plane.Entry{Slot: s.at.gate.Slot(), Mark: s.mark, Tagged: s.tagged})
	}
	if len(keys) > 0 && f.table.Put(keys, entries) != nil {
		gone = append(gone, keys...)
		for _, a := range f.dirty {
			if s, there := f.stations[a]; there {
				f.noRoom(s.at)
				f.drop(a)
			}
		}
	}
	if len(gone) > 0 {
		f.table.Delete(gone)
	}
	f.dirty = f.dirty[:0]
}

func (f *follower) key(a address) plane.Key {
	return plane.Key{Network: f.id.Load(), VLAN: a.vlan, MAC: a.mac}
}
