package cable

import (
	"ipnfs/bus"
)

// Plug is the end of a cable at its network, for its Dialer and what that starts. Its
// methods may be called from any thread that holds no lock of the network's.
type Plug struct{ cable *cable }

// Network is the one that the cable joins.
func (p *Plug) Network() *bus.Network { return p.cable.net }

// Origin is who laid the cable.
func (p *Plug) Origin() *Origin { return p.cable.origin }

// Name is the cable's.
func (p *Plug) Name() string { return p.cable.name }

// Conn is the port's connection. Frames come and go by the link's Driver; this is for
// counters.
func (p *Plug) Conn() *bus.Conn { return p.cable.end.Conn() }

// Stand puts a port that is the cable's, too, in another network, into the cables' group
// of that network that has the name of the cable's own. leave is called, even if it
// fails, when the port has gone.
func (p *Plug) Stand(port *bus.Port) (leave func(), err error) {
	return stand(port, p.cable.group)
}

// Tell writes a line to the file errors of the network, as of the cable's command.
func (p *Plug) Tell(err error) {
	info := p.cable.info
	p.cable.net.Tell(info, p.cable.locator.String(), err)
}

// SetMaxLen says that the longest frame that the link can carry is of so many bytes
// now; 0: any.
func (p *Plug) SetMaxLen(bytes int) { p.cable.setMaxLen(bytes) }

// SetPeer tells people who is at the other end now.
func (p *Plug) SetPeer(name string) {
	p.cable.mu.Lock()
	defer p.cable.mu.Unlock()
	p.cable.status.peer = name
}

// Waiting says, within Dial, that it waits until somebody connects: a command that lays
// the cable does not wait for that.
func (p *Plug) Waiting() { p.cable.attempted() }

// Broken ends a link that Dial has made or makes, for a reason that was noticed
// elsewhere than in its Driver's Read or Write. It does not wait.
func (p *Plug) Broken(k *Link, err error) {
	c := p.cable
	k.broken.CompareAndSwap(nil, &err)
	c.mu.Lock()
	l := c.link
	c.mu.Unlock()
	if l != nil && l.Link == k {
		c.broken(l, err)
	}
}
