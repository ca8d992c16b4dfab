package fdb

// put stores p for k, which has no entry; s is its empty slot or nil. It returns
// false if there is no room for it, be it for want of memory. Under mu. It costs
// the work on one chunk at most, however many there are.
func (t *Table) put(s *slot, k Key, p place) bool {
	d := t.directory.Load()
	h := d.hash(k)
	switch {
	case s != nil:
		s.place.Store(uint64(p))
	case d.chunks[d.index(h)].Load().add(k, h, p, reach):
	case !t.makeRoom(h, p.port()):
		t.room.Store(min(t.live.Load(), t.limit.Load())) // until the next Tick: the greedy are refused without the lock
		return false
	default:
		d = t.directory.Load()
		if !d.chunks[d.index(h)].Load().add(k, h, p, chunkLines) {
			return false
		}
	}
	t.live.Add(1)
	t.own(k, h, p.port())
	return true
}

// makeRoom makes room for an entry of port in the chunk of the hash h: it drops
// the slots of entries that have gone, and parts the chunk if more than half of
// it is in use. Without memory for that an entry of a greedier port gives way.
func (t *Table) makeRoom(h uint64, port int) bool {
	c, first, n := t.chunkOf(h)
	live := c.live()
	if live > chunkSlots/2 && t.split(h) {
		return true
	}
	if live > chunkSlots/8*7 {
		s := t.greedySlot(c, port)
		if s == nil {
			return false
		}
		t.forget(s)
		t.evicted.Add(1)
	}
	t.directory.Load().set(t.merged(c), first, n)
	return true
}

func (t *Table) chunkOf(h uint64) (c *chunk, first, n int) {
	d := t.directory.Load()
	return d.run(d.index(h))
}

// merged is a new chunk with the entries of others, which are no more than it
// has slots.
func (t *Table) merged(chunks ...*chunk) *chunk {
	d, fresh := t.directory.Load(), &chunk{}
	for _, c := range chunks {
		c.entries(func(_ *slot, k Key, p place) bool { return fresh.add(k, d.hash(k), p, chunkLines) })
	}
	return fresh
}

// split parts the chunk of the hash h in two, if memory allows.
func (t *Table) split(h uint64) bool {
	d := t.directory.Load()
	c, first, n := d.run(d.index(h))
	if n == 1 {
		places := 2 * len(d.chunks)
		if places > maxPlaces || !t.charge(len(d.chunks)*placeSize) {
			return false
		}
		d = d.resized(places)
		t.directory.Store(d)
		first, n = 2*first, 2
	}
	if !t.charge(chunkSize) {
		return false
	}
	halves := [2]*chunk{{}, {}}
	c.entries(func(_ *slot, k Key, p place) bool {
		h := d.hash(k)
		i := 0
		if d.index(h) >= first+n/2 {
			i = 1
		}
		return halves[i].add(k, h, p, chunkLines)
	})
	d.set(halves[0], first, n/2)
	d.set(halves[1], first+n/2, n/2)
	return true
}

// shrink puts the chunk at n places together with the one before it, and that
// with the one before, as long as both are as wide and little is in them. live is
// what is in the chunk.
func (t *Table) shrink(first, n, live int) {
	d := t.directory.Load()
	for n < len(d.chunks) && first&n != 0 && live <= chunkSlots/8*3 {
		c, other := d.chunks[first].Load(), d.chunks[first-n].Load()
		if d.chunks[first-1].Load() != other {
			return // that one has been parted
		}
		if live += other.live(); live > chunkSlots/8*3 {
			return
		}
		first, n = first-n, 2*n
		d.set(t.merged(other, c), first, n)
		t.refund(chunkSize)
	}
}

// pieceChunks is how many chunks are looked through before the lock is given up
// for a moment: some ten microseconds.
const pieceChunks = 4

// pieces calls f for each chunk, some at a time under mu: it stands at n places
// from first on. f may put it together with chunks before it.
func (t *Table) pieces(f func(c *chunk, first, n int)) {
	for h, more := uint64(0), true; more; {
		t.mu.Lock()
		for range pieceChunks {
			d := t.directory.Load()
			c, first, n := d.run(d.index(h))
			f(c, first, n)
			if h, more = d.next(first, n); !more {
				break
			}
		}
		t.mu.Unlock()
	}
}
