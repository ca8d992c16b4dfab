package fdb

import (
	"math/bits"
	"sync/atomic"
)

// directory finds the chunk of a key by the first bits of its hash (extendible
// hashing; Fagin, Nievergelt, Pippenger, Strong 1979). A chunk may stand at
// several places, a power of two of them, one behind the other.
type directory struct {
	shift  uint // 64 - bits that count
	seed   seed
	chunks []atomic.Pointer[chunk]
}

// seed makes the hash another one in each table, so that nobody can choose
// addresses that fall together.
type seed [2]uint64

const (
	minPlaces = 2       // of a directory
	maxPlaces = 1 << 14 // eight for each chunk that the largest table needs
	placeSize = 8       // bytes
)

func newDirectory(places int, s seed) *directory {
	return &directory{shift: uint(64 - bits.Len(uint(places-1))), seed: s, chunks: make([]atomic.Pointer[chunk], places)}
}

// hash is both halves of a product folded (as wyhash does): the first bits
// choose the chunk, the last ones the line.
func (d *directory) hash(k Key) uint64 {
	hi, lo := bits.Mul64(uint64(k)^d.seed[0], d.seed[1])
	return hi ^ lo
}

// index is where the chunk of a hash stands.
func (d *directory) index(h uint64) int { return int(h >> (d.shift & 63)) }

// find returns the slot of k, or nil.
func (d *directory) find(k Key) *slot {
	h := d.hash(k)
	return d.chunks[h>>(d.shift&63)].Load().find(k, h)
}

// run returns the chunk at a place, and the first of its places and their
// number.
func (d *directory) run(i int) (c *chunk, first, n int) {
	c, n = d.chunks[i].Load(), 1
	for n < len(d.chunks) && d.chunks[i&^(2*n-1)].Load() == c && d.chunks[i|(2*n-1)].Load() == c {
		n *= 2
	}
	return c, i &^ (n - 1), n
}

// set puts a chunk at n places.
func (d *directory) set(c *chunk, first, n int) {
	for i := range n {
		d.chunks[first+i].Store(c)
	}
}

// next returns the first hash behind those of n places, and false if there is
// none.
func (d *directory) next(first, n int) (uint64, bool) {
	return uint64(first+n) << d.shift, first+n < len(d.chunks)
}

// resized is d with twice or half as many places.
func (d *directory) resized(places int) *directory {
	r := newDirectory(places, d.seed)
	for i := range r.chunks {
		r.chunks[i].Store(d.chunks[i*len(d.chunks)/places].Load())
	}
	return r
}

// wide tells whether no chunk stands at one place alone.
func (d *directory) wide() bool {
	for i := 0; i < len(d.chunks); i += 2 {
		if d.chunks[i].Load() != d.chunks[i+1].Load() {
			return false
		}
	}
	return true
}
