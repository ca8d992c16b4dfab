package fdb

// Tick tells the time in seconds and removes what has aged out, piece by piece.
// To be called about once a second; if not, nothing ages.
func (t *Table) Tick(now uint32) {
	t.mu.Lock()
	t.now.Store(now)
	t.setHorizon()
	t.room.Store(t.limit.Load()) // there may be memory again
	t.mu.Unlock()
	t.pieces(func(c *chunk, first, n int) {
		t.shrink(first, n, t.sweep(c))
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	for d := t.directory.Load(); len(d.chunks) > minPlaces && d.wide(); d = t.directory.Load() {
		t.directory.Store(d.resized(len(d.chunks) / 2))
		t.refund(len(d.chunks) / 2 * placeSize)
	}
}

// sweep removes what has aged out of a chunk, and returns how many entries are
// left.
func (t *Table) sweep(c *chunk) (left int) {
	horizon := t.horizon.Load()
	c.entries(func(s *slot, _ Key, p place) bool {
		// A frame of the station may have come just now.
		if !p.valid(horizon) && s.place.CompareAndSwap(uint64(p), 0) {
			t.live.Add(-1)
			t.disown(p.port())
			t.aged.Add(1)
		} else {
			left++
		}
		return true
	})
	return left
}
