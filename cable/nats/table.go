package nats

import (
	"encoding/binary"
	"sync"

	"ipnfs/bus/frame"
)

// What a station and a node take in bytes, and how many there may be: of stations in
// all and behind one node. Frames for others go to all nodes, as a switch does it.
const (
	stationCost = 96
	nodeCost    = 512

	maxStations     = 16384
	maxNodeStations = 4096
)

// node is another member of the network, with a subject of its own.
type node struct {
	subject string

	// The writer's own.
	begun    bool
	sequence uint64 // frames sent to the subject

	open     *message // that takes more frames; under outbox.mu
	stations int      // behind it; under table.mu
}

// table knows behind which node a station is, as a switch knows its ports: by the
// senders of frames that come.
type table struct {
	memory *frame.Memory // set before anything is learned
	// subject makes a node's subject of its number.
	subject func(sender uint64) string

	mu sync.Mutex
	// +checklocks:mu
	stations map[uint64]place
	// +checklocks:mu
	nodes map[uint64]*node
	// +checklocks:mu
	round uint32 // counts forget
}

// place is where a station was heard last.
type place struct {
	sender uint64
	node   *node
	heard  uint32 // table.round then
}

func newTable(subject func(uint64) string) *table {
	return &table{subject: subject, stations: map[uint64]place{}, nodes: map[uint64]*node{}}
}

// Lengths of an ethernet header, without and with a tag (IEEE 802.3, 802.1Q).
const (
	etherLen  = 14
	taggedLen = 18
)

// key is a MAC address and the VLAN that the frame is tagged for.
func key(mac, data []byte) uint64 {
	k := uint64(binary.BigEndian.Uint16(mac))<<32 | uint64(binary.BigEndian.Uint32(mac[2:]))
	if len(data) >= taggedLen {
		switch binary.BigEndian.Uint16(data[12:]) {
		case 0x8100, 0x88a8:
			k |= uint64(binary.BigEndian.Uint16(data[14:])&0xfff) << 48
		}
	}
	return k
}

// findLocked returns the node that a frame is for alone, or nil.
//
// +checklocks:t.mu
func (t *table) findLocked(data []byte) *node {
	if len(data) < etherLen || data[0]&1 != 0 || len(t.stations) == 0 {
		return nil
	}
	return t.stations[key(data, data)].node
}

// learnLocked notes that who sent a frame is behind a node.
//
// +checklocks:t.mu
func (t *table) learnLocked(data []byte, sender uint64) {
	if len(data) < etherLen || data[6]&1 != 0 {
		return
	}
	k := key(data[6:], data)
	p, known := t.stations[k]
	if known && p.sender == sender {
		if p.heard != t.round {
			p.heard = t.round
			t.stations[k] = p
		}
		return
	}
	n := t.nodeLocked(sender)
	if n == nil || n.stations >= maxNodeStations || !known && (len(t.stations) >= maxStations || !t.memory.ChargeTable(stationCost)) {
		t.dropLocked(sender, n)
		return
	}
	if known {
		p.node.stations--
		t.dropLocked(p.sender, p.node)
	}
	n.stations++
	t.stations[k] = place{sender, n, t.round}
}

// nodeLocked returns the node of a sender, or nil: there is no memory for one.
//
// +checklocks:t.mu
func (t *table) nodeLocked(sender uint64) *node {
	n := t.nodes[sender]
	if n == nil && t.memory.ChargeTable(nodeCost) {
		n = &node{subject: t.subject(sender)}
		t.nodes[sender] = n
	}
	return n
}

// dropLocked forgets a node behind which is no station.
//
// +checklocks:t.mu
func (t *table) dropLocked(sender uint64, n *node) {
	if n != nil && n.stations == 0 {
		delete(t.nodes, sender)
		t.memory.RefundTable(nodeCost)
	}
}

// forget forgets stations of which nothing was heard for so many calls.
func (t *table) forget(calls uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	for k, p := range t.stations {
		if t.round-p.heard > calls {
			t.takeLocked(k, p)
		}
	}
}

// leave forgets a node and what is behind it, or, if it is empty, all.
func (t *table) leave(subject string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, p := range t.stations {
		if subject == "" || p.node.subject == subject {
			t.takeLocked(k, p)
		}
	}
}

// +checklocks:t.mu
func (t *table) takeLocked(k uint64, p place) {
	delete(t.stations, k)
	t.memory.RefundTable(stationCost)
	p.node.stations--
	t.dropLocked(p.sender, p.node)
}

// count tells how many stations are known.
func (t *table) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.stations)
}
