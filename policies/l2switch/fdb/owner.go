package fdb

// owner is a port with entries: what it has learned, so that the port can be
// flushed, and its oldest entries taken, without a look at the whole table.
// Guarded by Table.mu.
type owner struct {
	keys []Key // in the order in which they came; some have gone or moved since
	live int   // entries at the port
}

// own notes that k is at port now.
func (t *Table) own(k Key, port int) {
	o := t.owners[port]
	if o == nil {
		o = &owner{}
		t.owners[port] = o
	}
	o.live++
	o.keys = append(o.keys, k)
	if len(o.keys) > 2*o.live+64 {
		t.tidy(o, port)
	}
	if most := t.owners[t.greediest]; most == nil || o.live > most.live {
		t.greediest = port
		t.greedy.Store(int64(port))
	}
}

// disown notes that an entry of port has gone.
func (t *Table) disown(port int) { t.owners[port].live-- }

// tidy takes out of o.keys what is not at the port any more, or stands there
// twice.
func (t *Table) tidy(o *owner, port int) {
	a := t.array.Load()
	seen := make(map[Key]bool, o.live)
	keys := make([]Key, 0, o.live)
	for _, k := range o.keys {
		if s := a.find(k); s != nil && place(s.place.Load()).at(port) && !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	o.keys = keys
}

// findGreediest looks which port has most entries. Between two looks it is the
// one that had most, as long as that has not lost an eighth of them.
func (t *Table) findGreediest() *owner {
	most := t.owners[t.greediest]
	if most != nil && most.live >= t.most-t.most/8 {
		t.most = max(t.most, most.live)
		return most
	}
	most = nil
	for port, o := range t.owners {
		if most == nil || o.live > most.live {
			most, t.greediest = o, port
		}
	}
	if most != nil {
		t.most = most.live
		t.greedy.Store(int64(t.greediest))
	}
	return most
}

// evict makes room for an entry of port in a table that is full: the port that
// has most loses its oldest one, as in Open vSwitch (lib/mac-learning.c). So who
// floods the table with addresses takes none from others. It returns false if
// that is the port itself, or has static entries alone.
func (t *Table) evict(port int) bool {
	most := t.findGreediest()
	if most == nil || most == t.owners[port] || t.owners[port] != nil && most.live <= t.owners[port].live {
		return false
	}
	from := t.greediest
	for range most.keys {
		k := most.keys[0]
		most.keys = most.keys[1:]
		s := t.array.Load().find(k)
		if s == nil || !place(s.place.Load()).at(from) {
			continue
		}
		if place(s.place.Load()).isStatic() {
			most.keys = append(most.keys, k)
			continue
		}
		t.forget(s)
		t.evicted.Add(1)
		return true
	}
	return false
}

// forget empties a slot that has an entry.
func (t *Table) forget(s *slot) {
	p := place(s.place.Swap(0))
	t.live.Add(-1)
	t.disown(p.port())
}
