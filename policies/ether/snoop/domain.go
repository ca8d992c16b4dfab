package snoop

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// domainKey names a domain: a VLAN and one of the two protocols.
type domainKey struct {
	vlan uint16
	v6   bool
}

// domain is what is known of one VLAN and protocol. Under Table.mu.
type domain struct {
	domainKey
	querier   querier
	routers   []router // by port
	groups    map[netip.Addr]*group
	addresses map[key]*shares // by MAC address
	waiting   bool            // for a general query: who is behind which port is not known
	ready     moment          // hosts have answered the general query that ended waiting
	open      moment          // until then a refused membership would have lasted
	pruned    bool            // Lookup is told of it
	ports     []int           // router ports, those of SetRouter too; never changed
}

// querier is the one that was elected: that with the lowest address (RFC 9776,
// 6.6.2). It is there as long as until has not come.
type querier struct {
	address            netip.Addr
	port               int
	version            uint8
	seen, until        moment
	robustness         int
	interval, response time.Duration
}

// router is a port where a router was heard.
type router struct {
	port        int
	seen, until moment
}

// domain returns the domain of that key and makes it if need be; nil if there is
// no memory for it.
//
// +checklocks:t.mu
func (t *Table) domain(k domainKey) *domain {
	d := t.domains[k]
	if d == nil {
		if !t.charge(domainSize) {
			return nil
		}
		d = &domain{domainKey: k, waiting: true, groups: map[netip.Addr]*group{}, addresses: map[key]*shares{}}
		t.domains[k] = d
		t.publishRouters(d)
	}
	return d
}

// drop forgets a domain.
//
// +checklocks:t.mu
func (t *Table) drop(d *domain) {
	t.openUp(d)
	for mac := range d.addresses {
		t.snapshot.remove(d.key(mac))
	}
	for _, g := range d.groups {
		t.groups--
		t.refund(groupSize)
		for i := range g.members {
			t.give(1 + len(g.members[i].sources))
			t.fewer(g.members[i].port)
		}
	}
	clear(d.groups) // who looks through them just now sees the end
	clear(d.addresses)
	delete(t.domains, d.domainKey)
	t.refund(domainSize)
}

// idle tells whether nothing is known of the domain. If there is a querier
// there is a router.
func (d *domain) idle(at moment) bool {
	return len(d.groups) == 0 && len(d.routers) == 0 && d.open <= at
}

// gate is the key under which a snapshot tells that the domain is pruned.
func (d *domain) gate() key {
	if d.v6 {
		return d.key(localIPv6)
	}
	return d.key(localIPv4)
}

func (d *domain) key(mac key) key { return key(d.vlan)<<48 | mac }

// times returns the Other Querier Present Interval and the Group Membership
// Interval (RFC 9776, 8.5 and 8.4). The former is always the shorter, so that
// no membership ends for want of a querier while there is pruning.
//
// +checklocks:t.mu
func (t *Table) times(d *domain) (present, membership time.Duration) {
	robustness, interval := t.settings.Robustness, t.settings.QueryInterval
	response := min(max(responseInterval, d.querier.response), maxInterval)
	robustness = max(robustness, d.querier.robustness)
	interval = min(max(interval, d.querier.interval), maxInterval/time.Duration(robustness))
	present = time.Duration(robustness) * interval
	return present + response/2, present + response
}

// query is a query by port.
//
// +checklocks:t.mu
func (t *Table) query(d *domain, port int, m *message, at moment) {
	if m.source.IsUnspecified() {
		return // of a switch that is no querier: RFC 4541, 2.1.1 (1b) and 3
	}
	general := m.group.IsUnspecified()
	if general {
		t.elect(d, port, m, at)
	}
	present, _ := t.times(d)
	t.routerAt(d, port, at, at+present)
	if !general && !m.suppress {
		t.asked(d, m, at)
	}
	t.update(d, at)
}

// elect takes note of a general query, if it is of no lesser querier than the
// one we know. Another querier, or another port of it, is a change of topology
// that this very query tells of. It may also ask less often: what was reported
// to the one before could end before this one is answered.
//
// +checklocks:t.mu
func (t *Table) elect(d *domain, port int, m *message, at moment) {
	there := d.querier.until > at
	if there && d.querier.address.Less(m.source) {
		return
	}
	if d.waiting || !there || d.querier.address != m.source || d.querier.port != port {
		d.waiting = false
		d.ready = at + max(m.response, time.Second) + latency
	}
	d.querier = querier{
		address: m.source, port: port, version: m.version, seen: at,
		robustness: m.robustness, interval: m.interval, response: m.response,
	}
	present, _ := t.times(d)
	d.querier.until = at + present
}

// routerAt notes that a router was heard at port.
//
// +checklocks:t.mu
func (t *Table) routerAt(d *domain, port int, at, until moment) {
	i, ok := d.findRouter(port)
	if !ok {
		if len(d.routers) >= maxRouters {
			t.refuse(d, at)
			return
		}
		d.routers = slices.Insert(d.routers, i, router{port: port})
	}
	d.routers[i].seen = at
	d.routers[i].until = max(d.routers[i].until, until)
	t.publishRouters(d)
}

// expireRouters forgets the querier and the routers that were not heard for
// too long.
//
// +checklocks:t.mu
func (t *Table) expireRouters(d *domain, at moment) {
	if d.querier.until <= at {
		d.querier = querier{}
		t.reopen(d)
	}
	d.routers = slices.DeleteFunc(d.routers, func(r router) bool { return r.until <= at })
	t.publishRouters(d)
}

func (d *domain) findRouter(port int) (int, bool) {
	return slices.BinarySearchFunc(d.routers, port, func(r router, port int) int { return cmp.Compare(r.port, port) })
}

// publishRouters tells Lookup of the router ports, if they have changed.
//
// +checklocks:t.mu
func (t *Table) publishRouters(d *domain) {
	ports := slices.Clone(t.static)
	for _, r := range d.routers {
		ports = append(ports, r.port)
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	if slices.Equal(ports, d.ports) {
		return
	}
	d.ports = ports
	if d.pruned {
		t.snapshot.set(d.gate(), d.ports)
	}
}

// refuse counts a membership or router port that finds no room, and opens the
// domain for as long as it would have lasted.
//
// +checklocks:t.mu
func (t *Table) refuse(d *domain, at moment) {
	t.refused.Add(1)
	_, membership := t.times(d)
	d.open = at + membership
	t.openUp(d)
}

// update tells Lookup whether the domain is to be pruned now.
func (t *Table) update(d *domain, at moment) {
	switch {
	case d.waiting || d.querier.until <= at || at < d.ready || at < d.open:
		t.openUp(d)
	case !d.pruned:
		d.pruned = true
		t.snapshot.set(d.gate(), d.ports)
	}
}

// reopen lets all multicast of the domain go everywhere until the next general
// query has been answered.
func (t *Table) reopen(d *domain) {
	d.waiting = true
	t.openUp(d)
}

// openUp lets all multicast of the domain go everywhere.
func (t *Table) openUp(d *domain) {
	if d.pruned {
		d.pruned = false
		t.snapshot.remove(d.gate())
	}
}
