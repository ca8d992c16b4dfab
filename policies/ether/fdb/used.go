package fdb

import "math"

// Elsewhere knows of frames that pass without Learn. Its methods are called from any
// thread, also under the table's lock, and must not call the table.
type Elsewhere interface {
	// Any tells whether there can be such frames.
	Any() bool
	// Used tells in which second a frame with the source k last came by a port in
	// that way, if it is known to have.
	Used(k Key, port int) (second uint32, ok bool)
}

// Ask lets the table ask e before it takes a station for one that is silent. It is
// called before the first Learn.
func (t *Table) Ask(e Elsewhere) { t.elsewhere = e }

// refreshed is p, which is k's, as it would be if all frames came by Learn.
func (t *Table) refreshed(k Key, p place) place {
	if t.elsewhere != nil && p != 0 && !p.isStatic() {
		if then, ok := t.elsewhere.Used(k, p.port()); ok && then > p.stamp() {
			return p.restamped(then)
		}
	}
	return p
}

// refreshSlot makes an entry's stamp the true one, and tells whether it was another.
func (t *Table) refreshSlot(s *slot) bool {
	p := place(s.place.Load())
	q := t.refreshed(Key(s.key.Load()), p)
	return q != p && s.place.CompareAndSwap(uint64(p), uint64(q))
}

// Refresh makes the ages of all entries the true ones. It takes no longer lock than
// for one of them.
func (t *Table) Refresh() { t.refresh(math.MaxUint32) }

// refresh is Refresh for the entries that are older than horizon, those aside that have
// aged out by now.
func (t *Table) refresh(horizon uint32) {
	if t.elsewhere == nil || !t.elsewhere.Any() {
		return
	}
	aged := t.horizon.Load()
	t.each(func(_ *slot, k Key, p place) bool {
		if p.valid(aged) && p.aged(horizon) {
			if q := t.refreshed(k, p); q != p {
				t.restamp(k, q)
			}
		}
		return true
	})
}

// restamp gives the entry of k the stamp of p, if it is at the port of p still and was
// not heard later. The lock keeps it from moving to another array meanwhile.
func (t *Table) restamp(k Key, p place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.find(k)
	if s == nil {
		return
	}
	for {
		now := place(s.place.Load())
		if !now.at(p.port()) || now.stamp() >= p.stamp() || s.place.CompareAndSwap(uint64(now), uint64(now.restamped(p.stamp()))) {
			return
		}
	}
}

// unused is what pick picks. If that was heard of elsewhere, pick picks again, as the
// entry is not the oldest any more.
func (t *Table) unused(pick func() *slot) *slot {
	s := pick()
	for i := 0; i < sample && s != nil && t.refreshSlot(s); i++ {
		s = pick()
	}
	return s
}
