package bus

import (
	"sync"
	"sync/atomic"

	"ipnfs/bus/policy"
)

// Control work is what is done under Network.mu: ports come and go, settings
// change, the policy works on its tables. It may take long, and the threads that
// carry frames serve other networks, too. So they never wait for that lock: what
// they cannot do at once they post.

// clerk is the control work of one network that was posted. Whoever takes
// Network.mu does first what was posted before, so that a request finds all that
// came before it done. If nobody does, a goroutine of the network's own
// does; it is there while there is work.
type clerk struct {
	waiting atomic.Int64 // len(posted), readable without the lock

	mu sync.Mutex // is taken under any other lock, and none under it
	// +checklocks:mu
	posted []func() // to be called under Network.mu, oldest first
	// +checklocks:mu
	gone []*Conn // whose endpoints are not told yet
	// +checklocks:mu
	ready []func() // to be called without a lock when senders need not wait
	// +checklocks:mu
	again bool // there is work
	// +checklocks:mu
	runs bool // the goroutine is there
}

// Bounds of what a thread that carries frames does of the control work of its
// network, if it gets the lock at once: by these all of it costs some 10 us.
const (
	cheapPorts = 64   // more, or more who hear of it, make a change of the ports dear
	cheapQueue = 1024 // more frames make it dear to drop what is queued
	cheapTable = 4096 // more ports make a snapshot dear
	cheapCalls = 16   // calls that a policy deferred
	cheapSends = 64   // frames of a policy's own
)

// lock takes Network.mu, and does what was posted.
//
// +checklocksacquire:n.mu
func (n *Network) lock() {
	n.mu.Lock()
	n.catchUpLocked()
}

// tryLock is lock for a thread that carries frames. It fails if somebody else
// works under the lock, or is to do so first.
//
// +checklocksignore: the lock is taken if it says so
func (n *Network) tryLock() bool {
	if n.clerk.waiting.Load() > 0 || !n.mu.TryLock() {
		return false
	}
	if n.clerk.waiting.Load() > 0 {
		n.mu.Unlock()
		return false
	}
	return true
}

// tryCheap is tryLock for a change of the ports. It fails, too, if that may
// be dear: a policy that hears of ports may have much to do.
//
// +checklocksignore: the lock is taken if it says so
func (n *Network) tryCheap() bool {
	if !n.tryLock() {
		return false
	}
	if _, hears := n.policy.(policy.Joiner); hears || n.crowded() {
		n.mu.Unlock()
		return false
	}
	return true
}

// crowded tells whether control work is dear for the number of ports, or of those
// who read the events that it makes. Network.mu is held.
//
// +checklocks:n.mu
func (n *Network) crowded() bool { return n.used > cheapPorts || n.listening.Load() > cheapPorts }

// catchUpLocked does what was posted.
//
// +checklocks:n.mu
func (n *Network) catchUpLocked() {
	c := &n.clerk
	for c.waiting.Load() > 0 {
		c.mu.Lock()
		posted := c.posted
		c.posted = nil
		c.mu.Unlock()
		for _, f := range posted {
			f()
		}
		c.waiting.Add(-int64(len(posted)))
	}
}

// post lets f be called under Network.mu, behind what was posted before. It waits
// for no work.
func (n *Network) post(f func()) {
	c := &n.clerk
	c.mu.Lock()
	c.posted = append(c.posted, f)
	c.waiting.Add(1)
	c.mu.Unlock()
	n.wakeClerk()
}

// wakeClerk lets the network's goroutine do what there is to do.
func (n *Network) wakeClerk() {
	c := &n.clerk
	c.mu.Lock()
	defer c.mu.Unlock()
	c.again = true
	if !c.runs {
		c.runs = true
		go n.runClerk()
	}
}

// runClerk does all there is, and ends.
func (n *Network) runClerk() {
	c := &n.clerk
	for {
		c.mu.Lock()
		if !c.again {
			c.runs = false
			c.mu.Unlock()
			return
		}
		c.again = false
		ready := c.ready
		c.ready = nil
		c.mu.Unlock()

		n.lock()
		n.loadLocked()
		n.mu.Unlock()
		n.after()
		n.easeAll()
		for _, f := range ready {
			f()
		}
	}
}

// Ready tells whether a frame can be sent now without waiting for work under the
// network's lock. If not, later is called once when it can, without locks.
func (n *Network) Ready(later func()) bool {
	if n.loadSoon() != nil {
		return true
	}
	c := &n.clerk
	c.mu.Lock()
	c.ready = append(c.ready, later)
	c.mu.Unlock()
	n.wakeClerk()
	return false
}

// after does what a change of the network brings about. No lock is held, and
// the thread may wait.
func (n *Network) after() {
	n.park.changes.Add(1)
	n.tellGone()
	n.settle()
	n.ease()
}

// afterSoon is after for a thread that carries frames.
func (n *Network) afterSoon() {
	n.park.changes.Add(1)
	n.tellGone()
	n.settleSoon()
	n.ease()
}

// tellGone tells the endpoints that were taken off.
func (n *Network) tellGone() {
	c := &n.clerk
	c.mu.Lock()
	gone := c.gone
	c.gone = nil
	c.mu.Unlock()
	for _, conn := range gone {
		conn.ep.Gone()
	}
}
