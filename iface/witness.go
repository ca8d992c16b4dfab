package iface

import (
	"maps"
	"slices"
	"sync"
	"time"

	"ipnfs/iface/netns"
)

// witnessEvery is how often it is looked whether somebody else keeps alive the
// namespaces that attachments keep alive.
const witnessEvery = 500 * time.Millisecond

// pinned are the attachments that keep their namespace alive, as long as there
// are any each with the last witness of somebody else who does. Where that one
// ends and there is no other, the attachment ends.
var pinned struct {
	sync.Mutex
	// +checklocks:Mutex
	witnesses map[*attachment]*netns.Witness
	// +checklocks:Mutex
	stop chan struct{} // closed when there are none any more
}

// watchNamespace ends a when nobody but a keeps alive the namespace that it was
// attached in. It does nothing where that is our own, where it was so from the
// beginning, and where not all processes can be seen.
func (a *attachment) watchNamespace(id netns.ID) {
	if !a.pins || !netns.SeesAll() {
		return
	}
	home, err := netns.Current()
	if err != nil {
		return
	}
	home.Close()
	if home.ID() == id {
		return
	}
	found, _ := netns.Witnesses(id)
	if found[id] == nil {
		return
	}
	pinned.Lock()
	defer pinned.Unlock()
	if a.isEnded() { // unpin has been called, or will be
		return
	}
	if pinned.stop == nil {
		pinned.witnesses = map[*attachment]*netns.Witness{}
		pinned.stop = make(chan struct{})
		go watchWitnesses(pinned.stop)
	}
	pinned.witnesses[a] = found[id]
}

// unpin ends watchNamespace, after a has ended.
func (a *attachment) unpin() {
	pinned.Lock()
	defer pinned.Unlock()
	delete(pinned.witnesses, a)
	if len(pinned.witnesses) == 0 && pinned.stop != nil {
		close(pinned.stop)
		pinned.stop = nil
	}
}

func watchWitnesses(stop chan struct{}) {
	t := time.NewTicker(witnessEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			checkWitnesses()
		}
	}
}

// checkWitnesses looks for others where a witness has ended. It looks twice:
// what passes a namespace on from a process to another may be missed once.
func checkWitnesses() {
	pinned.Lock()
	witnesses := maps.Clone(pinned.witnesses)
	pinned.Unlock()
	lost := map[*attachment]netns.ID{}
	for a, w := range witnesses {
		if !w.Testifies() {
			lost[a] = w.Namespace()
		}
	}
	sure := 0
	for range 2 {
		if len(lost) == 0 {
			return
		}
		found, all := netns.Witnesses(slices.Collect(maps.Values(lost))...)
		if all {
			sure++
		}
		pinned.Lock()
		for a, id := range lost {
			if w := found[id]; w != nil {
				delete(lost, a)
				if pinned.witnesses[a] != nil {
					pinned.witnesses[a] = w
				}
			}
		}
		pinned.Unlock()
	}
	for a, id := range lost {
		switch {
		case sure == 0: // nor will it be known later
			a.unpin()
		case sure == 2 && a.isIn(id):
			a.end(abandoned)
		}
	}
}

// isIn tells whether the interface is in that namespace: a tap may have been
// moved to another one, which it does not keep alive.
func (a *attachment) isIn(id netns.ID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ns == id && !a.away
}
