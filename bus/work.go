package bus

import (
	"sync"
	"sync/atomic"
)

// work is what a policy asked for that could not be done at once: calls that
// need the network's lock, and frames that must not be sent under it.
type work struct {
	count atomic.Int64 // len(todo)+len(out), readable without the lock

	mu   sync.Mutex
	todo []deferred
	out  []outgoing
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

// settle does the work that waits, and what comes of it. No lock is held.
func (n *Network) settle() {
	for n.work.count.Load() > 0 {
		if !n.settleOnce() {
			return
		}
		n.ease() // it may have changed where frames go
	}
}

// settleOnce does the work that waits now.
func (n *Network) settleOnce() (did bool) {
	w := &n.work
	w.mu.Lock()
	todo, out := w.todo, w.out
	w.todo, w.out = nil, nil
	w.count.Add(-int64(len(todo) + len(out)))
	w.mu.Unlock()
	if len(todo) > 0 {
		n.mu.Lock()
		for _, d := range todo {
			if d.gen == n.policyGen.Load() {
				d.f()
			}
		}
		n.mu.Unlock()
	}
	if len(out) > 0 {
		var b Batch
		for _, o := range out {
			b.SetFrame(o.frame)
			for _, to := range *o.port.receivers.Load() {
				to.push(&b, 0, 1, 0)
			}
		}
		b.Reset()
	}
	return len(todo)+len(out) > 0
}
