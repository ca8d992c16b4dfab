package fdb

import (
	"math/bits"
	"sync/atomic"
)

// slot is one entry's room. The key is written once, after the place.
type slot struct{ key, place atomic.Uint64 }

const (
	lineSlots = 4  // slots in a cache line of 64 bytes
	minSlots  = 64 // of the smallest array: 1 KiB
)

type line [lineSlots]slot

// slots is the array of a table. Its number of lines is a power of two.
type slots struct {
	lines []line
	mask  uint64 // number of lines - 1
	seed  seed
	used  int // slots with a key; under Table.mu
}

// seed makes the hash another one in each table, so that nobody can choose
// addresses that fall together.
type seed [2]uint64

func newSlots(n int, s seed) *slots {
	lines := n / lineSlots
	return &slots{lines: make([]line, lines), mask: uint64(lines - 1), seed: s}
}

func (a *slots) size() int { return len(a.lines) * lineSlots }

// full tells whether one more key would make searches long. At 13/16 nearly
// all keys are still in their home line.
func (a *slots) full() bool { return a.used >= a.size()/16*13 }

// home is the line where the search for k begins: both halves of a product
// folded (as wyhash does).
func (a *slots) home(k Key) uint64 {
	hi, lo := bits.Mul64(uint64(k)^a.seed[0], a.seed[1])
	return hi ^ lo
}

// find returns the slot of k, or nil. An array is never full, so the search
// ends. Within a line it does not branch on which slot it is: that would be
// guessed wrong for most frames.
func (a *slots) find(k Key) *slot {
	for i := a.home(k); ; i++ {
		l := &a.lines[i&a.mask]
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
			return nil
		}
	}
}

// add puts a key that is not there into the first free slot. Under Table.mu.
func (a *slots) add(k Key, p place) {
	for i := a.home(k); ; i++ {
		l := &a.lines[i&a.mask]
		for j := range l {
			if l[j].key.Load() == 0 {
				l[j].place.Store(uint64(p))
				l[j].key.Store(uint64(k))
				a.used++
				return
			}
		}
	}
}
