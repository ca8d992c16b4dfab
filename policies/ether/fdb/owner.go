package fdb

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// owner is a port with entries: how many, and which, so that the port can be
// flushed, and old entries of it taken, without a look at the whole table. As long
// as they are few it has their keys, and then it knows roughly where they are.
// There are no more owners than ports, and only keys are charged. Guarded by
// Table.mu.
type owner struct {
	live  int
	keys  []Key                 // of all its entries, and of some that have gone; while where is nil
	where *[regions / 64]uint64 // regions of hashes where it has entries, or had
	hand  int                   // the key or region from which the next entry is taken
}

const (
	firstKeys = 16
	mostKeys  = 512
	keySize   = 8

	maxStale = 32 // regions are looked through for an entry of a port
	sample   = 8  // entries, of which the oldest goes
)

// own notes that k is at the port now.
//
// +checklocks:t.mu
func (t *Table) own(k Key, port int) {
	o := t.owners[port]
	if o == nil {
		o = &owner{}
		t.owners[port] = o
	}
	o.live++
	switch {
	case o.where != nil:
		o.mark(t.array.Load().hash(k))
	case len(o.keys) < cap(o.keys) || t.roomForKey(o, port):
		o.keys = append(o.keys, k)
	default:
		o.where = &[regions / 64]uint64{}
		for _, k := range append(o.keys, k) {
			o.mark(t.array.Load().hash(k))
		}
		t.dropKeys(o)
	}
	if most := t.owners[t.greediest]; most == nil || o.live > most.live {
		t.greediest = port
		t.greedy.Store(int64(port))
	}
}

func (o *owner) mark(h uint64) {
	region := h >> (64 - regionBits)
	o.where[region/64] |= 1 << (region % 64)
}

// roomForKey makes room for one key more: keys that have gone are dropped, or the
// list grows if it may and memory allows.
//
// +checklocks:t.mu
func (t *Table) roomForKey(o *owner, port int) bool {
	slices.Sort(o.keys)
	o.keys = slices.DeleteFunc(slices.Compact(o.keys), func(k Key) bool {
		s := t.find(k)
		return s == nil || !place(s.place.Load()).at(port)
	})
	if n := cap(o.keys); len(o.keys) > n/4*3 || n == 0 {
		more := max(firstKeys, n)
		if n+more > mostKeys || !t.charge(more*keySize) {
			return false
		}
		o.keys = append(make([]Key, 0, n+more), o.keys...)
	}
	return true
}

// +checklocks:t.mu
func (t *Table) dropKeys(o *owner) {
	t.refund(cap(o.keys) * keySize)
	o.keys, o.hand = nil, 0
}

// disown notes that an entry of port has gone.
//
// +checklocks:t.mu
func (t *Table) disown(port int) { t.owners[port].live-- }

// next returns the first region from i on where the port may have entries, or
// regions if there is none.
func (o *owner) next(i int) int {
	for i < regions {
		if word := o.where[i/64] >> (i % 64); word != 0 {
			return i + bits.TrailingZeros64(word)
		}
		i = i&^63 + 64
	}
	return regions
}

// clear notes that the port has nothing in a region.
func (o *owner) clear(region int) { o.where[region/64] &^= 1 << (region % 64) }

// findGreediest looks which port has most entries. Between two looks it is the
// one that had most, as long as that has not lost an eighth of them.
//
// +checklocks:t.mu
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
// has most loses an old one, as in Open vSwitch (lib/mac-learning.c). So who
// floods the table with addresses takes none from others. It returns false if
// that is the port itself, or has static entries alone.
//
// +checklocks:t.mu
func (t *Table) evict(port int) bool {
	most := t.findGreediest()
	if most == nil || most == t.owners[port] || t.owners[port] != nil && most.live <= t.owners[port].live {
		return false
	}
	return t.evictFrom(t.greediest)
}

// evictFrom takes an entry of a port: the oldest of some, and the next time of
// others. It returns false if none was found that is not static.
//
// +checklocks:t.mu
func (t *Table) evictFrom(port int) bool {
	o := t.owners[port]
	oldest := t.unused(func() *slot {
		if o.where == nil {
			return t.oldestKey(o, port)
		}
		return t.oldestThere(o, port) // +checklocksignore: pick is called with t.mu held
	})
	if oldest == nil {
		return false
	}
	t.forget(oldest)
	t.evicted.Add(1)
	return true
}

// oldestKey returns the slot of the oldest of the next keys of a port.
func (t *Table) oldestKey(o *owner, port int) (oldest *slot) {
	var age uint32
	found := 0
	for range o.keys {
		o.hand = (o.hand + 1) % len(o.keys)
		s := t.find(o.keys[o.hand])
		if s == nil {
			continue
		}
		p := place(s.place.Load())
		if !p.at(port) || p.isStatic() {
			continue
		}
		if oldest == nil || p.stamp() < age {
			oldest, age = s, p.stamp()
		}
		if found++; found == sample {
			break
		}
	}
	return oldest
}

// oldestThere returns the slot of the oldest of some entries of a port in the next
// region where it has some, static ones aside.
//
// +checklocks:t.mu
func (t *Table) oldestThere(o *owner, port int) (oldest *slot) {
	for range maxStale {
		region := o.next(o.hand)
		if region == regions {
			if region = o.next(0); region == regions {
				return nil
			}
		}
		o.hand = region + 1
		var age uint32
		found, there := -rand.IntN(o.live/regions+1), false // so that none is always the first to go
		t.inRegions(region, region+1, func(s *slot, _ Key, p place) bool {
			if !p.at(port) {
				return true
			}
			there = true
			if !p.isStatic() {
				if found >= 0 && (oldest == nil || p.stamp() < age) {
					oldest, age = s, p.stamp()
				}
				found++
			}
			return found < sample
		})
		if oldest != nil {
			return oldest
		}
		if !there {
			o.clear(region)
		}
	}
	return nil
}

// greedySlot returns the slot of the oldest entry, from a line on as far as a key
// may be, of the port that has most in the table, if that is more than port has.
//
// +checklocks:t.mu
func (t *Table) greedySlot(a *slots, line, port int) (oldest *slot) {
	most, age := 0, uint32(0)
	if o := t.owners[port]; o != nil {
		most = o.live
	}
	a.entries(0, line, line+1, func(s *slot, _ Key, p place) bool {
		live := t.owners[p.port()].live // +checklocksignore: t.mu is held
		if !p.isStatic() && (live > most || live == most && oldest != nil && p.stamp() < age) {
			oldest, most, age = s, live, p.stamp()
		}
		return true
	})
	return oldest
}

// forget empties a slot that has an entry.
//
// +checklocks:t.mu
func (t *Table) forget(s *slot) {
	p := place(s.place.Swap(0))
	t.live.Add(-1)
	t.disown(p.port())
	t.tell(Key(s.key.Load()))
}
