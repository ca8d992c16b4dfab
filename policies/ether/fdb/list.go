package fdb

import (
	"cmp"
	"slices"
)

// Entries lists the entries that have not aged out, by VLAN and then by MAC
// address. It takes no lock. What is there all the time is told once; what comes,
// goes or moves meanwhile, as it was at some moment of that time.
func (t *Table) Entries() []Entry {
	now, horizon := t.now.Load(), t.horizon.Load()
	list := make([]Entry, 0, t.live.Load())
	for h, more := uint64(0), true; more; {
		d := t.directory.Load()
		c, first, n := d.run(d.index(h))
		from := h // chunks may have been put together
		h, more = d.next(first, n)
		c.entries(func(_ *slot, k Key, p place) bool {
			if p.valid(horizon) && d.hash(k) >= from {
				list = append(list, makeEntry(k, p, now))
			}
			return true
		})
	}
	slices.SortFunc(list, func(a, b Entry) int {
		return cmp.Compare(MakeKey(a.VLAN, a.MAC), MakeKey(b.VLAN, b.MAC))
	})
	return list
}

func makeEntry(k Key, p place, now uint32) Entry {
	e := Entry{VLAN: k.VLAN(), MAC: k.MAC(), Port: p.port(), Static: p.isStatic()}
	if !e.Static && now > p.stamp() {
		e.Age = now - p.stamp()
	}
	return e
}
