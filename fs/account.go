package fs

import (
	"sync"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// account is one user's, of what he has open but doors: texts, listings and
// subscriptions to events. They are charged to his part of the mount's memory,
// which is that of his networks.
type account struct {
	uid    uint32
	mem    *frame.Memory
	done   func()
	open   atomic.Int64 // written under accounts.mu
	making sync.Mutex   // held while a big text is made for him
}

// Of what a user has open the first freeOpen files are not charged while they
// hold no more than freeSize bytes each: a report can be read, also when no
// memory is left.
const (
	freeOpen = 64
	freeSize = 16 << 10
)

// bigAtOnce is how many big texts are made at the same time. A user has one of
// them at most; his others wait for that.
const bigAtOnce = 4

// accounts are those of the users who have something open.
type accounts struct {
	bus *bus.Bus
	big chan struct{}

	mu sync.Mutex
	// +checklocks:mu
	users map[uint32]*account
}

func newAccounts(b *bus.Bus) accounts {
	return accounts{bus: b, big: make(chan struct{}, bigAtOnce), users: map[uint32]*account{}}
}

// enter counts one more file that the user of that uid has open.
func (s *accounts) enter(uid uint32) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.users[uid]
	if a == nil {
		a = &account{uid: uid}
		a.mem, a.done = s.bus.Account(uid)
		s.users[uid] = a
	}
	a.open.Add(1)
	return a
}

// leave is the end of enter.
func (s *accounts) leave(a *account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.open.Add(-1) == 0 {
		delete(s.users, a.uid)
		a.done()
	}
}

// charge books n bytes that an open file holds in place of before, and returns
// what is booked. If there is no memory for them nothing is.
func (a *account) charge(n, before int) (int, bool) {
	a.mem.Refund(before)
	if n <= freeSize && a.open.Load() <= freeOpen {
		return 0, true
	}
	if !a.mem.Charge(n) {
		return 0, false
	}
	return n, true
}

// make calls f, which makes a big text for a, when it is a's turn.
//
// +checklocksignore: what is deferred runs with a.making held
func (s *accounts) make(a *account, f func()) {
	a.making.Lock()
	defer a.making.Unlock()
	s.big <- struct{}{}
	defer func() { <-s.big }()
	f()
}
