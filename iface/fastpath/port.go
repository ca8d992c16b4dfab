// Package fastpath lets the kernel repeat what a policy decides: it follows the policy's
// feed (policy.Feeder) and keeps the plane's table by it.
package fastpath

import (
	"ipnfs/bus"
	"ipnfs/iface/plane"
)

// Port is a port of a network that the plane forwards for. It is a device.Shortcut.
type Port struct{}

// New makes p, which the Port does not own, a port that takes part when it has joined.
func New(p *plane.Port) *Port { panic("not yet") }

// Attach is called when the port has joined, from within Join.
func (p *Port) Attach(c *bus.Conn) { panic("not yet") }

// Bypass is bus.Bypasser's.
func (p *Port) Bypass(why string) { panic("not yet") }

// Count is bus.Bypasser's.
func (p *Port) Count() { panic("not yet") }

// Carried says that n frames that were read have gone to all their receivers.
func (p *Port) Carried(n int) { panic("not yet") }

// SetMaxLen says how long a frame the host's end takes: see plane.Port.SetLimits.
func (p *Port) SetMaxLen(bytes int) { panic("not yet") }

// Resize is bus.Resizer's.
func (p *Port) Resize(mtu int) { panic("not yet") }

// Leave ends it: nothing goes past the network any more, and all is counted. It comes
// before the connection is closed, or after it has gone.
func (p *Port) Leave() { panic("not yet") }

// Path tells why frames do not go past the network; empty: they do.
func (p *Port) Path() string { panic("not yet") }
