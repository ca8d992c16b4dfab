package iface

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
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
	ns, err := c.namespace(o.netns)
	if err != nil {
		return nil, err
	}
	if err := a.admit(o.port); err != nil {
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
	return ns.Do(func() error {
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
			if _, err := ingress(f.Index); fail.KindOf(err) != 0 {
				return err
			}
		} else if h.hidden, err = hide(f.Index); err != nil {
			return err
		}
		return bindPacket(fd, f.Index)
	})
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

// release is holder's.
func (g *grabbed) release() {
	if g.hidden != nil {
		_ = g.hidden.Close()
	}
	if g.control >= 0 {
		_ = unix.Close(g.control)
	}
}
