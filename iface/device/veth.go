package device

import (
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// Shortcut is what forwards some frames of a device past the network, in the kernel.
type Shortcut interface {
	// Attach is called when the device has joined, from within Join.
	Attach(c *bus.Conn)
	// Bypass, Count and Resize are those of bus.Bypasser and bus.Resizer.
	Bypass(why string)
	Count()
	Resize(mtu int)
	// SetMaxLen tells how long a frame in bytes may go out; its outermost tag does not
	// count. 0: any.
	SetMaxLen(bytes int)
	// Carried is lane.Carrier's.
	Carried(frames int)
}

// StartVeth makes a punt tap, c.Fds[0], a port of n: by it come the frames that c.Shortcut
// did not forward.
func StartVeth(n *bus.Network, c Config) (*Device, error) { return startPunt(n, c, tapFits) }

// StartSpliced is StartVeth for an interface beside which the host's end of the pair lies:
// the frames leave by that interface.
func StartSpliced(n *bus.Network, c Config) (*Device, error) { return startPunt(n, c, splicedFits) }

// splicedFits is what fits the wire, the outermost tag apart.
func splicedFits(mtu int) (maxLen int, freeTags frame.Tags) {
	maxLen, _ = packetFits(mtu)
	return maxLen, frame.CTag | frame.STag
}

func startPunt(n *bus.Network, c Config, fits fits) (*Device, error) {
	q := &puntQueue{tapQueue: tapQueue{queue{fd: c.Fds[0]}}, shortcut: c.Shortcut}
	longest, _ := fits(c.MTU)
	c.Shortcut.SetMaxLen(longest)
	d, err := join(n, c, fits, []lane.Source{{FD: q.fd, Driver: q}})
	if err == nil {
		d.punt = q
	}
	return d, err
}

// puntQueue is the driver of a punt tap.
type puntQueue struct {
	tapQueue
	shortcut Shortcut
	// down: what is written gets nowhere. The kernel tells that of the host's end of a pair
	// only, and not of the interface beside it.
	down atomic.Bool
}

var _ lane.Carrier = (*puntQueue)(nil)

// Write is lane.Driver's.
func (q *puntQueue) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	if q.down.Load() {
		for i := range frames {
			t.Lost(&frames[i])
		}
		return len(frames), nil
	}
	return q.tapQueue.Write(t, frames)
}

// Carried is lane.Carrier's.
func (q *puntQueue) Carried(frames int) { q.shortcut.Carried(frames) }

// shortened is an endpoint with a Shortcut.
type shortened struct {
	*lane.Endpoint
	shortcut Shortcut
}

var (
	_ bus.Bypasser = shortened{}
	_ bus.Resizer  = shortened{}
)

// Attach is bus.Endpoint's.
func (s shortened) Attach(c *bus.Conn) {
	s.Endpoint.Attach(c)
	s.shortcut.Attach(c)
}

// Bypass is bus.Bypasser's.
func (s shortened) Bypass(why string) { s.shortcut.Bypass(why) }

// Count is bus.Bypasser's.
func (s shortened) Count() { s.shortcut.Count() }

// Resize is bus.Resizer's.
func (s shortened) Resize(mtu int) { s.shortcut.Resize(mtu) }
