package iface

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/iface/device"
	"ipnfs/iface/fastpath"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
)

// attachment is one interface that is a port of a network. Its end comes from
// Detach, from the device (Ended) or from the watch (Left), whichever is first.
type attachment struct {
	kind    string // the file it was written to
	command string // what was written
	name    string // of the interface, when it was attached
	options string // as List shows them, each with a space in front
	net     *bus.Network
	by      bus.Info
	holder  holder

	// +checklocks:registry.mu
	place place
	// +checklocks:registry.mu
	ended bool

	// Set before start.
	join bus.JoinOptions // which port, and how it is set up
	pins bool            // it keeps the namespace alive that it was attached in
	// shortcut is how the kernel forwards for it; nil: not at all, noPlane says why not
	// if it might.
	shortcut *fastpath.Port
	noPlane  string

	// Set by start, and not changed after ready is closed.
	fds  []int        // that the device does not own yet
	undo func()       // what was changed on the interface; only if attaching fails
	last func() error // what is to be done if all else has succeeded
	// unguard ends guard; nil: it has not begun.
	unguard func()
	device  *device.Device

	ready chan struct{} // closed when attaching has succeeded or failed
	done  chan struct{} // closed when nothing is left

	following sync.Mutex // held while the interface is followed, and while all is undone

	watch *link.Watch // until ready start's, then under following

	mu sync.Mutex
	// +checklocks:mu
	facts link.Facts
	// +checklocks:mu
	ns netns.ID
	// +checklocks:mu
	away bool // in a namespace that we must not look into
}

// holder is what holds the interface besides the device's descriptors.
type holder interface {
	// locate finds the interface, wherever it is. ns is open. The error is EPERM if it is
	// out of sight; then f are of the daemon's end of it, if it has one.
	locate() (ns *netns.NS, f link.Facts, err error)
	// release ends the hold.
	release()
}

// startDevice makes descriptors a port of a network: device.StartTap, startVeth or
// startGrab.
type startDevice func(*bus.Network, device.Config) (*device.Device, error)

// start makes a, which holds an interface of ns, a port of its network.
func (a *attachment) start(start startDevice, ns *netns.NS) error {
	info := a.by
	info.Kind, info.Detail, info.Since = a.kind, a.known().Name, time.Now()
	a.join.Info = info
	var err error
	c := device.Config{Fds: a.fds, MTU: a.known().MTU, Join: a.join, Ended: func(string) { a.end(lost) }}
	if a.shortcut != nil {
		c.Shortcut = a.shortcut
	}
	if a.device, err = start(a.net, c); err != nil {
		return err
	}
	a.fds = nil
	if err := a.observe(ns, a.known().Index); err != nil {
		return refuse(err, "watching %s", a.name)
	}
	if a.last != nil {
		if err := a.last(); err != nil {
			return err
		}
	}
	return a.publish()
}

// configure tells the interface what it was made with, and asks what it is then.
func (a *attachment) configure(ns *netns.NS, c link.Config) error {
	f := a.known()
	var err error
	if a.undo, err = link.Configure(ns, f, c); err != nil {
		return err
	}
	if f, err = link.At(ns, f.Index); err != nil {
		return err
	}
	a.know(f)
	return nil
}

// observe watches the interface where it is now.
func (a *attachment) observe(ns *netns.NS, index int) error {
	w, f, err := link.Observe(ns, index, a)
	if err != nil {
		return err
	}
	if a.watch != nil {
		a.watch.Close()
	}
	a.watch = w
	a.mu.Lock()
	a.ns, a.away = ns.ID(), false
	a.mu.Unlock()
	a.Changed(f)
	return nil
}

// known returns the facts as far as they are known.
func (a *attachment) known() link.Facts {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.facts
}

func (a *attachment) know(f link.Facts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.facts = f
}

// port is the number of the port.
func (a *attachment) port() int { return a.device.Port().Number() }

// over tells whether a has ended, or is about to, since its port has gone.
func (a *attachment) over() bool {
	select {
	case <-a.ready:
		return a.isEnded() || a.net.Port(a.port()) != a.device.Port()
	default:
		return false
	}
}

// cause is why an attachment ends.
type cause int

const (
	detached  cause = iota // by command, or it was not attached in the end
	lost                   // port or interface has gone
	movedAway              // the interface was moved out of reach
	abandoned              // its namespace was kept alive by the attachment alone
)

// end ends the attachment, if nobody else did. It does not wait for it: see
// done.
func (a *attachment) end(why cause) {
	if a.retire() {
		go a.clear(why)
	}
}

// guard ends a when it alone keeps alive the namespace that it was attached in. A tap may
// have been moved to another one, which it does not keep alive.
func (a *attachment) guard(id netns.ID) {
	if !a.pins {
		return
	}
	a.unguard = netns.Guard(id, func() {
		a.mu.Lock()
		here := a.ns == id && !a.away
		a.mu.Unlock()
		if here {
			a.end(abandoned)
		}
	})
}

// clear undoes all of start.
func (a *attachment) clear(why cause) {
	<-a.ready
	a.following.Lock() // who comes later sees that it has ended
	defer a.following.Unlock()
	if a.device != nil {
		if why != detached {
			a.tellEnd(why)
		}
		if a.shortcut != nil {
			a.shortcut.Leave()
		}
		a.device.Close()
	}
	if a.watch != nil {
		a.watch.Close()
	}
	if a.unguard != nil {
		a.unguard()
	}
	if a.undo != nil {
		a.undo()
	}
	for _, fd := range a.fds {
		_ = unix.Close(fd)
	}
	if a.holder != nil {
		a.holder.release()
	}
	a.forget()
}

// tellEnd publishes that the interface has gone, if it was that.
func (a *attachment) tellEnd(why cause) {
	if why == abandoned {
		a.event("link-gone", "")
		return
	}
	ns, _, err := a.holder.locate()
	switch {
	case err == nil:
		ns.Close()
	case why == movedAway:
		a.event("link-moved", "")
	case !errors.Is(err, unix.EPERM):
		a.event("link-gone", "")
	}
}
