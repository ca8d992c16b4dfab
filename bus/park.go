package bus

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A network whose overflow is BlockSender makes a sender wait while a receiver is
// full. Such a sender is parked: its thread goes on, and whoever takes a frame
// from a full queue sends for it (ease).

// Parked is a send that waits. Fill Conn and Batch (with what is left to be
// sent, in memory that stays until Resume or Cancel), and call Park.
type Parked struct {
	Conn  *Conn
	Batch Batch
	// Resume is called once, without locks: all frames were sent, or else
	// Conn is gone. Batch is empty then and may be used again.
	Resume func(sent bool)
	// Sent is how many bytes of Batch's span went while it waited, as far as
	// that was not all; read it after Cancel, or in Resume.
	Sent int

	full  *Conn  // the receiver that had no room; nil: not known
	asked uint64 // parking.changes when that was found out
}

// stuck tells that p need not be asked: the receiver that had no room has none yet,
// and since then nothing changed that decides who gets the frame.
func (p *Parked) stuck(changes uint64) bool {
	return p.full != nil && p.asked == changes && p.full.blocks()
}

// parking is the list of a network's parked senders, oldest first.
type parking struct {
	kicks   atomic.Uint64 // times that somebody wanted a retry
	busy    atomic.Bool   // a thread is at it
	count   atomic.Int64  // len(list), readable without the lock
	wantOut atomic.Int64  // len(wants), readable without the lock
	changes atomic.Uint64 // times that something changed that decides who gets a frame

	mu sync.Mutex
	// +checklocks:mu
	list []*Parked
	// +checklocks:mu
	next int // index of the first that was not asked in this round
	// +checklocks:mu
	moved bool // one went on in this round
	// +checklocks:mu
	since uint64 // kicks when the round began

	wantMu sync.Mutex
	// +checklocks:wantMu
	wants map[*Conn]struct{} // to Wake when a send need not wait
}

// Take copies the frames of b from the i-th on into p.Batch, for a sender
// whose memory does not stay, and tells whether there is something to Park. The
// copies are charged to the network. Those for which it has no memory are lost,
// and counted so at the receiver that had no room, or at p.Conn if the budget of b
// was spent.
func (p *Parked) Take(b *Batch, i int) bool {
	if lost := p.Batch.Take(p.Conn.net.mem, &b.Batch, i); lost > 0 {
		p.Conn.count(b, len(b.Frames)-lost, len(b.Frames))
		cmp.Or(b.full, p.Conn).lostUnqueued(lost)
	}
	return len(p.Batch.Frames) > 0
}

// Park lets p.Batch wait. p.Resume may be called before Park returns.
func (p *Parked) Park() {
	net := p.Conn.net
	p.Batch.NoWait = true // who retries it has others to serve
	p.full = nil
	net.park.mu.Lock()
	net.park.list = append(net.park.list, p)
	net.park.count.Add(1)
	net.park.mu.Unlock()
	net.unpark(false) // room may have been made meanwhile
}

// Cancel takes p out of the list and tells whether it was there: if not, it
// was or is just being resumed.
func (p *Parked) Cancel() bool {
	park := &p.Conn.net.park
	park.mu.Lock()
	defer park.mu.Unlock()
	i := slices.Index(park.list, p)
	if i < 0 {
		return false
	}
	park.list = slices.Delete(park.list, i, i+1)
	if i < park.next {
		park.next--
	}
	park.count.Add(-1)
	p.Batch.Reset()
	return true
}

// easeWork is how many sends to how many receivers a thread retries that has
// frames of others to carry, and for how long the lock of the list is held.
// easeWakes is how many endpoints it wakes.
const (
	easeWork  = 2048
	easeWakes = 64
)

// ease is called when a full queue got room, and when anything changed that
// senders may wait for. What is much is the clerk's.
func (n *Network) ease() {
	if n.park.count.Load() > 0 {
		n.unpark(false)
	}
	if wants := n.park.wantOut.Load(); wants > easeWakes {
		n.wakeClerk()
	} else if wants > 0 {
		n.wakeSenders()
	}
}

// easeAll is ease for the clerk.
func (n *Network) easeAll() {
	if n.park.count.Load() > 0 {
		n.unpark(true)
	}
	n.wakeSenders()
}

// unpark retries the parked senders. The clerk goes on to the end and gives way
// now and then; another thread does a little, and leaves the rest to the clerk.
// Only one thread does so at a time; one that finds another at it leaves word by
// kicks and goes.
func (n *Network) unpark(clerk bool) {
	n.park.kicks.Add(1)
	if s := n.snap.Load(); !clerk && s != nil && len(s.receivers) > easeWork {
		n.wakeClerk()
		return
	}
	work := 0
	for n.park.busy.CompareAndSwap(false, true) {
		if !clerk && work >= easeWork {
			n.park.busy.Store(false)
			n.wakeClerk()
			return
		}
		ready, did, over, kicks := n.retry()
		n.park.busy.Store(false)
		work += did
		if n.work.count.Load() > 0 {
			n.settleRound() // and not what comes of it: that may retry, too
		}
		for _, p := range ready {
			sent := len(p.Batch.Frames) == 0
			p.Batch.Reset()
			p.Resume(sent)
		}
		if over && n.park.kicks.Load() == kicks {
			return
		}
		if clerk {
			runtime.Gosched()
		}
	}
}

// retry tries to send for some parked senders, from where the last call ended,
// and returns those that are done, and how much work it was. over tells that all
// were asked since there were so many kicks, and nothing moves any more: progress
// of one may give back room promised to it, so it goes round until then.
func (n *Network) retry() (ready []*Parked, work int, over bool, kicks uint64) {
	park := &n.park
	park.mu.Lock()
	defer park.mu.Unlock()
	if park.next == 0 {
		park.moved, park.since = false, park.kicks.Load()
	}
	each := 1
	if s := n.snap.Load(); s != nil {
		each += len(s.receivers)
	}
	changes := park.changes.Load()
	keep := park.list[:park.next]
	i := park.next
	for ; i < len(park.list) && work < easeWork; i++ {
		p := park.list[i]
		if p.stuck(changes) {
			work++
			keep = append(keep, p)
			continue
		}
		work += each
		if sent := p.Conn.sendFrom(&p.Batch, false); sent > 0 {
			park.moved = true
			p.Batch.Discard(sent)
			if len(p.Batch.Frames) > 0 {
				p.Sent = p.Batch.Offset(0)
			}
		}
		p.full, p.asked = p.Batch.full, changes
		if len(p.Batch.Frames) == 0 || p.Conn.gone.Load() {
			ready = append(ready, p)
			park.count.Add(-1)
		} else {
			keep = append(keep, p)
		}
	}
	asked := i == len(park.list)
	park.next = len(keep)
	keep = append(keep, park.list[i:]...)
	clear(park.list[len(keep):])
	park.list = keep
	if asked {
		park.next = 0
	}
	return ready, work + 1, asked && !park.moved, park.since
}

// Blocked tells whether a send from c may have to wait now: some receiver
// with overflow BlockSender is full. It is exact for a broadcast, and may say yes
// too often where the policy would not choose that receiver, or while the
// network is being changed.
func (c *Conn) Blocked() bool {
	s := c.net.loadSoon()
	if s == nil {
		return true // until the clerk wakes who wants to know
	}
	if !s.blocking {
		return false
	}
	for _, to := range s.receivers {
		if to.port != c.port && to.blocks() {
			return true
		}
	}
	return false
}

// WantOut asks for one Wake when Blocked may have turned to false. Ask
// Blocked once more afterwards.
func (c *Conn) WantOut() {
	park := &c.net.park
	park.wantMu.Lock()
	defer park.wantMu.Unlock()
	if park.wants == nil {
		park.wants = map[*Conn]struct{}{}
	}
	park.wants[c] = struct{}{}
	park.wantOut.Store(int64(len(park.wants)))
}

// forget ends WantOut.
func (park *parking) forget(c *Conn) {
	park.wantMu.Lock()
	defer park.wantMu.Unlock()
	delete(park.wants, c)
	park.wantOut.Store(int64(len(park.wants)))
}

func (n *Network) wakeSenders() {
	park := &n.park
	park.wantMu.Lock()
	wants := park.wants
	park.wants = nil
	park.wantOut.Store(0)
	park.wantMu.Unlock()
	for c := range wants {
		c.ep.Wake()
	}
}
