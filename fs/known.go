package fs

import (
	"sync"

	"ipnfs/bus"
)

// known is what the kernel remembers: nodes that it was told of by LOOKUP and
// MKDIR, and has not yet forgotten. As long as it remembers a node, something
// may be open there, or somebody be in the directory, and what comes later must
// not get the same id. Safe for concurrent use; no other lock is taken under mu.
type known struct {
	mu sync.Mutex
	// +checklocks:mu
	nets map[uint32]uint64 // lookups of all nodes of a network, by its id
	// +checklocks:mu
	nodes map[uint64]knownNode // fresh ones, and those of ports/N and its files, by node id
}

// knownNode is what a node id in nodes means.
type knownNode struct {
	port    *bus.Port // nil outside of ports/
	life    uint64    // of the policy that serves the file, 0 if none does
	lookups uint64
}

// maxTries bounds the search for a free id: who has most of the ids of one file
// open gets no more of them.
const maxTries = 64

func newKnown() known {
	return known{nets: map[uint32]uint64{}, nodes: map[uint64]knownNode{}}
}

// enter counts a lookup of n. It gives n the lowest bits of its id, or returns
// false if there are none left.
func (k *known) enter(n *node) bool {
	n.refresh()
	k.mu.Lock()
	defer k.mu.Unlock()
	if (n.row.ofPort() || n.row.live) && !k.enterNode(n) {
		return false
	}
	if n.net != nil {
		k.nets[n.net.ID()]++
	}
	return true
}

// enterNode is enter for what is in nodes. A node that is not fresh has one id for
// as long as it is known. k.mu is held.
//
// +checklocks:k.mu
func (k *known) enterNode(n *node) bool {
	const tags = 1<<portShift - 1
	for range maxTries {
		is, taken := k.nodes[n.id]
		same := is.port == n.port && is.life == n.life
		if !taken || same && !n.row.live {
			k.nodes[n.id] = knownNode{n.port, n.life, is.lookups + 1}
			return true
		}
		n.id = n.id&^tags | (n.id+1)&tags
	}
	return false
}

// port returns what was entered under a node id, or nil.
func (k *known) port(id uint64) (port *bus.Port, life uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	is := k.nodes[id]
	return is.port, is.life
}

// forget takes back so many lookups of a node id.
func (k *known) forget(id, lookups uint64) {
	net := netOf(id)
	k.mu.Lock()
	defer k.mu.Unlock()
	if left := k.nets[net]; left > lookups {
		k.nets[net] = left - lookups
	} else {
		delete(k.nets, net)
	}
	is, ok := k.nodes[id]
	if is.lookups -= min(is.lookups, lookups); is.lookups > 0 {
		k.nodes[id] = is
	} else if ok {
		delete(k.nodes, id)
	}
}

// network tells whether the kernel remembers a node of the network with that
// id.
func (k *known) network(id uint32) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.nets[id] > 0
}
