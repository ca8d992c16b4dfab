package snoop

import (
	"net/netip"
	"time"
)

// report is a report by port of one or more records.
//
// +checklocks:t.mu
func (t *Table) report(d *domain, port int, m *message, at moment) {
	if m.records == nil {
		t.apply(d, port, &m.record, !m.v6 && m.version == 1, at)
		return
	}
	for rest := m.records; len(rest) > 0; {
		var r record
		r, rest, _ = nextRecord(rest, size(m.v6))
		if len(m.records)-len(rest) > maxReport {
			t.refuse(d, at)
			return
		}
		t.apply(d, port, &r, false, at)
	}
}

// apply is what a router does on a record (RFC 9776, 6.4), with a timer for
// each source that a port includes and one for all others.
//
// +checklocks:t.mu
func (t *Table) apply(d *domain, port int, r *record, v1 bool, at moment) {
	if !tracked(r.group) {
		return
	}
	_, membership := t.times(d)
	until := at + membership
	switch r.kind {
	case isExclude, toExclude:
		if _, m := t.join(d, r.group, port, at, until); m != nil {
			m.any.restart(until)
			if v1 {
				m.v1 = until
			}
		}
	case toInclude:
		t.include(d, port, r, at, until)
		t.leave(d, port, r, at)
	case isInclude, allowNew:
		t.include(d, port, r, at, until)
	case blockOld:
		t.leave(d, port, r, at)
	}
}

// include starts the timers of the sources of r.
//
// +checklocks:t.mu
func (t *Table) include(d *domain, port int, r *record, at, until moment) {
	if len(r.sources) == 0 {
		return
	}
	_, m := t.join(d, r.group, port, at, until)
	if m == nil {
		return
	}
	for a := range addresses(r.sources, r.group.Is6()) {
		if s := m.source(a); s != nil {
			s.timer.restart(until)
		} else if len(m.sources) < maxSources && t.take() { // +checklocksignore: t.mu is held
			m.sources = append(m.sources, source{a, timer{until: until}})
		} else {
			m.any.restart(until)
		}
	}
}

// leave marks what port no longer wants by r: the sources of a BLOCK, or all
// but those of a TO_IN.
//
// +checklocks:t.mu
func (t *Table) leave(d *domain, port int, r *record, at moment) {
	g := d.groups[r.group]
	if g == nil {
		return
	}
	i, ok := g.find(port)
	if !ok || g.members[i].v1 > at { // RFC 9776, 7.3.2
		return
	}
	t.leaves.Add(1)
	m := &g.members[i]
	if r.kind == toInclude {
		t.mark(g, &m.any, at)
	}
	for j := range m.sources {
		if s := &m.sources[j]; r.names(s.address) == (r.kind == blockOld) {
			t.mark(g, &s.timer, at)
		}
	}
	t.expire(d, g, at)
}

// mark notes that a host left what x is the timer of.
//
// +checklocks:t.mu
func (t *Table) mark(g *group, x *timer, at moment) {
	x.left = true
	if t.settings.FastLeave {
		x.until, g.next = min(x.until, at), at
	}
}

// asked is a query of one group: who left and does not answer in time is a
// member no longer (RFC 9776, 6.6.3).
//
// +checklocks:t.mu
func (t *Table) asked(d *domain, m *message, at moment) {
	g := d.groups[m.group]
	if g == nil || len(m.sources) > maxReport {
		return
	}
	count := m.robustness
	if count == 0 {
		count = t.settings.Robustness
	}
	until := at + time.Duration(count)*m.response
	g.next = min(g.next, until)
	if len(m.sources) == 0 {
		for i := range g.members {
			g.members[i].any.shorten(until)
			for j := range g.members[i].sources {
				g.members[i].sources[j].timer.shorten(until)
			}
		}
		return
	}
	which := map[netip.Addr]bool{}
	for a := range addresses(m.sources, m.v6) {
		which[a] = true
	}
	for i := range g.members {
		for j := range g.members[i].sources {
			if s := &g.members[i].sources[j]; which[s.address] {
				s.timer.shorten(until)
			}
		}
	}
}
