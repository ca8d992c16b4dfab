package iface

import (
	"maps"
	"slices"
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
)

// place tells an interface from all others.
type place struct {
	ns    netns.ID
	index int
}

// registry knows all attachments of the process. An interface is attached
// once at most, whatever the network and the way.
var registry = struct {
	mu sync.Mutex
	// Guarded by mu.
	places map[place]*attachment
	lists  map[*bus.Network][]*attachment // in the order of attaching
}{
	places: map[place]*attachment{},
	lists:  map[*bus.Network][]*attachment{},
}

// occupied returns a refusal if something is attached at p. Of what has just
// ended it waits for the rest to be undone; the interface may have gone with
// it, so the caller must look again.
func occupied(p place) (again bool, err error) {
	registry.mu.Lock()
	a := registry.places[p]
	registry.mu.Unlock()
	switch {
	case a == nil:
		return false, nil
	case !a.over():
		return false, fail.Errorf(fail.Busy, "%s is attached already, as %s of network %s", a.known().Name, a.kind, a.net.Name())
	}
	<-a.done
	return true, nil
}

// claim makes a the only attachment at p.
func (a *attachment) claim(p place) error {
	for {
		registry.mu.Lock()
		if registry.places[p] == nil {
			registry.places[p], a.place = a, p
			registry.mu.Unlock()
			return nil
		}
		registry.mu.Unlock()
		if _, err := occupied(p); err != nil {
			return err
		}
	}
}

// reclaim notes that a's interface is at p now. Whatever was there is not any
// more.
func (a *attachment) reclaim(p place) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if registry.places[a.place] == a {
		delete(registry.places, a.place)
	}
	registry.places[p], a.place = a, p
}

// publish puts a on its network's list, unless it has ended by now.
func (a *attachment) publish() error {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if a.ended {
		return fail.Errorf(fail.Gone, "%s or its port was removed meanwhile", a.name)
	}
	registry.lists[a.net] = append(registry.lists[a.net], a)
	return nil
}

// retire takes a off its network's list, and tells whether it was the first to
// do so.
func (a *attachment) retire() bool {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if a.ended {
		return false
	}
	a.ended = true
	list := slices.DeleteFunc(slices.Clone(registry.lists[a.net]), func(b *attachment) bool { return b == a })
	if registry.lists[a.net] = list; len(list) == 0 {
		delete(registry.lists, a.net)
	}
	return true
}

// forget gives up a's place, which another may claim then.
func (a *attachment) forget() {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if registry.places[a.place] == a {
		delete(registry.places, a.place)
	}
	close(a.done)
}

// isEnded tells whether retire was called.
func (a *attachment) isEnded() bool {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return a.ended
}

// attachments lists what is attached to n in one way.
func attachments(n *bus.Network, kind string) []*attachment {
	registry.mu.Lock()
	list := slices.Clone(registry.lists[n])
	registry.mu.Unlock()
	return slices.DeleteFunc(list, func(a *attachment) bool { return a.kind != kind || a.over() })
}

// Wait waits until nothing is left of what has ended: for the end of the
// process, after Bus.Shutdown. A tap that persists would otherwise be left with
// offloads that its next user may not know.
func Wait() {
	registry.mu.Lock()
	all := slices.Collect(maps.Values(registry.places))
	registry.mu.Unlock()
	for _, a := range all {
		if a.over() {
			<-a.done
		}
	}
}
