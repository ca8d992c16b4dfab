package fdb

// Result says what Learn did.
type Result uint8

// The results of Learn.
const (
	Known   Result = iota // at this port already
	Learned               // new
	Moved                 // was at another port until now
	Damped                // stays at another port for now, see SetDamping
	Static                // stays at another port, by AddStatic
	Refused               // new, and the table is full
)

// Learn notes that a frame with the source k came in by port in the second
// now. from is the other port that Moved, Damped and Static speak of, else 0.
// Ports are 1 to MaxPort. Group addresses are no sources: the caller must not
// bring them.
func (t *Table) Learn(k Key, port int, now uint32) (r Result, from int) {
	s := t.find(k)
	if s == nil {
		return t.learn(k, port, now)
	}
	p := place(s.place.Load())
	if p.at(port) && p.stamp() >= now { // nearly always
		return Known, 0
	}
	switch r := t.judge(s, k, p, port, now); r {
	case Known:
		// If another thread was faster it stored the same, or what matters more.
		s.place.CompareAndSwap(uint64(p), uint64(p.restamped(now)))
		return Known, 0
	case Damped:
		t.damped.Add(1)
		return Damped, p.port()
	case Static:
		return Static, p.port()
	}
	return t.learn(k, port, now)
}

// judge tells what a frame by port means for a key whose place, in s, is p.
func (t *Table) judge(s *slot, k Key, p place, port int, now uint32) Result {
	switch {
	case !p.valid(t.horizon.Load()):
		return Learned
	case p.at(port):
		return Known
	case p.isStatic():
		return Static
	}
	d := t.damping.Load()
	if d == 0 {
		return Moved
	}
	if !p.within(d, now) {
		q := t.refreshed(k, p)
		if !q.within(d, now) {
			return Moved
		}
		s.place.CompareAndSwap(uint64(p), uint64(q)) // who tries again costs no second question
	}
	return Damped
}

// learn is Learn for what changes the table.
func (t *Table) learn(k Key, port int, now uint32) (Result, int) {
	if t.live.Load() >= t.room.Load() && t.greedy.Load() == int64(port) && t.find(k) == nil {
		t.refused.Add(1)
		return Refused, 0 // a flood of addresses does not get the lock
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(k)
	p := place(0)
	if s != nil {
		p = place(s.place.Load())
	}
	fresh := makePlace(k, port, now)
	r := t.judge(s, k, p, port, now)
	switch {
	case r == Learned && p != 0: // it has aged out, and the next Tick has not come
		t.aged.Add(1)
		t.forget(s)
		fallthrough
	case r == Learned:
		if !t.admit(port) || !t.put(k, fresh) {
			t.refused.Add(1)
			return Refused, 0
		}
		t.learned.Add(1)
	case r == Moved:
		if !t.withinLimit(port) {
			t.refused.Add(1)
			return Refused, 0
		}
		t.moved.Add(1)
		t.move(s, k, p, fresh)
		return Moved, p.port()
	case r == Damped:
		t.damped.Add(1)
		return Damped, p.port()
	case r == Static:
		return Static, p.port()
	}
	return r, 0
}

// withinLimit makes room for an entry that is to be learned within the limit of
// its port: that loses an old one.
//
// +checklocks:t.mu
func (t *Table) withinLimit(port int) bool {
	o, limit := t.owners[port], t.limits[port]
	return o == nil || limit == 0 || o.live < limit || t.evictFrom(port)
}

// admit makes room for an entry of port that is to be learned, if there is none.
//
// +checklocks:t.mu
func (t *Table) admit(port int) bool {
	return t.withinLimit(port) && (t.live.Load() < t.room.Load() || t.evict(port))
}

// move puts k, which has an entry, at another place.
//
// +checklocks:t.mu
func (t *Table) move(s *slot, k Key, from, to place) {
	if from.port() != to.port() {
		t.disown(from.port())
		t.own(k, to.port())
	}
	s.place.Store(uint64(to))
	t.tell(k)
}

// Lookup returns the port behind which the station k is, if that is known.
func (t *Table) Lookup(k Key) (port int, ok bool) {
	s := t.find(k)
	if s == nil {
		return 0, false
	}
	p := place(s.place.Load())
	if !p.of(k) || p.aged(t.horizon.Load()) || Key(s.key.Load()) != k { // the slot has just become another's
		return 0, false
	}
	return p.port(), true
}
