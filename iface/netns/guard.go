package netns

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// guardEvery is how often it is looked whether somebody else keeps alive what is
// guarded.
const guardEvery = 500 * time.Millisecond

// guard is a call of Guard.
type guard struct {
	abandoned func()
	witness   *Witness // the last that somebody else was
}

// guards are all, and stop is closed when there are none any more.
var guards struct {
	sync.Mutex
	// +checklocks:Mutex
	list map[*guard]ID
	// +checklocks:Mutex
	stop chan struct{}
}

// Guard is for who keeps a namespace alive, by a descriptor or a device, and shall do
// so only while others do: abandoned is called when nobody but this process does. It
// must not block, may call stop, and may be called again, once even behind stop.
// Nothing is guarded where the namespace is our own, where nobody else keeps it alive
// from the beginning, and where not all processes can be seen.
func Guard(id ID, abandoned func()) (stop func()) {
	w := witnessAtFirst(id)
	if w == nil {
		return func() {}
	}
	g := &guard{abandoned, w}
	guards.Lock()
	defer guards.Unlock()
	if guards.list == nil {
		guards.list, guards.stop = map[*guard]ID{}, make(chan struct{})
		go watchGuards(guards.stop)
	}
	guards.list[g] = id
	return g.remove
}

// witnessAtFirst finds out who else keeps a namespace alive; nil: there is nothing to
// guard. What is known of another guard is not looked for again.
func witnessAtFirst(id ID) *Witness {
	if !SeesAll() {
		return nil
	}
	home, err := Current()
	if err != nil {
		return nil
	}
	home.Close()
	if home.ID() == id {
		return nil
	}
	if w := witnessOf(id); w != nil && w.Testifies() {
		return w
	}
	found, _ := Witnesses(id)
	return found[id]
}

func witnessOf(id ID) *Witness {
	guards.Lock()
	defer guards.Unlock()
	for g, of := range guards.list {
		if of == id {
			return g.witness
		}
	}
	return nil
}

// remove ends the guard.
func (g *guard) remove() {
	guards.Lock()
	defer guards.Unlock()
	delete(guards.list, g)
	if guards.list != nil && len(guards.list) == 0 {
		close(guards.stop)
		guards.list, guards.stop = nil, nil
	}
}

func watchGuards(stop chan struct{}) {
	t := time.NewTicker(guardEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			CheckGuards()
		}
	}
}

// CheckGuards is what is done twice a second: it looks for others where a witness has
// ended. It looks twice: what passes a namespace on from a process to another may be
// missed once.
func CheckGuards() {
	lost := lostGuards()
	sure := 0
	for range 2 {
		if len(lost) == 0 {
			return
		}
		found, all := Witnesses(slices.Collect(maps.Values(lost))...)
		if all {
			sure++
		}
		guards.Lock()
		for g, id := range lost {
			if w := found[id]; w != nil {
				g.witness = w
				delete(lost, g)
			}
		}
		guards.Unlock()
	}
	for g := range lost {
		switch sure {
		case 0: // nor will it be known later
			g.remove()
		case 2:
			g.abandoned()
		}
	}
}

// lostGuards are those whose witness has ended.
func lostGuards() map[*guard]ID {
	guards.Lock()
	defer guards.Unlock()
	lost, asked := maps.Clone(guards.list), map[*Witness]bool{}
	maps.DeleteFunc(lost, func(g *guard, _ ID) bool {
		testifies, known := asked[g.witness]
		if !known {
			testifies = g.witness.Testifies()
			asked[g.witness] = testifies
		}
		return testifies
	})
	return lost
}
