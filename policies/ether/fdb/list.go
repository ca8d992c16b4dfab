package fdb

import (
	"cmp"
	"slices"
)

// Entries lists the entries that have not aged out, by VLAN and then by MAC
// address. It takes no lock. What is there all the time is told once; what comes,
// goes or moves meanwhile, as it was at some moment of that time.
func (t *Table) Entries() []Entry {
	list := make([]Entry, 0, t.live.Load())
	t.Each(func(e Entry) { list = append(list, e) })
	key := func(e Entry) Key { return MakeKey(e.VLAN, e.MAC) }
	slices.SortFunc(list, func(a, b Entry) int { return cmp.Compare(key(a), key(b)) })
	return slices.CompactFunc(list, func(a, b Entry) bool { return key(a) == key(b) })
}

// Each calls f for what Entries lists, in no order. What moves to another array meanwhile
// may be told twice.
func (t *Table) Each(f func(Entry)) {
	now, horizon := t.now.Load(), t.horizon.Load()
	t.each(func(_ *slot, k Key, p place) bool {
		if p.valid(horizon) {
			f(makeEntry(k, p, now))
		}
		return true
	})
}

// each calls f for all entries until it returns false. It takes no lock.
func (t *Table) each(f func(s *slot, k Key, p place) bool) {
	a := t.array.Load()
	if old := a.old.Load(); old != nil {
		old.entries(int(old.moved.Load()), 0, len(old.lines), f)
	}
	a.entries(0, 0, len(a.lines), f)
}

func makeEntry(k Key, p place, now uint32) Entry {
	e := Entry{VLAN: k.VLAN(), MAC: k.MAC(), Port: p.port(), Static: p.isStatic()}
	if !e.Static && now > p.stamp() {
		e.Age = now - p.stamp()
	}
	return e
}
