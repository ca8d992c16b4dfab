package l2switch

import "sync/atomic"

// portTable is the ports by number. It is read at any time and changed under the
// network's lock, one port at the cost of one. Its leaves are short, as numbers
// may be far apart.
type portTable struct {
	leaves atomic.Pointer[[]atomic.Pointer[leaf]]
	count  int
}

const leafPorts = 64

type leaf struct {
	ports [leafPorts]atomic.Pointer[port]
	used  int
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
		for j := range l.ports {
			if p := l.ports[j].Load(); p != nil && !yield(p) {
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
	l.used++
	t.count++
}

// remove takes a port out.
func (t *portTable) remove(p *port) {
	leaves, i := t.list(), p.number/leafPorts
	l := leaves[i].Load()
	l.ports[p.number%leafPorts].Store(nil)
	if l.used--; l.used == 0 {
		leaves[i].Store(nil)
	}
	if t.count--; t.count == 0 {
		t.leaves.Store(nil)
	}
}
