package fdb

// sweepLines is how many lines a Tick looks through before it gives up the
// lock for a moment: some ten microseconds.
const sweepLines = 1024

// Tick tells the time in seconds and removes what has aged out. To be called
// about once a second; if not, nothing ages.
func (t *Table) Tick(now uint32) {
	t.mu.Lock()
	t.now = now
	t.setHorizon()
	a := t.array.Load()
	t.mu.Unlock()
	for i := 0; i < len(a.lines); i += sweepLines {
		if !t.sweep(a, a.lines[i:min(i+sweepLines, len(a.lines))]) {
			return // the array is another one: go on a second later
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a == t.array.Load() && a.size() > minSlots && int(t.live.Load()) < a.used/8 {
		t.renew(a) // much is gone: give the memory back
	}
}

// sweep removes what has aged out of some lines of a, unless a is no longer
// the table's array.
func (t *Table) sweep(a *slots, lines []line) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a != t.array.Load() {
		return false
	}
	gone := 0
	horizon := t.horizon.Load()
	for i := range lines {
		for j := range lines[i] {
			s := &lines[i][j]
			p := place(s.place.Load())
			// A frame of the station may have come just now.
			if p != 0 && !p.valid(horizon) && s.place.CompareAndSwap(uint64(p), 0) {
				t.live.Add(-1)
				t.disown(p.port())
				gone++
			}
		}
	}
	t.aged.Add(uint64(gone))
	return true
}
