package bus

import (
	"math"
	"sync"
	"sync/atomic"

	"ipnfs/bus/frame"
)

// work is what a policy asked for that could not be done at once: calls that
// need the network's lock, and frames that must not be sent under it.
type work struct {
	count atomic.Int64 // len(urgent)+len(todo)+len(out), readable without the lock

	mu sync.Mutex
	// +checklocks:mu
	urgent []deferred // come before todo
	// +checklocks:mu
	todo []deferred
	// +checklocks:mu
	out []outgoing
	// +checklocks:mu
	sending bool // a thread is at out: the frames go in order
}

type deferred struct {
	gen uint64
	f   func()
}

type outgoing struct {
	port  *Port
	frame []byte
}

// maxDeferred and maxOutgoing bound the lists of work. What goes out is what
// one call makes: a spanning tree for each of 128 VLANs on 1024 ports.
const (
	maxDeferred = 1024
	maxOutgoing = 128 << 10
)

// settle does the work that waits, and what comes of it. No lock is held, and
// the thread may wait.
func (n *Network) settle() {
	for n.work.count.Load() > 0 {
		did := false
		if calls, _ := n.work.waiting(); calls > 0 {
			n.lock()
			did = n.callDeferredLocked()
			n.mu.Unlock()
		}
		if !n.sendOut(n.load(), math.MaxInt) && !did {
			return
		}
		n.ease() // it may have changed where frames go
	}
}

// settleSoon is settle for a thread that carries frames: what it cannot do at
// once, or is much, is the clerk's.
func (n *Network) settleSoon() {
	for round := 0; n.work.count.Load() > 0; round++ {
		if round == cheapCalls {
			n.wakeClerk()
			return
		}
		if !n.settleRound() {
			return
		}
		n.ease()
	}
}

// settleRound does the work that waits now, with the frames that come of it, and
// tells whether it did some. If it did not, the clerk does, or another thread.
func (n *Network) settleRound() (did bool) {
	calls, frames := n.work.waiting()
	if calls > cheapCalls || frames > cheapSends || calls > 0 && !n.tryLock() {
		n.wakeClerk()
		return false
	}
	if calls > 0 {
		if did = !n.crowded(); did { // +checklocksforce: tryLock took n.mu
			n.callDeferredLocked()
		}
		n.mu.Unlock()
		if !did {
			n.wakeClerk()
			return false
		}
	}
	if s := n.loadSoon(); s != nil {
		did = n.sendOut(s, cheapSends) || did
	}
	return did
}

// waiting tells how many calls and frames wait.
func (w *work) waiting() (calls, frames int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.urgent) + len(w.todo), len(w.out)
}

// callDeferredLocked makes the calls that wait, and tells whether there were any.
//
// +checklocks:n.mu
func (n *Network) callDeferredLocked() bool {
	w := &n.work
	w.mu.Lock()
	urgent, todo := w.urgent, w.todo
	w.urgent, w.todo = nil, nil
	w.count.Add(-int64(len(urgent) + len(todo)))
	w.mu.Unlock()
	n.park.changes.Add(1)
	for _, list := range [][]deferred{urgent, todo} {
		for _, d := range list {
			if d.gen == n.policyGen.Load() {
				d.f()
			}
		}
	}
	return len(urgent)+len(todo) > 0
}

// sendOut sends the policy's own frames, about most of them and in order, and
// tells whether there were any. If another thread is at it, that one does it.
func (n *Network) sendOut(s *snapshot, most int) (did bool) {
	w := &n.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sending {
		return false
	}
	w.sending = true
	var b Batch
	for sent := 0; len(w.out) > 0; {
		if sent >= most {
			n.wakeClerk()
			break
		}
		out := w.out
		w.out = nil
		w.count.Add(-int64(len(out)))
		w.mu.Unlock()
		for _, o := range out {
			b.SetFrame(o.frame)
			for _, to := range *o.port.receivers.Load() {
				b.transmit(nil, ranks, 0, 1, target{to, frame.Edit{}}, 0)
			}
			s.mirrorSent(&b, o.port)
			b.egress.Reset()
			b.egress.Add(o.port)
			n.showCarried(nil, &b.Batch, 0, 1, &b.egress)
		}
		b.Reset()
		did = true
		sent += len(out)
		w.mu.Lock()
	}
	w.sending = false
	return did
}
