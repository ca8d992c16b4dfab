package fdb

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// sizes are the numbers of entries whose costs are compared: an operation
// with the second must not cost more than 1.5 times one with the first.
var sizes = []int{100, 100_000}

// picks is how many keys a benchmark goes round, a power of two.
const picks = 1 << 17

// benchTable is a table of n entries, all at port 1 in second 1, and keys
// from it in random order.
func benchTable(n int) (*Table, []Key) {
	t := New(n)
	for i := range n {
		t.Learn(randomKey(i), 1, 1)
	}
	keys := make([]Key, picks)
	for i := range keys {
		keys[i] = randomKey(rand.IntN(n))
	}
	return t, keys
}

// randomKey is a key that looks random, the same one for the same number.
func randomKey(i int) Key {
	x := uint64(i+1) * 0x9e3779b97f4a7c15
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return MakeKey(uint16(i%8), [6]byte{2, byte(x >> 8), byte(x >> 16), byte(x >> 24), byte(x >> 32), byte(x >> 40)})
}

func BenchmarkLearnKnown(b *testing.B) {
	for _, n := range sizes {
		t, keys := benchTable(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t.Learn(keys[i%picks], 1, 1)
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range sizes {
		t, keys := benchTable(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t.Lookup(keys[i%picks])
			}
		})
	}
}

// BenchmarkLatency is a Lookup that cannot begin before the last one has
// ended, so that the processor hides nothing of a cache miss.
func BenchmarkLatency(b *testing.B) {
	for _, n := range sizes {
		t, keys := benchTable(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; b.Loop(); {
				port, _ := t.Lookup(keys[i%picks])
				i += port
			}
		})
	}
}

// BenchmarkFrame is what a frame costs, on all processors at once.
func BenchmarkFrame(b *testing.B) {
	for _, n := range sizes {
		t, keys := benchTable(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := rand.IntN(len(keys)); pb.Next(); i++ {
					t.Learn(keys[i%picks], 1, 1)
					t.Lookup(keys[(i+1)%picks])
				}
			})
		})
	}
}

// BenchmarkLearnNew is a burst of new addresses, growth included.
func BenchmarkLearnNew(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		t := New(n)
		for i := range n {
			t.Learn(randomKey(i), 1, 1)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/address")
}
