package fdb

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// sizes are the numbers of entries whose costs are compared: an operation
// with the last must not cost more than 1.5 times one with the first.
var sizes = []int{100, 1000, 100_000}

// randomKey is a key that looks random, in one of eight VLANs, the same one
// for the same number.
func randomKey(i int) Key {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	x ^= x >> 29
	return keyMark | Key(i&7)<<48 | Key(x&(1<<48-1))
}

// fullTable is a table with the first n random keys, all at port 1 in
// second 1.
func fullTable(n int) *Table {
	t := New(n, nil)
	for i := range n {
		t.Learn(randomKey(i), 1, 1)
	}
	return t
}

// picker picks keys at random. It works them out, as a list of them would
// take its part of the caches: a frame's addresses are in the nearest one.
type picker struct{ state, n uint64 }

func newPicker(n int) *picker { return &picker{rand.Uint64(), uint64(n)} }

func (p *picker) next() Key {
	p.state = p.state*6364136223846793005 + 1442695040888963407
	i, _ := bits.Mul64(p.state, p.n)
	return randomKey(int(i))
}

func benchmark(b *testing.B, one func(t *Table, p *picker)) {
	for _, n := range sizes {
		t, p := fullTable(n), newPicker(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one(t, p)
			}
		})
	}
}

func BenchmarkLearnKnown(b *testing.B) {
	benchmark(b, func(t *Table, p *picker) { t.Learn(p.next(), 1, 1) })
}

func BenchmarkLookup(b *testing.B) {
	benchmark(b, func(t *Table, p *picker) { t.Lookup(p.next()) })
}

func BenchmarkLookupUnknown(b *testing.B) {
	benchmark(b, func(t *Table, p *picker) { t.Lookup(p.next() ^ 1) })
}

// BenchmarkLatency is a Lookup that cannot begin before the last one has
// ended, so that the processor hides nothing of a cache miss.
func BenchmarkLatency(b *testing.B) {
	benchmark(b, func(t *Table, p *picker) {
		port, _ := t.Lookup(p.next())
		p.state += uint64(port)
	})
}

// BenchmarkFrame is what a frame costs, on all processors at once.
func BenchmarkFrame(b *testing.B) {
	for _, n := range sizes {
		t := fullTable(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for p := newPicker(n); pb.Next(); {
					t.Learn(p.next(), 1, 1)
					t.Lookup(p.next())
				}
			})
		})
	}
}

// BenchmarkLearnNew is a burst of new addresses, growth included.
func BenchmarkLearnNew(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		fullTable(n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/address")
}
