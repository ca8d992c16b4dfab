package snoop

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
)

// group is one IP group of a domain. It has members as long as it exists.
type group struct {
	address netip.Addr
	members []member // by port
	seen    moment   // the last report
	next    moment   // nothing of it ends before
}

// member is a port that wants the group.
type member struct {
	port    int
	any     timer    // reports of any source: IGMPv1, v2, MLDv1, EXCLUDE
	sources []source // those of INCLUDE
	v1      moment   // until then an IGMPv1 host is there, who cannot object to a leave
}

type source struct {
	address netip.Addr
	timer   timer
}

// timer runs until a moment. left: a host has left, and the next query of the
// group shortens it.
type timer struct {
	until moment
	left  bool
}

func (t *timer) restart(until moment) { *t = timer{until: until} }

// shorten sets it to until if a host has left.
func (t *timer) shorten(until moment) {
	if t.left {
		t.until = min(t.until, until)
	}
}

// source returns the timer of a source, or nil.
func (m *member) source(a netip.Addr) *source {
	for i := range m.sources {
		if m.sources[i].address == a {
			return &m.sources[i]
		}
	}
	return nil
}

// shares are the ports of one MAC address, each with the number of groups
// that are the reason.
type shares []share

type share struct{ port, groups int }

func (s shares) find(port int) (int, bool) {
	return slices.BinarySearchFunc(s, port, func(s share, port int) int { return cmp.Compare(s.port, port) })
}

func (g *group) find(port int) (int, bool) {
	return slices.BinarySearchFunc(g.members, port, func(m member, port int) int { return cmp.Compare(m.port, port) })
}

// join returns the membership of port in a group and makes it if need be; nil
// if there is no room. The pointer is good until the next change.
//
// +checklocks:t.mu
func (t *Table) join(d *domain, address netip.Addr, port int, at, until moment) (*group, *member) {
	g := d.groups[address]
	if g == nil {
		g = &group{address: address, next: until}
	}
	i, ok := g.find(port)
	if !ok {
		fresh := len(g.members) == 0
		if fresh && (t.groups >= t.limit || !t.charge(groupSize)) {
			t.refuse(d, at)
			return nil, nil
		}
		if !t.take() {
			if fresh {
				t.refund(groupSize)
			}
			t.refuse(d, at)
			return nil, nil
		}
		if fresh {
			t.groups++
			d.groups[address] = g
		}
		t.memberships[port]++
		g.members = slices.Insert(g.members, i, member{port: port})
		t.addShare(d, macOf(address), port)
	}
	g.seen = at
	g.next = min(g.next, until)
	return g, &g.members[i]
}

// leaveAll ends the membership of port in g, if there is one.
//
// +checklocks:t.mu
func (t *Table) leaveAll(d *domain, g *group, port int) {
	i, ok := g.find(port)
	if !ok {
		return
	}
	t.give(1 + len(g.members[i].sources))
	t.fewer(port)
	g.members = slices.Delete(g.members, i, i+1)
	t.removeShare(d, macOf(g.address), port)
	if len(g.members) == 0 {
		t.groups--
		t.refund(groupSize)
		delete(d.groups, g.address)
	}
}

// take takes a place, if there is one and memory for it; give gives places back.
//
// +checklocks:t.mu
func (t *Table) take() bool {
	ok := t.places < t.limit*placesPerGroup && t.charge(placeSize)
	if ok {
		t.places++
	}
	return ok
}

// +checklocks:t.mu
func (t *Table) give(places int) {
	t.places -= places
	t.refund(places * placeSize)
}

// fewer notes that a port has a membership less.
//
// +checklocks:t.mu
func (t *Table) fewer(port int) {
	if t.memberships[port]--; t.memberships[port] == 0 {
		delete(t.memberships, port)
	}
}

// expire ends what has run out of g.
//
// +checklocks:t.mu
func (t *Table) expire(d *domain, g *group, at moment) {
	if g.next > at {
		return
	}
	g.next = math.MaxInt64
	for i := len(g.members) - 1; i >= 0; i-- {
		m := &g.members[i]
		before := len(m.sources)
		m.sources = slices.DeleteFunc(m.sources, func(s source) bool { return s.timer.until <= at })
		t.give(before - len(m.sources))
		for _, s := range m.sources {
			g.next = min(g.next, s.timer.until)
		}
		if m.any.until > at {
			g.next = min(g.next, m.any.until)
		} else if len(m.sources) == 0 {
			t.leaveAll(d, g, m.port)
		}
	}
}

// addShare notes one group more for which port gets frames to mac.
func (t *Table) addShare(d *domain, mac key, port int) {
	s := d.addresses[mac]
	if s == nil {
		s = &shares{}
		d.addresses[mac] = s
	}
	i, ok := s.find(port)
	if ok {
		(*s)[i].groups++
		return
	}
	*s = slices.Insert(*s, i, share{port, 1})
	t.publish(d, mac)
}

// removeShare takes back one addShare.
func (t *Table) removeShare(d *domain, mac key, port int) {
	s := d.addresses[mac]
	i, _ := s.find(port)
	if (*s)[i].groups--; (*s)[i].groups > 0 {
		return
	}
	*s = slices.Delete(*s, i, i+1)
	if len(*s) == 0 {
		delete(d.addresses, mac)
		t.snapshot.remove(d.key(mac))
		return
	}
	t.publish(d, mac)
}

// publish tells Lookup of the ports of mac.
func (t *Table) publish(d *domain, mac key) {
	s := *d.addresses[mac]
	ports := make([]int, len(s))
	for i := range s {
		ports[i] = s[i].port
	}
	t.snapshot.set(d.key(mac), ports)
}
