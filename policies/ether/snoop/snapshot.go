package snoop

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
)

// snapshot is what Lookup reads: a hash table whose chains are immutable and
// replaced one at a time. It is written under Table.mu.
type snapshot struct {
	chains atomic.Pointer[[]chain] // a power of two of them
	seed   [2]uint64               // so that nobody can choose addresses that fall together
	count  int                     // entries
}

// egress is the ports for one address in one VLAN: sorted, never changed.
type egress struct {
	key   key
	ports []int
	next  *egress
}

type chain struct{ first atomic.Pointer[egress] }

// key is a VLAN id (16 bits) and a MAC address (48 bits).
type key uint64

// minChains is how many chains there are at first. Their number grows so that
// they have an entry each at most on average.
const minChains = 16

func newSnapshot() *snapshot {
	s := &snapshot{seed: [2]uint64{rand.Uint64(), rand.Uint64() | 1}}
	chains := make([]chain, minChains)
	s.chains.Store(&chains)
	return s
}

// in returns the chain for k.
func (s *snapshot) in(chains []chain, k key) *chain {
	hi, lo := bits.Mul64(uint64(k)^s.seed[0], s.seed[1])
	return &chains[(hi^lo)&uint64(len(chains)-1)]
}

// find returns the ports stored for k.
func (s *snapshot) find(k key) ([]int, bool) {
	for e := s.in(*s.chains.Load(), k).first.Load(); e != nil; e = e.next {
		if e.key == k {
			return e.ports, true
		}
	}
	return nil, false
}

// set stores ports for k; they must not change any more. At no moment is
// there nothing for a k that was there.
func (s *snapshot) set(k key, ports []int) {
	chains := *s.chains.Load()
	if _, ok := s.find(k); ok {
		c := s.in(chains, k)
		c.first.Store(&egress{k, ports, without(c.first.Load(), k)})
		return
	}
	s.count++
	if s.count > len(chains) {
		chains = s.grow(chains)
	}
	c := s.in(chains, k)
	c.first.Store(&egress{k, ports, c.first.Load()})
}

// remove forgets k.
func (s *snapshot) remove(k key) {
	if _, ok := s.find(k); ok {
		s.count--
		c := s.in(*s.chains.Load(), k)
		c.first.Store(without(c.first.Load(), k))
	}
}

// without is the chain e without k, which is in it; what lies behind k is
// shared.
func without(e *egress, k key) *egress {
	if e.key == k {
		return e.next
	}
	return &egress{e.key, e.ports, without(e.next, k)}
}

// grow doubles the number of chains.
func (s *snapshot) grow(old []chain) []chain {
	chains := make([]chain, 2*len(old))
	for i := range old {
		for e := old[i].first.Load(); e != nil; e = e.next {
			c := s.in(chains, e.key)
			c.first.Store(&egress{e.key, e.ports, c.first.Load()})
		}
	}
	s.chains.Store(&chains)
	return chains
}
