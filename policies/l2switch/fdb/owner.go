package fdb

import "math/bits"

// owner is a port with entries: how many, and roughly where, so that the port
// can be flushed, and old entries of it taken, without a look at the whole
// table. It is not charged: there are no more of them than ports. Guarded by
// Table.mu.
type owner struct {
	live  int
	where [regions / 64]uint64 // regions of hashes where it has entries, or had
	hand  int                  // the region from which the next entry is taken
}

const (
	regionBits = 10
	regions    = 1 << regionBits

	pieceRegions = 2  // of them are looked through before the lock is given up for a moment
	maxStale     = 32 // of them are looked through for an entry of a port
)

// own notes that an entry of the hash h is the port's now.
func (t *Table) own(h uint64, port int) {
	o := t.owners[port]
	if o == nil {
		o = &owner{}
		t.owners[port] = o
	}
	region := h >> (64 - regionBits)
	o.where[region/64] |= 1 << (region % 64)
	o.live++
	if most := t.owners[t.greediest]; most == nil || o.live > most.live {
		t.greediest = port
		t.greedy.Store(int64(port))
	}
}

// disown notes that an entry of port has gone.
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

// clear notes that the port has nothing in the regions from first to end.
func (o *owner) clear(first, end int) {
	for ; first < end; first = o.next(first + 1) {
		o.where[first/64] &^= 1 << (first % 64)
	}
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
// has most loses an old one, as in Open vSwitch (lib/mac-learning.c). So who
// floods the table with addresses takes none from others. It returns false if
// that is the port itself, or has static entries alone.
func (t *Table) evict(port int) bool {
	most := t.findGreediest()
	if most == nil || most == t.owners[port] || t.owners[port] != nil && most.live <= t.owners[port].live {
		return false
	}
	return t.evictFrom(t.greediest)
}

// evictFrom takes an entry of a port: the oldest of a chunk, and the next time of
// the next chunk. It returns false if none was found that is not static.
func (t *Table) evictFrom(port int) bool {
	o := t.owners[port]
	for range maxStale {
		region := o.next(o.hand)
		if region == regions {
			if region = o.next(0); region == regions {
				return false
			}
		}
		oldest, there, end := t.oldest(region, port)
		o.hand = end
		if oldest != nil {
			t.forget(oldest)
			t.evicted.Add(1)
			return true
		}
		if !there {
			o.clear(region, end)
		}
	}
	return false
}

// oldest returns the slot of the port's oldest entry in the chunks of a region,
// static ones aside, whether the port has any there, and where they end.
func (t *Table) oldest(region, port int) (oldest *slot, there bool, end int) {
	var age uint32
	end = t.inRegion(region, func(s *slot, _ Key, p place) bool {
		if p.at(port) {
			there = true
			if !p.isStatic() && (oldest == nil || p.stamp() < age) {
				oldest, age = s, p.stamp()
			}
		}
		return true
	})
	return oldest, there, end
}

// inRegion calls f for each entry of the chunks with hashes of a region, and
// returns the first region that is in none of them.
func (t *Table) inRegion(region int, f func(*slot, Key, place) bool) (end int) {
	d := t.directory.Load()
	start := uint64(region) << (64 - regionBits)
	last := d.index(start | (1<<(64-regionBits) - 1))
	for i := d.index(start); i <= last; {
		c, first, n := d.run(i)
		c.entries(f)
		i = first + n
		end = i * regions / len(d.chunks)
	}
	return end
}

// greedySlot returns the slot of the oldest entry in c of the port that has most
// in the table, if that is more than port has.
func (t *Table) greedySlot(c *chunk, port int) (oldest *slot) {
	most, age := 0, uint32(0)
	if o := t.owners[port]; o != nil {
		most = o.live
	}
	c.entries(func(s *slot, _ Key, p place) bool {
		live := t.owners[p.port()].live
		if !p.isStatic() && (live > most || live == most && oldest != nil && p.stamp() < age) {
			oldest, most, age = s, live, p.stamp()
		}
		return true
	})
	return oldest
}

// forget empties a slot that has an entry.
func (t *Table) forget(s *slot) {
	p := place(s.place.Swap(0))
	t.live.Add(-1)
	t.disown(p.port())
}
