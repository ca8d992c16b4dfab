package bus

import "slices"

// Close takes the connection off its network, if it still is on, and drops
// what is queued. The endpoint gets no further call but those under way.
func (c *Conn) Close() {
	n := c.net
	n.mu.Lock()
	if c.closed {
		n.mu.Unlock()
		return
	}
	c.closed = true
	left := n.detachLocked(c)
	c.dropWantOut()
	if i := slices.Index(n.leaving, c); i >= 0 {
		n.leaving = slices.Delete(n.leaving, i, i+1)
	}
	c.mu.Lock()
	c.got.drops[dropLeft] += uint64(c.q.clear())
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
	}
	ended := left && n.overLocked()
	n.mu.Unlock()
	n.settle()
	n.ease()
	if ended {
		n.bus.removeIfUnused(n)
	}
}

// evict takes c off its network, though its endpoint has not closed it.
func (n *Network) evict(c *Conn, why string) {
	n.mu.Lock()
	left := n.evictLocked(c, why)
	ended := left && n.overLocked()
	n.mu.Unlock()
	if left {
		c.ep.Gone()
		n.settle()
		n.ease()
	}
	if ended {
		n.bus.removeIfUnused(n)
	}
}

// overLocked tells whether the network is to end, as its last port has.
func (n *Network) overLocked() bool { return !n.settings.Persist && n.used == 0 && !n.gone }

func (n *Network) evictLocked(c *Conn, why string) bool {
	if !n.detachLocked(c) {
		return false
	}
	n.leaving = append(n.leaving, c)
	n.leftLocked(c, why)
	return true
}

// detachLocked removes c from its port, and the port from the network if that
// was all there was.
func (n *Network) detachLocked(c *Conn) bool {
	c.mu.Lock()
	was := c.gone.Swap(true)
	c.mu.Unlock()
	if was {
		return false
	}
	p := c.port
	i := slices.Index(p.conns, c)
	p.setConnsLocked(slices.Delete(slices.Clone(p.conns), i, i+1))
	if len(p.conns) > 0 {
		n.bus.returnPort()
	} else {
		if joiner, ok := n.policy.(Joiner); ok {
			joiner.Leave(p)
		}
		if !p.reserved {
			n.freePortLocked(p)
		}
	}
	n.invalidateLocked()
	return true
}

func (n *Network) freePortLocked(p *Port) {
	n.ports[p.number-1] = nil
	n.lowest = min(n.lowest, p.number-1)
	n.used--
	n.bus.returnPort()
	if n.used == 0 {
		n.mem.RefundTable(cap(n.ports) * pointerSize)
		n.ports, n.lowest = nil, 0
	}
}

func (n *Network) leftLocked(c *Conn, why string) {
	if len(n.subscribers) > 0 {
		n.eventLocked("port-left", "port=%d kind=%s reason=%s", c.port.number, c.info.Kind, why)
		n.countsLocked()
	}
}

// RemovePort disconnects whoever holds port number and ends its reservation.
func (n *Network) RemovePort(number int) error {
	n.mu.Lock()
	p := n.portLocked(number)
	if p == nil {
		n.mu.Unlock()
		return Errorf(Unknown, "there is no port %d", number)
	}
	evicted := n.removePortLocked(p, "removed")
	ended := n.overLocked()
	n.mu.Unlock()
	tellGone(evicted)
	n.settle()
	n.ease()
	if ended {
		n.bus.removeIfUnused(n)
	}
	return nil
}

func (n *Network) removePortLocked(p *Port, why string) []*Conn {
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
	return conns
}

func tellGone(conns []*Conn) {
	for _, c := range conns {
		c.ep.Gone()
	}
}

// endLocked takes everything off the network, which nobody can join any more.
func (n *Network) endLocked() []*Conn {
	n.gone = true
	var evicted []*Conn
	for _, p := range n.ports {
		if p != nil {
			evicted = append(evicted, n.removePortLocked(p, "network-ended")...)
		}
	}
	n.stopPolicyLocked()
	n.eventLocked("network-ended", "")
	for _, s := range n.subscribers {
		s.Gone()
	}
	n.subscribers = nil
	n.listening.Store(0)
	return evicted
}

// eachConnLocked calls f for the connections whose counters are not in
// departed yet.
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
