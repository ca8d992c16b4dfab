package l2switch

import (
	"sync"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
)

// What the switch holds is charged to its network: before it is made, and at its
// size in bytes with its part of maps and lists. Ports as such are not: there are
// no more than the mount allows, and one takes a few hundred bytes.
const (
	switchSize = fdb.BaseSize + 4<<10
	configSize = 640 // of a port that was set up
	treeSize   = 1 << 10
	statesSize = 1 << 10 // of a port with a state in each VLAN
)

// memory is what the switch has charged to its network, from Admit to Stop. Safe
// for concurrent use.
type memory struct {
	mu sync.Mutex
	// +checklocks:mu
	env policy.Env
	// +checklocks:mu
	open bool
	// +checklocks:mu
	held int

	spare int // of held: see prepay; guarded by the network's lock
}

var errNoMemory = fail.Errorf(fail.NoSpace, "the network's memory is used up: see the mount option mem")

func (m *memory) start(env policy.Env) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.env, m.open = env, true
}

// stop gives all of it back. Nothing is charged any more.
func (m *memory) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		m.env.Refund(m.held)
	}
	m.open, m.held, m.spare = false, 0, 0
}

// Charge books n bytes if the network may hold them.
func (m *memory) Charge(n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	ok := m.open && m.env.Charge(n)
	if ok {
		m.held += n
	}
	return ok
}

// Refund gives n bytes back.
func (m *memory) Refund(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open {
		m.held -= n
		m.env.Refund(n)
	}
}

// prepay books n bytes for what a command is to take, so that it is carried out
// whole or refused. What of it was not taken goes back by settle.
func (m *memory) prepay(n int) error {
	if n > 0 {
		if !m.Charge(n) {
			return errNoMemory
		}
		m.spare += n
	}
	return nil
}

// take is Charge for calls with the network's lock: it takes what was prepaid
// first.
func (m *memory) take(n int) bool {
	prepaid := min(n, m.spare)
	if n > prepaid && !m.Charge(n-prepaid) {
		return false
	}
	m.spare -= prepaid
	return true
}

// settle ends prepay.
func (m *memory) settle() {
	if m.spare > 0 {
		m.Refund(m.spare)
		m.spare = 0
	}
}
