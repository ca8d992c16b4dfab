package ipn

import (
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// pair is two networks, in the order of their ids.
type pair struct{ a, b *bus.Network }

// pairs are those that a cable joins: a second one would bring each frame twice.
var pairs struct {
	mu sync.Mutex
	// +checklocks:mu
	joined map[pair]bool
}

// claim makes two networks joined until free is called.
func claim(a, b *bus.Network) (free func(), err error) {
	key := pair{a, b}
	if a.ID() > b.ID() {
		key = pair{b, a}
	}
	pairs.mu.Lock()
	defer pairs.mu.Unlock()
	if pairs.joined[key] {
		return nil, fail.Errorf(fail.InUse, "another ipn cable joins %s and %s", a.Name(), b.Name())
	}
	if pairs.joined == nil {
		pairs.joined = map[pair]bool{}
	}
	pairs.joined[key] = true
	return func() {
		pairs.mu.Lock()
		defer pairs.mu.Unlock()
		delete(pairs.joined, key)
	}, nil
}
