package fdb

// Tick tells the time in seconds and removes what has aged out, piece by piece.
// To be called about once a second; if not, nothing ages.
func (t *Table) Tick(now uint32) {
	t.now.Store(now)
	t.setHorizon()
	t.mu.Lock()
	t.room.Store(t.limit.Load()) // there may be memory again
	t.mu.Unlock()
	t.pieces(t.sweep)
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.array.Load()
	if a.old.Load() == nil && a.size() > minSlots && int(t.live.Load()) < a.size()/4 {
		t.renew()
	}
	for t.array.Load().old.Load() != nil {
		t.fill(pieceLines)
		t.mu.Unlock() // for a moment
		t.mu.Lock()
	}
}

// sweep removes an entry that has aged out.
//
// +checklocks:t.mu
func (t *Table) sweep(s *slot, p place) {
	// A frame of the station may have come just now.
	if !p.valid(t.horizon.Load()) && s.place.CompareAndSwap(uint64(p), 0) {
		t.live.Add(-1)
		t.disown(p.port())
		t.aged.Add(1)
		t.tell(Key(s.key.Load()))
	}
}
