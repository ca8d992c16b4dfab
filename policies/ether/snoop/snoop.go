package snoop

import (
	"time"
)

// Action is what to do with a frame that was snooped.
type Action uint8

// The actions.
const (
	Flood   Action = iota // send it to every other port of the VLAN
	Forward               // send it to Verdict.Ports
	Drop                  // it is broken
)

// Verdict says where a frame that was snooped goes (RFC 4541, 2.1.1).
type Verdict struct {
	Action Action
	Ports  []int // of Forward: in ascending order, not to be changed
}

// Snoop reads a frame that Control let pass and that came in by port. A
// report goes to the router ports, or everywhere if none is known, as hosts
// that hear another's may keep theirs to themselves; all else goes everywhere.
// The frame is not kept.
func (t *Table) Snoop(vlan uint16, port int, frame []byte, now time.Time) Verdict {
	m, ok := parse(frame)
	if !ok {
		t.invalid.Add(1)
		return Verdict{Action: Drop}
	}
	if m.kind == other {
		return Verdict{}
	}
	t.messages.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.at(now)
	d := t.domain(domainKey{vlan & 0xfff, m.v6})
	if d == nil {
		t.refused.Add(1)
		return Verdict{} // nothing is pruned there
	}
	switch m.kind {
	case query:
		t.query(d, port, &m, at)
	case advertisement:
		// It is gone after three of its intervals, which are of at least 4
		// seconds (RFC 4286, 3.1.1 and 3.1.5).
		t.routerAt(d, port, at, at+3*max(m.interval, 4*time.Second))
	case report:
		t.report(d, port, &m, at)
		if len(d.ports) > 0 {
			return Verdict{Forward, d.ports}
		}
	}
	return Verdict{}
}

// pieceGroups is how many groups are looked through before the lock is given up
// for a moment.
const pieceGroups = 64

// Tick ends what has run out. To be called about once a second.
func (t *Table) Tick(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.at(now)
	t.now = at
	for _, d := range t.domains {
		t.expireRouters(d, at)
		t.eachGroup(d, func(g *group) { t.expire(d, g, at) }) // +checklocksignore: t.mu is held
		if t.domains[d.domainKey] != d {
			continue // it was dropped meanwhile
		}
		t.update(d, at)
		if d.idle(at) {
			t.drop(d)
		}
	}
}

// eachGroup calls f for the groups of d, and gives the lock up now and then: what
// changes meanwhile is seen or not, as a range over a map has it.
//
// +checklocks:t.mu
func (t *Table) eachGroup(d *domain, f func(*group)) {
	n := 0
	for _, g := range d.groups {
		f(g)
		if n++; n%pieceGroups == 0 {
			t.mu.Unlock()
			t.mu.Lock()
		}
	}
	t.mu.Unlock() // domains may be many
	t.mu.Lock()
}
