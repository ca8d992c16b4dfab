package bus

import (
	"slices"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// Close takes the connection off its network, if it still is on, and drops
// what is queued. The endpoint gets no further call but those under way.
func (c *Conn) Close() {
	n := c.net
	if b, ok := c.ep.(Bypasser); ok {
		b.Count() // what comes later is counted nowhere
	}
	n.lock()
	n.closeLocked(c)
	n.mu.Unlock()
	n.after()
}

// Leave is Close for a thread that must not wait for work under the network's
// lock: no frame comes or goes from now on. The rest may be done later, but is
// done before anything else that is asked of the network.
func (c *Conn) Leave() {
	n := c.net
	c.part()
	c.mu.Lock()
	much := c.q.Len() > cheapQueue
	c.mu.Unlock()
	if much || !n.tryCheap() {
		n.post(func() { n.closeLocked(c) }) // +checklocksignore: it is called under n.mu
		return
	}
	n.closeLocked(c) // +checklocksforce: tryCheap took n.mu
	n.mu.Unlock()
	n.afterSoon()
}

// part makes c one that frames neither go to nor come from, and tells whether
// it was not yet.
func (c *Conn) part() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.gone.Swap(true)
}

// +checklocks:n.mu
func (n *Network) closeLocked(c *Conn) {
	if c.closed {
		return
	}
	c.closed = true
	left := n.detachLocked(c)
	if _, ok := c.ep.(Bypasser); ok {
		n.bypassers.Add(-1)
	}
	n.park.forget(c)
	if i := slices.Index(n.leaving, c); i >= 0 {
		n.leaving = slices.Delete(n.leaving, i, i+1)
	}
	c.mu.Lock()
	c.got.drops[dropLeft] += uint64(c.q.Clear())
	c.counted = true
	c.mu.Unlock()
	s := c.stats(false)
	n.departed.add(&s)
	if p := n.portLocked(c.port.number); p == c.port {
		if p.departed == nil {
			p.departed = &Stats{}
		}
		p.departed.add(&s)
	}
	if left {
		n.leftLocked(c, "closed")
		n.endIfUnusedLocked()
	}
}

// evict takes c, of which a thread that carries frames found that its queue ran
// over, off its network, though its endpoint has not closed it.
func (n *Network) evict(c *Conn, why string) {
	if !c.part() {
		return
	}
	evict := func() {
		n.evictLocked(c, why) // +checklocksignore: n.mu is held
		n.endIfUnusedLocked() // +checklocksignore: as above
	}
	if !n.tryCheap() {
		n.post(evict)
		return
	}
	evict()
	n.mu.Unlock() // +checklocksforce: tryCheap took it
	n.afterSoon()
}

// +checklocks:n.mu
func (n *Network) evictLocked(c *Conn, why string) {
	if !n.detachLocked(c) {
		return
	}
	n.leaving = append(n.leaving, c)
	n.clerk.mu.Lock()
	n.clerk.gone = append(n.clerk.gone, c)
	n.clerk.mu.Unlock()
	n.leftLocked(c, why)
}

// detachLocked removes c from its port, and the port from the network if that
// was all there was.
//
// +checklocks:n.mu
func (n *Network) detachLocked(c *Conn) bool {
	c.part()
	if c.detached {
		return false
	}
	c.detached = true
	c.leaveStagesLocked()
	p := c.port
	i := slices.Index(p.conns, c)
	p.setConnsLocked(slices.Delete(slices.Clone(p.conns), i, i+1))
	if len(p.conns) > 0 {
		n.bus.returnPort()
		n.bypassPortLocked(p)
	} else {
		if joiner, ok := n.policy.(policy.Joiner); ok {
			joiner.Leave(p)
		}
		if !p.reserved {
			n.freePortLocked(p)
		}
	}
	n.invalidateLocked()
	return true
}

// +checklocks:n.mu
func (n *Network) freePortLocked(p *Port) {
	n.ports[p.number-1] = nil
	if p.mirrored != nil {
		n.bypassLocked()
	}
	n.lowest = min(n.lowest, p.number-1)
	n.used--
	n.bus.returnPort()
	if n.used == 0 {
		n.mem.RefundTable(cap(n.ports) * pointerSize)
		n.ports, n.lowest = nil, 0
	}
}

// +checklocks:n.mu
func (n *Network) leftLocked(c *Conn, why string) {
	if n.listening.Load() > 0 {
		n.eventLocked("port-left", "port=%d kind=%s reason=%s", c.port.number, c.info.Kind, why)
		n.countsLocked()
	}
}

// endIfUnusedLocked ends a network that is not to outlive its last port.
//
// +checklocks:n.mu
func (n *Network) endIfUnusedLocked() {
	if !n.settings.Persist && n.used == 0 && !n.gone {
		n.endLocked()
	}
}

// RemovePort disconnects whoever holds port number and ends its reservation.
func (n *Network) RemovePort(number int) error {
	n.lock()
	p := n.portLocked(number)
	if p == nil {
		n.mu.Unlock()
		return fail.Errorf(fail.Unknown, "there is no port %d", number)
	}
	n.removePortLocked(p, "removed")
	n.endIfUnusedLocked()
	n.mu.Unlock()
	n.after()
	return nil
}

// +checklocks:n.mu
func (n *Network) removePortLocked(p *Port, why string) {
	conns := p.conns
	reserved := p.reserved
	p.reserved = false
	for _, c := range conns {
		n.evictLocked(c, why)
	}
	if len(conns) == 0 {
		n.freePortLocked(p)
	}
	if reserved {
		n.eventLocked("port-released", "port=%d", p.number)
	}
}

// endLocked takes the network off the bus, and everything off the network,
// which nobody can join any more.
//
// +checklocks:n.mu
func (n *Network) endLocked() {
	n.gone = true
	n.bus.forget(n)
	for _, p := range n.ports {
		if p != nil {
			n.removePortLocked(p, "network-ended")
		}
	}
	n.stopPolicyLocked()
	n.eventLocked("network-ended", "")
	n.endEvents()
}

// eachConnLocked calls f for the connections whose counters are not in
// departed yet.
//
// +checklocks:n.mu
func (n *Network) eachConnLocked(f func(*Conn)) {
	for _, p := range n.ports {
		if p != nil {
			for _, c := range p.conns {
				f(c)
			}
		}
	}
	for _, c := range n.leaving {
		f(c)
	}
}
