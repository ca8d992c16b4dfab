package bus

import (
	"sync/atomic"

	"ipnfs/bus/frame"
)

// Reasons for which a frame is dropped.
const (
	dropFull    = iota // the receiver's queue was full
	dropOldest         // displaced by a newer frame (drop-old)
	dropMemory         // the mount's cap on queued bytes was reached
	dropTooLong        // longer than the receiver's door can carry
	dropLeft           // still queued when the receiver left
	dropDevice         // the receiver's device did not take it
	dropReasons
)

var dropNames = [dropReasons]string{"full", "displaced", "memory", "too_long", "left", "device"}

// counters count what happened to the frames that a policy sent to one Conn.
// offered = delivered + queued + the sum of drops, at all times.
type counters struct {
	offered, delivered, deliveredBytes uint64
	drops                              [dropReasons]uint64
	barred                             [frame.Drops]uint64 // not offered: a stage did not let them pass
}

// sending are the counters of what a Conn sends. They are apart, since those that
// bring nothing need none. What one brings that may not send is counted by the reason
// for which its endpoint drops it.
type sending struct {
	frames, bytes, nobody, refused atomic.Uint64
	barred                         [frame.Drops]atomic.Uint64
}

// unsent is of all who bring nothing; nobody reads it.
var unsent sending

// Stats are the counters of a network or a port since its start or its last
// reset. Directions are those of the port's holder: he sends and receives.
type Stats struct {
	Frames, Bytes    uint64 // sent, and accepted
	Refused          uint64 // sent, but over the mtu: refused with EMSGSIZE
	Nobody           uint64 // accepted, but the policy found no receiver
	Barred           [frame.Drops]uint64
	Offered          uint64 // copies meant for receivers
	Received         uint64 // copies that receivers took
	ReceivedBytes    uint64
	Queued           uint64 // copies waiting now
	QueuedBytes      uint64
	Drops            [dropReasons]uint64
	Ports            int // connected port numbers
	Readers, Writers int // connections that may receive, that may send
}

// Stat is one line of Stats.
type Stat struct {
	Name  string
	Value uint64
}

// List returns the counters in a fixed order, with stable names.
func (s *Stats) List() []Stat {
	list := []Stat{
		{"frames", s.Frames}, {"bytes", s.Bytes}, {"refused_too_long", s.Refused},
		{"offered", s.Offered}, {"received", s.Received}, {"received_bytes", s.ReceivedBytes},
		{"queued", s.Queued}, {"queued_bytes", s.QueuedBytes},
		{"drop_nobody", s.Nobody},
	}
	for i, name := range dropNames {
		list = append(list, Stat{"drop_" + name, s.Drops[i]})
	}
	for d := range frame.Drops {
		if d != 0 {
			list = append(list, Stat{"drop_" + d.String(), s.Barred[d]})
		}
	}
	return list
}

// Dropped is the sum over all reasons.
func (s *Stats) Dropped() uint64 {
	sum := s.Nobody
	for _, n := range s.Drops {
		sum += n
	}
	for _, n := range s.Barred {
		sum += n
	}
	return sum
}

func (s *Stats) add(t *Stats) {
	s.Frames += t.Frames
	s.Bytes += t.Bytes
	s.Refused += t.Refused
	s.Nobody += t.Nobody
	s.Offered += t.Offered
	s.Received += t.Received
	s.ReceivedBytes += t.ReceivedBytes
	s.Queued += t.Queued
	s.QueuedBytes += t.QueuedBytes
	for i := range s.Drops {
		s.Drops[i] += t.Drops[i]
	}
	for i := range s.Barred {
		s.Barred[i] += t.Barred[i]
	}
}

// Passed is what went by a port without being brought here, such as in the
// kernel, in the directions of Stats.
type Passed struct {
	Frames, Bytes           uint64 // sent
	Received, ReceivedBytes uint64
	Lost                    uint64 // meant for the port, but its device did not take them
	Overrun, OverrunBytes   uint64 // sent, but lost on their way here
}

// Add counts what went by elsewhere since it was last called. What turns out to have
// been counted wrongly is taken back by numbers below zero, modulo 1<<64. What comes
// after the connection has left is counted nowhere.
func (c *Conn) Add(p Passed) {
	c.out.frames.Add(p.Frames + p.Overrun)
	c.out.bytes.Add(p.Bytes + p.OverrunBytes)
	c.out.barred[frame.DropOverrun].Add(p.Overrun)
	c.mu.Lock()
	defer c.mu.Unlock()
	if back := -p.Received; int64(back) > 0 && c.got.delivered < back {
		return // they were counted before a reset
	}
	c.got.offered += p.Received + p.Lost
	c.got.delivered += p.Received
	c.got.deliveredBytes += p.ReceivedBytes
	c.got.drops[dropDevice] += p.Lost
}

// stats reads the counters of c; reset sets them to zero.
func (c *Conn) stats(reset bool) Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	read := (*atomic.Uint64).Load
	if reset { // swapped, so that no count of a sender is lost
		read = func(n *atomic.Uint64) uint64 { return n.Swap(0) }
	}
	s := Stats{
		Offered: c.got.offered, Received: c.got.delivered, ReceivedBytes: c.got.deliveredBytes,
		Queued: uint64(c.q.Len()), QueuedBytes: uint64(c.q.Bytes()), Drops: c.got.drops, Barred: c.got.barred,
	}
	if out := c.out; out != &unsent {
		s.Frames, s.Bytes, s.Refused, s.Nobody = read(&out.frames), read(&out.bytes), read(&out.refused), read(&out.nobody)
		for i := range s.Barred {
			s.Barred[i] += read(&out.barred[i])
		}
	}
	if reset {
		c.got = counters{offered: uint64(c.q.Len())} // what waits stays accounted for
	}
	return s
}

// Stats returns the counters of the network, those of ports that have left
// included.
func (n *Network) Stats() Stats {
	n.countPassed(nil)
	n.lock()
	defer n.mu.Unlock()
	s := n.departed
	n.eachConnLocked(func(c *Conn) {
		t := c.stats(false)
		s.add(&t)
	})
	for _, p := range n.ports {
		if p == nil || len(p.conns) == 0 {
			continue
		}
		s.Ports++
		for _, c := range p.conns {
			if c.recv {
				s.Readers++
			}
			if c.send {
				s.Writers++
			}
		}
	}
	return s
}

// ResetStats sets all counters of the network and its ports to zero.
func (n *Network) ResetStats() {
	n.countPassed(nil)
	n.lock()
	defer n.mu.Unlock()
	n.departed = Stats{}
	n.eachConnLocked(func(c *Conn) { c.stats(true) })
	for _, p := range n.ports {
		if p != nil {
			p.departed = nil
		}
	}
	n.eventLocked("stats-reset", "")
}

// Stats returns the counters of the port since it got its number.
func (p *Port) Stats() Stats {
	p.net.countPassed(p)
	p.net.lock()
	defer p.net.mu.Unlock()
	var s Stats
	if p.departed != nil {
		s = *p.departed
	}
	for _, c := range p.conns {
		t := c.stats(false)
		s.add(&t)
	}
	return s
}

// ResetStats sets the port's counters to zero; the network's keep the sum.
func (p *Port) ResetStats() {
	n := p.net
	n.countPassed(p)
	n.lock()
	defer n.mu.Unlock()
	for _, c := range p.conns {
		t := c.stats(true)
		// What waits is counted by the connection from now on.
		t.Offered -= t.Queued
		t.Queued, t.QueuedBytes = 0, 0
		n.departed.add(&t)
	}
	p.departed = nil
}
