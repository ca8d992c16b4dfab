package cable

import (
	"crypto/rand"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// ID names one network of one process, for as long as it has cables. It is drawn, so
// that no two are the same, wherever they are.
type ID [16]byte

// joined is a network, and one elsewhere that it is joined to.
type joined struct {
	net *bus.Network
	far ID
}

// ID is that of the network, to be told to who is at the other end.
func (p *Plug) ID() ID {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return idLocked(p.cable.net)
}

// idLocked draws the ID of n, if it has none. registry.mu is held.
func idLocked(n *bus.Network) ID {
	id, ok := registry.ids[n]
	if !ok {
		_, _ = rand.Read(id[:]) // it cannot fail
		registry.ids[n] = id
	}
	return id
}

var errSelf = fail.Errorf(fail.Invalid, "it leads back to this network")

// Claim is for Dial: it says that the link being made leads to a network elsewhere of
// that ID, and refuses a second cable to the same one, as well as one to the network
// itself. What is claimed is released when the link ends, or none is made.
func (p *Plug) Claim(far ID) error {
	c := p.cable
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if far == idLocked(c.net) {
		return errSelf
	}
	to := joined{c.net, far}
	if other := registry.joined[to]; other != nil && other != c {
		return fail.Errorf(fail.Exists, "the network is joined to that one by cable %s already", fail.Quote(other.name))
	}
	c.releaseLocked()
	c.joined = to
	registry.joined[to] = c
	return nil
}

// release gives back what c has claimed.
func (c *cable) release() {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	c.releaseLocked()
}

// +checklocks:registry.mu
func (c *cable) releaseLocked() {
	if registry.joined[c.joined] == c {
		delete(registry.joined, c.joined)
	}
}
