package l2switch

import (
	"math/bits"
	"sync/atomic"
)

// portTable is the ports by number. It is read at any time and changed under the
// network's lock, one port at the cost of one. Its leaves are short, as numbers
// may be far apart.
type portTable struct {
	leaves atomic.Pointer[[]atomic.Pointer[leaf]]
	count  int
}

const leafPorts = 64

type leaf struct {
	there atomic.Uint64 // a bit for each port
	ports [leafPorts]atomic.Pointer[port]
}

// each returns the next port of those whose bits are set, and the others' bits; nil
// if it has just left.
func (l *leaf) each(set uint64) (*port, uint64) {
	return l.ports[bits.TrailingZeros64(set)%leafPorts].Load(), set & (set - 1)
}

// get returns the port of a number, or nil.
func (t *portTable) get(number int) *port {
	leaves := t.list()
	if i := number / leafPorts; i < len(leaves) {
		if l := leaves[i].Load(); l != nil {
			return l.ports[number%leafPorts].Load()
		}
	}
	return nil
}

func (t *portTable) list() []atomic.Pointer[leaf] {
	if leaves := t.leaves.Load(); leaves != nil {
		return *leaves
	}
	return nil
}

// all goes through the ports by number.
func (t *portTable) all(yield func(*port) bool) {
	leaves := t.list()
	for i := range leaves {
		l := leaves[i].Load()
		if l == nil {
			continue
		}
		for set := l.there.Load(); set != 0; {
			var p *port
			if p, set = l.each(set); p != nil && !yield(p) {
				return
			}
		}
	}
}

// add puts a port at its number, which is free.
func (t *portTable) add(p *port) {
	leaves, i := t.list(), p.number/leafPorts
	if i >= len(leaves) {
		longer := make([]atomic.Pointer[leaf], max(i+1, 2*len(leaves)))
		for j := range leaves {
			longer[j].Store(leaves[j].Load())
		}
		leaves = longer
		t.leaves.Store(&leaves)
	}
	l := leaves[i].Load()
	if l == nil {
		l = &leaf{}
		leaves[i].Store(l)
	}
	l.ports[p.number%leafPorts].Store(p)
	l.there.Or(1 << (p.number % leafPorts))
	t.count++
}

// remove takes a port out.
func (t *portTable) remove(p *port) {
	leaves, i := t.list(), p.number/leafPorts
	l := leaves[i].Load()
	l.there.And(^(1 << (p.number % leafPorts)))
	l.ports[p.number%leafPorts].Store(nil)
	if l.there.Load() == 0 {
		leaves[i].Store(nil)
	}
	if t.count--; t.count == 0 {
		t.leaves.Store(nil)
	}
}
