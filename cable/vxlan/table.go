package vxlan

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/frame"
	"ipnfs/lane/udp"
)

// What a station takes in bytes, and how many there may be. Frames for others go to all.
const (
	stationCost = 96
	maxStations = 16384
)

// A station is forgotten if nothing was heard of it for so many rounds of so long: 300 s,
// as Linux and IEEE 802.1D do it.
const (
	rounds    = 10
	roundTime = 30 * time.Second
)

// table knows behind which peer a station is, as a switch knows its ports: by the senders
// of frames that come.
type table struct {
	memory *frame.Memory
	round  atomic.Uint32 // counts the time

	mu sync.Mutex
	// +checklocks:mu
	stations map[uint64]learned
	// +checklocks:mu
	timer *time.Timer
	// +checklocks:mu
	closed bool
}

func newTable(m *frame.Memory) *table {
	t := &table{memory: m, stations: map[uint64]learned{}}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(roundTime, t.next)
	return t
}

// station is the number of a MAC address.
func station(mac []byte) uint64 {
	return uint64(binary.BigEndian.Uint16(mac))<<32 | uint64(binary.BigEndian.Uint32(mac[2:]))
}

// find tells where a station is.
func (t *table) find(station uint64) (at udp.Addr, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, known := t.stations[station]
	return l.from, known
}

// learn notes where a station is, if there is room.
func (t *table) learn(l learned) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.stations[l.station]; !known {
		if t.closed || len(t.stations) >= maxStations || !t.memory.ChargeTable(stationCost) {
			return
		}
	}
	t.stations[l.station] = l
}

// next begins a round, and forgets who was not heard of for long.
func (t *table) next() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	now := t.round.Add(1)
	for s, l := range t.stations {
		if now-l.round > rounds {
			delete(t.stations, s)
			t.memory.RefundTable(stationCost)
		}
	}
	t.timer.Reset(roundTime)
}

// close forgets all.
func (t *table) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.timer.Stop()
	t.memory.RefundTable(len(t.stations) * stationCost)
	clear(t.stations)
}
