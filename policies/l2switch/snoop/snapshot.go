package snoop

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
)

// snapshot is what Lookup reads: a hash table whose buckets are immutable and
// replaced one at a time. It is written under Table.mu.
type snapshot struct {
	buckets []atomic.Pointer[[]egress]
	mask    uint64
	seed    [2]uint64 // so that nobody can choose addresses that fall together
}

// egress is the ports for one address in one VLAN: sorted, never changed.
type egress struct {
	key   key
	ports []int
}

// key is a VLAN id (16 bits) and a MAC address (48 bits).
type key uint64

// bucketSize is how many addresses a bucket holds on average if the table is
// full.
const bucketSize = 4

func newSnapshot(limit int) *snapshot {
	n := 16
	for n < limit/bucketSize && n < 1<<16 {
		n *= 2
	}
	return &snapshot{
		buckets: make([]atomic.Pointer[[]egress], n),
		mask:    uint64(n - 1),
		seed:    [2]uint64{rand.Uint64(), rand.Uint64() | 1},
	}
}

func (s *snapshot) bucket(k key) *atomic.Pointer[[]egress] {
	hi, lo := bits.Mul64(uint64(k)^s.seed[0], s.seed[1])
	return &s.buckets[(hi^lo)&s.mask]
}

// find returns the ports stored for k.
func (s *snapshot) find(k key) ([]int, bool) {
	if b := s.bucket(k).Load(); b != nil {
		for i := range *b {
			if (*b)[i].key == k {
				return (*b)[i].ports, true
			}
		}
	}
	return nil, false
}

// set stores ports for k; they must not change any more.
func (s *snapshot) set(k key, ports []int) { s.replace(k, egress{k, ports}) }

// remove forgets k.
func (s *snapshot) remove(k key) { s.replace(k) }

func (s *snapshot) replace(k key, with ...egress) {
	p := s.bucket(k)
	var fresh []egress
	if old := p.Load(); old != nil {
		for _, e := range *old {
			if e.key != k {
				fresh = append(fresh, e)
			}
		}
	}
	fresh = append(fresh, with...)
	if len(fresh) == 0 {
		p.Store(nil)
		return
	}
	p.Store(&fresh)
}
