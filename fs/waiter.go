package fs

import (
	"cmp"
	"slices"
)

// waiter is a READ that waits.
type waiter struct {
	unique uint64
	size   int
}

// waiters are the READs of one open file that wait, by their number: that is the
// order in which the kernel queued them, oldest first. There may be thousands.
type waiters []waiter

// add adds a READ: the newest, as a rule.
func (ws *waiters) add(w waiter) {
	i, _ := ws.find(w.unique)
	*ws = slices.Insert(*ws, i, w)
}

// find tells where the READ of that number is, or would be, and whether it is there.
func (ws waiters) find(unique uint64) (int, bool) {
	return slices.BinarySearchFunc(ws, unique, func(w waiter, unique uint64) int { return cmp.Compare(w.unique, unique) })
}

// remove takes the READ of that number out, and tells whether it was there.
func (ws *waiters) remove(unique uint64) bool {
	i, ok := ws.find(unique)
	if ok {
		*ws = slices.Delete(*ws, i, i+1)
	}
	return ok
}

// pop takes the oldest READ out.
func (ws *waiters) pop() waiter {
	w := (*ws)[0]
	*ws = slices.Delete(*ws, 0, 1)
	return w
}

// Keeps tells whether a READ or WRITE of that number waits.
func (d *door) Keeps(unique uint64) bool {
	d.conn.Lock()
	defer d.conn.Unlock()
	if _, ok := d.waiters.find(unique); ok {
		return true
	}
	return slices.ContainsFunc(d.sends, func(s *send) bool { return s.reply.Unique() == unique })
}

// Keeps tells whether a READ of that number waits.
func (e *events) Keeps(unique uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.waiters.find(unique)
	return ok
}
