package bus

import (
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
}

// parking is the list of a network's parked senders, oldest first.
type parking struct {
	kicks   atomic.Uint64 // times that somebody wanted a retry
	count   atomic.Int64  // len(list), readable without the lock
	wantOut atomic.Int64  // conns to Wake when a send need not wait

	mu   sync.Mutex
	list []*Parked
}

// Take copies the frames of b from the i-th on into p.Batch, for a sender
// whose memory does not stay.
func (p *Parked) Take(b *Batch, i int) {
	p.Batch.Reset()
	p.Batch.scattered, p.Batch.offloads = true, b.offloads
	for _, f := range b.Frames[i:] {
		p.Batch.Frames = append(p.Batch.Frames, Frame{raw: slices.Clone(f.raw), head: f.head})
	}
}

// Park lets p.Batch wait. p.Resume may be called before Park returns.
func (p *Parked) Park() {
	net := p.Conn.net
	net.park.mu.Lock()
	net.park.list = append(net.park.list, p)
	net.park.count.Add(1)
	net.park.mu.Unlock()
	net.unpark() // room may have been made meanwhile
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
	park.count.Add(-1)
	p.Batch.Reset()
	return true
}

// ease is called when a full queue got room, and when anything changed that
// senders may wait for.
func (n *Network) ease() {
	if n.park.count.Load() > 0 {
		n.unpark()
	}
	if n.park.wantOut.Load() > 0 {
		n.wakeSenders()
	}
}

// unpark retries the parked senders. Only one thread does so at a time; one
// that finds another at it leaves word by kicks and goes.
func (n *Network) unpark() {
	n.park.kicks.Add(1)
	for n.park.mu.TryLock() {
		before := n.park.kicks.Load()
		ready := n.retryLocked()
		n.park.mu.Unlock()
		n.settleOnce()
		for _, p := range ready {
			sent := len(p.Batch.Frames) == 0
			p.Batch.Reset()
			p.Resume(sent)
		}
		if n.park.kicks.Load() == before {
			return
		}
	}
}

// retryLocked tries to send for each parked sender and returns those that are
// done. Progress of one may give back room promised to it, so it goes round
// until nothing moves.
func (n *Network) retryLocked() (ready []*Parked) {
	for moved := true; moved; {
		moved = false
		keep := n.park.list[:0]
		for _, p := range n.park.list {
			if sent := p.Conn.sendFrom(&p.Batch, false); sent > 0 {
				moved = true
				p.Batch.drop(sent)
				if len(p.Batch.Frames) > 0 {
					p.Sent = p.Batch.Offset(0)
				}
			}
			if len(p.Batch.Frames) == 0 || p.Conn.gone.Load() {
				ready = append(ready, p)
				n.park.count.Add(-1)
			} else {
				keep = append(keep, p)
			}
		}
		clear(n.park.list[len(keep):])
		n.park.list = keep
	}
	return ready
}

// Blocked tells whether a send from c may have to wait now: some receiver
// with overflow BlockSender is full. It is exact for a broadcast, and may say yes
// too often where the policy would not choose that receiver.
func (c *Conn) Blocked() bool {
	s := c.net.load()
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
	if !c.wantOut.Swap(true) {
		c.net.park.wantOut.Add(1)
	}
}

func (c *Conn) dropWantOut() bool {
	had := c.wantOut.Swap(false)
	if had {
		c.net.park.wantOut.Add(-1)
	}
	return had
}

func (n *Network) wakeSenders() {
	var wake []*Conn
	n.mu.Lock()
	n.eachConnLocked(func(c *Conn) {
		if c.dropWantOut() {
			wake = append(wake, c)
		}
	})
	n.mu.Unlock()
	for _, c := range wake {
		c.ep.Wake()
	}
}

// carryLossless is carry for a network on which some receiver blocks: the
// frames go to all receivers or, as far as they do not fit, to none.
func (c *Conn) carryLossless(s *snapshot, b *Batch, e *Egress, i, j int, kick bool) int {
	b.targets = b.targets[:0]
	if e.flood {
		for _, to := range s.receivers {
			if to.port != c.port {
				b.targets = append(b.targets, target{to, Edit{}})
			}
		}
	} else {
		for k, p := range e.ports {
			if p == c.port {
				continue
			}
			for _, to := range *p.receivers.Load() {
				b.targets = append(b.targets, target{to, e.Edit(k)})
			}
		}
	}
	n := j - i
	b.room = b.room[:0]
	excess := false
	for _, to := range b.targets {
		got, all := to.reserve(n)
		if !all {
			excess = excess || len(b.room) > 0
			n = got
		}
		b.room = append(b.room, got)
		if n == 0 {
			break
		}
	}
	for k := range b.room {
		if n == 0 {
			b.targets[k].unreserve(b.room[k])
		} else {
			excess = b.push(i, i+n, b.targets[k], b.room[k]) || excess
		}
	}
	b.forms.release()
	c.countUnsent(e, n, len(b.targets))
	clear(b.targets)
	if excess && kick {
		c.net.ease()
	}
	return n
}
