package iface

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/device"
	"ipnfs/iface/fastpath"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
)

// grabbed is the holder of an interface that was there before. The device's
// socket does most of the holding. An open namespace is none of it: two
// processes that grab in one would be each other's witness.
type grabbed struct {
	control int // a duplicate of the socket; -1: none
	index   int
	hidden  io.Closer // nil: the host sees the frames too
	beside  *beside   // nil: its frames come by the socket
}

// openGrab is attacher.open.
func openGrab(c *caller, command string, a *attachment) (*netns.NS, error) {
	o, err := parseGrab(command)
	if err != nil {
		return nil, err
	}
	if err := c.need("grabbing an interface"); err != nil {
		return nil, err
	}
	ns, err := a.enter(c, o.netns, o.port)
	if err != nil {
		return ns, err
	}
	if err := a.grab(o, ns); err != nil {
		return ns, refuse(err, "grabbing %s", o.name)
	}
	return ns, nil
}

func (a *attachment) grab(o *grabCommand, ns *netns.NS) error {
	a.name = o.name
	f, err := a.findGrab(o, ns)
	if err != nil {
		return err
	}
	h := &grabbed{control: -1, index: f.Index}
	a.holder, a.pins = h, true
	err = ns.Do(func() error {
		fd, err := openPacket(f.Index)
		if err != nil {
			return err
		}
		a.fds = []int{fd}
		if h.control, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return err
		}
		if o.share {
			a.options = " copy"
			_, err = ingress(f.Index)
			if fail.KindOf(err) == 0 {
				err = nil // without TCX nobody has grabbed it
			}
			return err
		}
		h.hidden, err = hide(f.Index)
		return err
	})
	if err != nil {
		return err
	}
	if o.share {
		a.noPlane = "copy"
	} else if err := a.splice(h, ns); err != nil {
		a.noPlane = err.Error()
	}
	if h.beside != nil {
		return nil
	}
	return ns.Do(func() error { return bindPacket(a.fds[0], f.Index) })
}

// splice lets the kernel forward for the interface, so that its frames do not come by
// the socket, which keeps it promiscuous still. If that cannot be nothing has changed.
func (a *attachment) splice(h *grabbed, ns *netns.NS) error {
	b, err := newBeside(ns, a.known(), a)
	if err != nil {
		return err
	}
	fd, err := unix.FcntlInt(uintptr(b.port.Tap()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		b.close()
		return err
	}
	closeAll(a.fds)
	h.beside, a.fds, a.shortcut = b, []int{fd}, fastpath.New(b.port)
	return nil
}

// startGrab is attacher.start.
func startGrab(n *bus.Network, c device.Config) (*device.Device, error) {
	if c.Shortcut == nil {
		return device.StartPacket(n, c)
	}
	return device.StartSpliced(n, c)
}

// findGrab finds the interface, which must be one that a bridge would take
// (br_add_if in net/bridge/br_if.c), and claims it.
func (a *attachment) findGrab(o *grabCommand, ns *netns.NS) (link.Facts, error) {
	for {
		f, err := link.Get(ns, o.name)
		switch {
		case errors.Is(err, unix.ENODEV):
			return f, fail.Errorf(fail.Unknown, "there is no interface %s in the network namespace %s", o.name, label(netns.Names(), ns.ID()))
		case err != nil:
			return f, err
		case f.Loopback:
			return f, fail.Errorf(fail.Invalid, "%s is the loopback interface, which has no wire to grab", o.name)
		case !f.Ethernet:
			return f, fail.Errorf(fail.Invalid, "%s is not an Ethernet interface", o.name)
		case f.Master != 0:
			return f, fail.Errorf(fail.Busy, "%s belongs to a bridge, bond or VRF: ip link set %s nomaster", o.name, o.name)
		}
		again, err := occupied(place{ns.ID(), f.Index})
		if err != nil {
			return f, err
		}
		if !again {
			a.know(f)
			return f, a.claim(place{ns.ID(), f.Index})
		}
	}
}

// locate is holder's. An interface that was moved away is not followed, as the
// socket has lost it.
func (g *grabbed) locate() (*netns.NS, link.Facts, error) {
	fd, err := unix.IoctlRetInt(g.control, unix.SIOCGSKNS)
	if err != nil {
		return nil, link.Facts{}, err
	}
	ns, err := netns.FromFD(fd)
	if err != nil {
		return nil, link.Facts{}, err
	}
	f, err := link.At(ns, g.index)
	if err != nil {
		ns.Close()
		return nil, link.Facts{}, err
	}
	return ns, f, nil
}

// release is holder's. The interface is free first: the pair beside it takes the kernel
// longer.
func (g *grabbed) release() {
	if g.beside != nil {
		g.beside.unsplice()
		defer g.beside.close()
	}
	if g.hidden != nil {
		_ = g.hidden.Close()
	}
	if g.control >= 0 {
		_ = unix.Close(g.control)
	}
}
