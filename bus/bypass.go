package bus

import "slices"

// Bypasser is an Endpoint of whose frames some may go past the network, such as a device
// that the kernel forwards known addresses to.
type Bypasser interface {
	Endpoint
	// Bypass says whether frames to and from it may go past the network from now on: they
	// may if why is empty. Else all must come to it, as why says: something watches or
	// shapes the port. It is called when the endpoint has joined, and when this or the
	// policy may have changed, with the network's lock held. When it has
	// returned no frame goes past that the change forbids. It must take a bounded time and
	// call neither the network nor its policy.
	Bypass(why string)
	// Count brings the counters of the connection up to date, by Conn.Add. It is
	// called before these are read or reset, and before the connection is closed. No
	// lock is held.
	Count()
}

// bypassLocked tells all Bypassers how things are now.
//
// +checklocks:n.mu
func (n *Network) bypassLocked() {
	if n.bypassers.Load() == 0 {
		return
	}
	var mirrored []int // port numbers
	for _, p := range n.ports {
		if p != nil && p.mirrored != nil {
			mirrored = append(mirrored, *p.mirrored...)
		}
	}
	slices.Sort(mirrored)
	for _, p := range n.ports {
		if p == nil {
			continue
		}
		_, found := slices.BinarySearch(mirrored, p.number)
		p.bypass(n.watchedLocked(p, found))
	}
}

// bypassPortLocked is bypassLocked for one port.
//
// +checklocks:n.mu
func (n *Network) bypassPortLocked(p *Port) {
	if n.bypassers.Load() > 0 {
		p.bypass(n.watchedLocked(p, slices.ContainsFunc(n.ports, func(other *Port) bool {
			return other != nil && other.mirrored != nil && slices.Contains(*other.mirrored, p.number)
		})))
	}
}

// bypass tells the port's Bypassers. The network's lock is held.
func (p *Port) bypass(why string) {
	for _, c := range p.conns {
		if b, ok := c.ep.(Bypasser); ok {
			b.Bypass(why)
		}
	}
}

// watchedLocked tells why all frames of a port must come to the network, or "".
//
// +checklocks:n.mu
func (n *Network) watchedLocked(p *Port, mirrored bool) string {
	switch {
	case n.observers.Load() != nil:
		return "capture"
	case mirrored:
		return "mirror"
	case len(p.conns) > 1: // others get what it gets
		return "shared"
	case p.stages != nil:
		for rank, s := range p.stages {
			if s != nil {
				return rankNames[rank]
			}
		}
	}
	return ""
}

// rankNames are why a port with a stage of that rank is watched.
var rankNames = [ranks]string{"impair", "filter", "policer", "group"}

// countPassed brings the counters of a port up to date, nil: of all ports.
func (n *Network) countPassed(p *Port) {
	if n.bypassers.Load() == 0 {
		return
	}
	var all []Bypasser
	n.lock()
	n.eachConnLocked(func(c *Conn) {
		if b, ok := c.ep.(Bypasser); ok && (p == nil || c.port == p) {
			all = append(all, b)
		}
	})
	n.mu.Unlock()
	for _, b := range all {
		b.Count()
	}
}
