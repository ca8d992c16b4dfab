package fdb

import "sync/atomic"

// slot is one entry's room. The key is written once, after the place.
type slot struct{ key, place atomic.Uint64 }

const (
	lineSlots  = 4   // slots in a cache line of 64 bytes
	chunkLines = 256 // lines in a chunk
	chunkSlots = chunkLines * lineSlots
	chunkSize  = chunkSlots * 16 // bytes

	// reach is how many lines from its home a new key may be put, as long as
	// there is memory for a chunk more: so searches stay short.
	reach = 2
)

type line [lineSlots]slot

// chunk is a hash table of its own: the entries whose hashes begin alike.
type chunk [chunkLines]line

// find returns the slot of k, whose hash is h, or nil. Within a line it does
// not branch on which slot it is: that would be guessed wrong for most frames.
func (c *chunk) find(k Key, h uint64) *slot {
	for i := h; i != h+chunkLines; i++ {
		l := &c[i%chunkLines]
		k0, k1, k2, k3 := Key(l[0].key.Load()), Key(l[1].key.Load()), Key(l[2].key.Load()), Key(l[3].key.Load())
		j := lineSlots
		if k0 == k {
			j = 0
		}
		if k1 == k {
			j = 1
		}
		if k2 == k {
			j = 2
		}
		if k3 == k {
			j = 3
		}
		if j < lineSlots {
			return &l[j]
		}
		if k3 == 0 { // slots of a line are taken in order
			break
		}
	}
	return nil
}

// add puts a key that is not there into the first free slot, at most so many
// lines from its home, and tells whether there was one. Under Table.mu.
func (c *chunk) add(k Key, h uint64, p place, lines uint64) bool {
	for i := h; i != h+lines; i++ {
		l := &c[i%chunkLines]
		for j := range l {
			if l[j].key.Load() == 0 {
				l[j].place.Store(uint64(p))
				l[j].key.Store(uint64(k))
				return true
			}
		}
	}
	return false
}

// entries calls f for each slot that has an entry, until f returns false.
func (c *chunk) entries(f func(s *slot, k Key, p place) bool) { c.entriesFrom(0, f) }

// entriesFrom is entries from some line on, and around.
func (c *chunk) entriesFrom(line uint, f func(s *slot, k Key, p place) bool) {
	for i := range uint(chunkLines) {
		l := &c[(line+i)%chunkLines]
		for j := range l {
			s := &l[j]
			if p := place(s.place.Load()); p != 0 && !f(s, Key(s.key.Load()), p) {
				return
			}
		}
	}
}

// live counts the entries.
func (c *chunk) live() (n int) {
	c.entries(func(*slot, Key, place) bool { n++; return true })
	return n
}
