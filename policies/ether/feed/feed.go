// Package feed lets a follower repeat what a switch decides (policy.Feeder): it
// brings him what has changed in the switch's table of stations and ports, and
// revokes what is forbidden.
//
// Any switch may use it that has a Source and an fdb. Its path:
//
//   - The switch calls Changed for each address that came, moved or went (the fdb's
//     Watch does), PortChanged for a port that may do more than before, and Revoke
//     for what may do less: always after the table has changed. Without a follower
//     each is the load of a pointer.
//   - Changes wait in a ring of fixed size, charged when the follower comes. Nobody
//     waits for it: what finds it full is lost, and the follower is told to look at
//     everything.
//   - The follower takes them by Next from a thread of his own, and asks the
//     Source, which takes no lock of the network.
//
// Changed and PortChanged may be called from any thread and under any lock of the
// switch; Follow, Revoke, Resync and End come under the network's lock.
package feed

import (
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// Source is what a switch tells of its table, from any thread: the methods of
// policy.Feed that have these names.
type Source interface {
	Station(vlan uint16, mac [6]byte) (policy.Station, bool)
	Stations(port int) []policy.Station
	Ports() []policy.FeedPort
	Port(number int) (policy.FeedPort, bool)
}

// Memory is what a follower's ring is charged to, in bytes.
type Memory interface {
	Charge(n int) bool
	Refund(n int)
}

// Feed is a switch's end. The zero Feed has no follower.
type Feed struct{ to atomic.Pointer[follower] }

// length is how many changes may wait, size what they take in bytes. A port costs
// the follower a look through the table, as everything does: so of ports only a
// few may wait.
const (
	length   = 4096
	size     = 1<<10 + length*16
	maxPorts = 8
)

// Follow lets f follow from, until it closes its end or End is called.
func (e *Feed) Follow(f policy.Follower, from Source, mem Memory) (policy.Feed, error) {
	if e.to.Load() != nil {
		return nil, fail.Errorf(fail.Busy, "somebody follows the switch already")
	}
	if !mem.Charge(size) {
		return nil, fail.Errorf(fail.NoSpace, "the network's memory is used up: see the mount option mem")
	}
	to := &follower{from: from, feed: e, calls: f, mem: mem, lost: true}
	e.to.Store(to)
	return to, nil
}

// Changed says that something about an address of a VLAN has changed.
func (e *Feed) Changed(vlan uint16, mac [6]byte) {
	if to := e.to.Load(); to != nil {
		to.push(policy.Change{VLAN: vlan, MAC: mac})
	}
}

// PortChanged says that a port is there, or may do more than before.
func (e *Feed) PortChanged(number int) {
	if to := e.to.Load(); to != nil {
		to.push(policy.Change{Port: number})
	}
}

// Revoke says that a port may do less in a VLAN, or that stations there have
// been forgotten; port 0 is all ports, policy.AnyVLAN all VLANs.
func (e *Feed) Revoke(port int, vlan uint16) {
	to := e.to.Load()
	if to == nil {
		return
	}
	to.calls.Revoke(port, vlan)
	if port != 0 {
		to.push(policy.Change{Port: port})
	} else {
		to.resync()
	}
}

// Resync says that anything may have changed, and that nothing is forbidden
// now which was not.
func (e *Feed) Resync() {
	if to := e.to.Load(); to != nil {
		to.resync()
	}
}

// Used tells when a frame from an address of a VLAN last came by a port past the
// switch, if somebody follows and knows.
func (e *Feed) Used(vlan uint16, mac [6]byte, port int) (when time.Time, ok bool) {
	if to := e.to.Load(); to != nil {
		return to.calls.Used(vlan, mac, port)
	}
	return when, false
}

// Followed tells whether somebody follows.
func (e *Feed) Followed() bool { return e.to.Load() != nil }

// End ends the following, as the switch does not forward any more.
func (e *Feed) End() {
	if to := e.to.Swap(nil); to != nil {
		to.close() // first: who has the new mark gets no answer any more
		to.calls.Revoke(0, policy.AnyVLAN)
		to.calls.Wake()
	}
}

// follower is the other end.
type follower struct {
	from  Source
	feed  *Feed
	calls policy.Follower
	ended atomic.Bool

	mu sync.Mutex // is held by nobody who calls
	// +checklocks:mu
	mem Memory // nil: closed
	// +checklocks:mu
	ring [length]policy.Change
	// +checklocks:mu
	first int
	// +checklocks:mu
	count int
	// +checklocks:mu
	ports int // of them that are ports
	// +checklocks:mu
	lost bool // changes: all is to be looked at
	// +checklocks:mu
	asleep bool // since Next found nothing
}

var _ policy.Feed = (*follower)(nil)

// push adds a change.
func (to *follower) push(c policy.Change) {
	to.mu.Lock()
	switch {
	case to.lost:
	case to.count == length || c.Port != 0 && to.ports == maxPorts:
		to.lose()
	default:
		to.ring[(to.first+to.count)%length] = c
		to.count++
		if c.Port != 0 {
			to.ports++
		}
	}
	to.wake()
}

// resync puts the mark in the place of all changes that wait.
func (to *follower) resync() {
	to.mu.Lock()
	to.lose()
	to.wake()
}

// +checklocks:to.mu
func (to *follower) lose() { to.count, to.ports, to.lost = 0, 0, true }

// wake unlocks and wakes the follower if it found nothing last.
//
// +checklocksrelease:to.mu
func (to *follower) wake() {
	wake := to.asleep
	to.asleep = false
	to.mu.Unlock()
	if wake {
		to.calls.Wake()
	}
}

// Next is policy.Feed's.
func (to *follower) Next(list []policy.Change) (n int, resync bool) {
	to.mu.Lock()
	defer to.mu.Unlock()
	resync, to.lost = to.lost, false
	for ; n < len(list) && to.count > 0; n++ {
		if list[n] = to.ring[to.first]; list[n].Port != 0 {
			to.ports--
		}
		to.first = (to.first + 1) % length
		to.count--
	}
	to.asleep = n == 0 && !resync
	return n, resync
}

// Station is policy.Feed's. What has ended knows nothing, as all below it: its table
// may be there still.
func (to *follower) Station(vlan uint16, mac [6]byte) (s policy.Station, ok bool) {
	if to.Ended() {
		return s, false
	}
	return to.from.Station(vlan, mac)
}

// Stations is policy.Feed's.
func (to *follower) Stations(port int) []policy.Station {
	if to.Ended() {
		return nil
	}
	return to.from.Stations(port)
}

// Ports is policy.Feed's.
func (to *follower) Ports() []policy.FeedPort {
	if to.Ended() {
		return nil
	}
	return to.from.Ports()
}

// Port is policy.Feed's.
func (to *follower) Port(number int) (p policy.FeedPort, ok bool) {
	if to.Ended() {
		return p, false
	}
	return to.from.Port(number)
}

// Ended is policy.Feed's.
func (to *follower) Ended() bool { return to.ended.Load() }

// Close is policy.Feed's.
func (to *follower) Close() {
	to.feed.to.CompareAndSwap(to, nil)
	to.close()
}

// close gives the memory back, once.
func (to *follower) close() {
	to.mu.Lock()
	defer to.mu.Unlock()
	if to.mem != nil {
		to.ended.Store(true)
		to.mem.Refund(size)
		to.mem = nil
	}
}
