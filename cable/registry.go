package cable

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/stage/horizon"
)

// registry knows all cables of the process.
var registry = struct {
	mu sync.Mutex
	// Guarded by mu.
	lists map[*bus.Network][]*cable // in the order of attaching, until nothing is left of them
	sides map[side]*members
	// See instance.go.
	ids    map[*bus.Network]ID
	joined map[joined]*cable
}{
	lists:  map[*bus.Network][]*cable{},
	sides:  map[side]*members{},
	ids:    map[*bus.Network]ID{},
	joined: map[joined]*cable{},
}

// side is a group of cables of a network.
type side struct {
	net  *bus.Network
	name string
}

// members are the ports of a side.
type members struct {
	horizon.Side
	count int // who have called stand and not leave; guarded by registry.mu
}

// stand puts a port into the side of a group of its network. leave is called when it
// has gone.
func stand(p *bus.Port, group string) (leave func(), err error) {
	key := side{p.Network(), group}
	registry.mu.Lock()
	s := registry.sides[key]
	if s == nil {
		s = &members{}
		registry.sides[key] = s
	}
	s.count++
	registry.mu.Unlock()
	return func() {
		registry.mu.Lock()
		defer registry.mu.Unlock()
		if s.count--; s.count == 0 {
			delete(registry.sides, key)
		}
	}, s.Add(p)
}

// publish puts c on its network's list, and gives it a name that no other has there.
func (c *cable) publish() error {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	list := registry.lists[c.net]
	taken := func(name string) bool {
		return slices.ContainsFunc(list, func(other *cable) bool { return other.name == name && !other.ended }) // +checklocksignore: called at once
	}
	for i := 0; c.name == ""; i++ {
		if name := fmt.Sprintf("%s%d", c.locator.Scheme, i); !taken(name) {
			c.name = name
		}
	}
	if taken(c.name) {
		return fail.Errorf(fail.Exists, "there is a cable %s: -%s takes it off", c.name, c.name)
	}
	registry.lists[c.net] = append(slices.Clone(list), c)
	return nil
}

// retire takes c out of what is attached, and tells whether it was the first to do so.
func (c *cable) retire() bool {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	first := !c.ended
	c.ended = true
	return first
}

// forget says that nothing is left of c. Its side goes with its port, not before: until
// then frames pass.
func (c *cable) forget() {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	list := slices.DeleteFunc(slices.Clone(registry.lists[c.net]), func(other *cable) bool { return other == c })
	if registry.lists[c.net] = list; len(list) == 0 {
		delete(registry.lists, c.net)
		delete(registry.ids, c.net)
	}
	close(c.done)
}

// cables lists what is attached to n.
func cables(n *bus.Network) (attached []*cable) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	for _, c := range registry.lists[n] {
		select {
		case <-c.ready:
			if !c.ended {
				attached = append(attached, c)
			}
		default: // it is being attached
		}
	}
	return attached
}

// find finds a cable by its name.
func find(n *bus.Network, name string) (*cable, error) {
	var names []string
	for _, c := range cables(n) {
		if c.name == name {
			return c, nil
		}
		names = append(names, c.name)
	}
	if names == nil {
		return nil, fail.Errorf(fail.Unknown, "there is no cable %s here, nor any other", fail.Quote(name))
	}
	return nil, fail.Errorf(fail.Unknown, "there is no cable %s here: there is %s", fail.Quote(name), strings.Join(names, ", "))
}

// Wait waits until nothing is left of the cables of networks that have ended, but not
// for more than some seconds: for the end of the process, after Bus.Shutdown.
func Wait() {
	late := time.After(3 * time.Second)
	registry.mu.Lock()
	var all []*cable
	for _, list := range registry.lists {
		all = append(all, list...)
	}
	registry.mu.Unlock()
	for _, c := range all {
		select {
		case <-c.done:
		case <-late:
			return
		}
	}
}
