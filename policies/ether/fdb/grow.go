package fdb

// put stores p for k, which has no entry. It returns false if there is no room
// for it, be it for want of memory. Under mu. It costs the work on some lines at
// most, however many there are, and sometimes the making of an array.
//
// +checklocks:t.mu
func (t *Table) put(k Key, p place) bool {
	a := t.array.Load()
	if a.old.Load() != nil {
		t.fill(fillLines)
	} else if a.used >= a.most() && !t.renew() && int(t.live.Load()) >= a.most() {
		t.room.Store(min(t.live.Load(), t.limit.Load())) // until the next Tick: the greedy are refused without the lock
		if !t.evict(p.port()) {
			return false
		}
	}
	if a = t.array.Load(); !a.add(k, p) && !(t.giveWay(a, k, p.port()) && a.add(k, p)) {
		return false
	}
	t.live.Add(1)
	t.own(k, p.port())
	t.tell(k)
	return true
}

// giveWay takes an entry of a port that has more than port from the lines that
// searches for k go through.
//
// +checklocks:t.mu
func (t *Table) giveWay(a *slots, k Key, port int) bool {
	s := t.unused(func() *slot {
		return t.greedySlot(a, int(a.hash(k)>>a.shift), port) // +checklocksignore: pick is called with t.mu held
	})
	if s != nil {
		t.forget(s)
		t.evicted.Add(1)
	}
	return s != nil
}

// renew begins to put all entries into another array, larger or smaller, if
// memory allows: what has gone keeps no slot there. The next calls of fill do
// that.
//
// +checklocks:t.mu
func (t *Table) renew() bool {
	size := minSlots
	for int(t.live.Load()) > size/8*5 {
		size *= 2
	}
	if !t.charge(size * slotSize) {
		return false
	}
	old := t.array.Load()
	a := newSlots(size, old.seed)
	a.old.Store(old)
	t.array.Store(a)
	return true
}

// fillLines is how many lines a new entry has to move: so an array that is just
// half empty is not full before the old one is.
const fillLines = 4

// fill moves the entries of so many lines of the old array, and ends that when
// all are. A reader who is there still sees them as they were.
//
// +checklocks:t.mu
func (t *Table) fill(lines int) {
	a := t.array.Load()
	old := a.old.Load()
	first := int(old.moved.Load())
	end := min(first+lines, len(old.lines))
	for i := first; i < end; i++ {
		for j := range old.lines[i] {
			s := &old.lines[i][j]
			k := Key(s.key.Load())
			if p := place(s.place.Load()); p != 0 && !a.add(k, p) {
				t.forget(s)
				t.evicted.Add(1)
			}
		}
	}
	old.moved.Store(int64(end))
	if end == len(old.lines) {
		a.old.Store(nil)
		t.refund(old.size() * slotSize)
	}
}

// A region is those hashes that begin with the same bits: a port knows in which
// ones it has entries, and what looks through the table takes some at a time.
const (
	regionBits = 10
	regions    = 1 << regionBits

	pieceLines = 1024 // are looked through before the lock is given up for a moment: some ten microseconds
)

// inRegions calls f for each entry with a hash in the regions from first to end,
// and for some others, until f returns false. Under mu.
//
// +checklocks:t.mu
func (t *Table) inRegions(first, end int, f func(*slot, Key, place) bool) {
	a := t.array.Load()
	for _, a := range [...]*slots{a, a.old.Load()} {
		if a != nil {
			n := len(a.lines)
			a.entries(int(a.moved.Load()), first*n/regions, (end*n+regions-1)/regions, f)
		}
	}
}

// pieces calls f for each entry, some at a time under mu, for some more than
// once.
func (t *Table) pieces(f func(s *slot, p place)) {
	for region := 0; region < regions; {
		t.mu.Lock()
		end := min(regions, region+t.piece())
		t.inRegions(region, end, func(s *slot, _ Key, p place) bool { f(s, p); return true })
		region = end
		t.mu.Unlock()
	}
}

// piece is how many regions are looked through at a time.
func (t *Table) piece() int { return max(1, pieceLines*regions/len(t.array.Load().lines)) }
