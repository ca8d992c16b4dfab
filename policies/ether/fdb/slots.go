package fdb

import (
	"math/bits"
	"sync/atomic"
)

// slot is one entry's room. A key stands beside a place that is 0 before it is
// another key's: see slots.add.
type slot struct{ key, place atomic.Uint64 }

const (
	lineSlots = 4 // slots in a cache line of 64 bytes
	slotSize  = 16
	minSlots  = 1024

	// reach is how many lines from its home a key may be: more than it takes as
	// long as there is memory. Five of six are in the first one.
	reach = 128
)

type line [lineSlots]slot

// slots is an array of lines, a power of two of them, in the order of the hashes
// that have their homes there.
type slots struct {
	lines []line
	shift uint // 64 - bits of a hash that count
	seed  seed
	old   atomic.Pointer[slots] // what is being put into this one, or nil
	_     [64]byte              // what follows is written more often

	used  int          // slots with a key; under Table.mu
	moved atomic.Int64 // lines, from the first on, whose entries are in the next array
}

// seed makes the hash another one in each table, so that nobody can choose
// addresses that fall together.
type seed [2]uint64

func newSlots(n int, s seed) *slots {
	lines := n / lineSlots
	return &slots{lines: make([]line, lines), shift: uint(64 - bits.Len(uint(lines-1))), seed: s}
}

func (a *slots) size() int { return len(a.lines) * lineSlots }

// most is how many slots may be in use before searches get long.
func (a *slots) most() int { return a.size() / 16 * 13 }

// hash is both halves of a product folded (as wyhash does): its first bits
// choose the line.
func (a *slots) hash(k Key) uint64 {
	hi, lo := bits.Mul64(uint64(k)^a.seed[0], a.seed[1])
	return hi ^ lo
}

func (a *slots) line(i uint64) *line { return &a.lines[i&uint64(len(a.lines)-1)] }

// find returns the slot of k, here or in the old array, or nil. Within a line it
// does not branch on which slot it is: that would be guessed wrong for most
// frames.
func (a *slots) find(k Key) *slot {
	h, old := a.hash(k), a.old.Load()
	home := h >> (a.shift & 63)
	for i := home; ; i++ {
		l := a.line(i)
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
		if k3 == 0 || i == home+reach-1 { // slots of a line are taken in order
			break
		}
	}
	if old == nil {
		return nil
	}
	s := old.find(k)
	if a.old.Load() == nil { // all has moved meanwhile
		return a.find(k)
	}
	return s
}

// add puts a key that has no entry into its slot, or into the first one that has
// none, and tells whether there was one. While the array is being filled a slot
// keeps its key, so that what is found here comes before what the old array says.
// Under Table.mu.
func (a *slots) add(k Key, p place) bool {
	home, filling := a.hash(k)>>a.shift, a.old.Load() != nil
	var free *slot
search:
	for i := home; i != home+reach; i++ {
		l := a.line(i)
		for j := range l {
			s := &l[j]
			switch Key(s.key.Load()) {
			case k:
				s.place.Store(uint64(p))
				return true
			case 0:
				if free == nil { // who finds the key finds the place
					a.used++
					s.place.Store(uint64(p))
					s.key.Store(uint64(k))
					return true
				}
				break search // none goes on from here
			default:
				if free == nil && !filling && s.place.Load() == 0 {
					free = s
				}
			}
		}
	}
	if free != nil { // who finds the other key does not find the place
		free.key.Store(uint64(k))
		free.place.Store(uint64(p))
	}
	return free != nil
}

// entries calls f for each entry with its home in the lines from first to end,
// and for some others, until f returns false. Lines before moved are left out. It
// needs no lock.
func (a *slots) entries(moved, first, end int, f func(s *slot, k Key, p place) bool) {
	for i := first; i < end+reach-1; i++ {
		l := a.line(uint64(i))
		if i&(len(a.lines)-1) >= moved {
			for j := range l {
				s := &l[j]
				k := Key(s.key.Load())
				if p := place(s.place.Load()); p.of(k) && Key(s.key.Load()) == k && !f(s, k, p) {
					return
				}
			}
		}
		if i >= end-1 && l[lineSlots-1].key.Load() == 0 { // no search goes on from here
			return
		}
	}
}
