package iface

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/device"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/plane"
)

// havePlane tells whether the kernel will forward for veth, as far as the rights of the
// process tell. The plane itself is made for the first port, so that who needs none
// has none.
func havePlane() bool { return haveTun() && mayLoad() }

// veth is the holder of one end of a pair, whose other end is in the plane.
type veth struct {
	plane *plane.Plane
	port  *plane.Port
	watch *link.Watch // of the daemon's end; nil: none yet

	mtu     atomic.Int64 // of the host's end
	fitting sync.Mutex
	// +checklocks:fitting
	long bool // plane.Port.SetLong
	// +checklocks:fitting
	released bool
}

// fit lets the daemon's end take what the host's end sends.
func (v *veth) fit() {
	v.fitting.Lock()
	defer v.fitting.Unlock()
	long := v.mtu.Load() > plane.ShortMTU
	if long == v.long || v.released {
		return
	}
	if v.port.SetLong(long) == nil { // an XDP program at the host's end may forbid it
		v.long = long
	}
}

// resized tells the MTU of the host's end. It does not wait.
func (v *veth) resized(mtu int) {
	v.mtu.Store(int64(mtu))
	go v.fit()
}

// openVeth is attacher.open.
func openVeth(c *caller, command string, a *attachment) (*netns.NS, error) {
	o, err := parseVeth(command)
	if err != nil {
		return nil, err
	}
	if err := c.need("making an interface"); err != nil {
		return nil, err
	}
	ns, err := a.enter(c, o.netns, o.port)
	if err != nil {
		return ns, err
	}
	if err := a.openVeth(o, ns); err != nil {
		return ns, refuse(err, "veth %s", o.name)
	}
	return ns, nil
}

func (a *attachment) openVeth(o *vethCommand, ns *netns.NS) error {
	a.name = o.name
	if err := wantFree(o.name, ns); err != nil {
		return err
	}
	if err := a.makeVeth(o.name, ns); err != nil {
		return err
	}
	if v, ok := a.holder.(*veth); ok && o.config.MTU != 0 {
		v.mtu.Store(int64(o.config.MTU))
		v.fit()
	}
	return a.configure(ns, o.config)
}

// wantFree refuses the name of an interface that exists.
func wantFree(name string, ns *netns.NS) error {
	for range looks {
		f, err := link.Get(ns, name)
		switch {
		case errors.Is(err, unix.ENODEV) && len(name) > maxName:
			return fail.Errorf(fail.NameTooLong, "the name of an interface has at most %d bytes", maxName)
		case errors.Is(err, unix.ENODEV):
			return nil
		case err != nil:
			return err
		}
		if again, err := occupied(place{ns.ID(), f.Index}); err != nil {
			return err
		} else if !again {
			return exists(name, f)
		}
	}
	return fail.Errorf(fail.Busy, "somebody else makes and deletes it all the time")
}

// exists is the refusal of an interface that veth did not make.
func exists(name string, f link.Facts) error {
	way := "grab it"
	if f.Kind == "tun" && f.Tun.Tap {
		way = fmt.Sprintf("echo %s >tap", name)
	}
	return fail.Errorf(fail.Exists, "%s exists, and veth makes one: take another name, or delete it (ip link del %s), or to have that one as it is, %s", name, name, way)
}

// startVeth is attacher.start. Without a plane it is a tap.
func startVeth(n *bus.Network, c device.Config) (*device.Device, error) {
	if c.Shortcut == nil {
		return device.StartTap(n, c)
	}
	return device.StartVeth(n, c)
}

// locate is holder's. The kernel tells the index of the host's end, and by which id
// the plane's namespace knows that one's.
func (v *veth) locate() (*netns.NS, link.Facts, error) {
	hidden := -1
	for range looks {
		end, err := link.At(v.plane.NS(), v.port.Index())
		switch {
		case err != nil:
			return nil, link.Facts{}, err
		case end.PeerNS < 0:
			return nil, link.Facts{}, unix.ENODEV // its namespace ends
		case end.PeerNS == hidden:
			return nil, end, unix.EPERM
		}
		ns, err := netns.Numbered(v.plane.NS(), end.PeerNS)
		if errors.Is(err, unix.ESRCH) {
			hidden = end.PeerNS // unless it has gone on meanwhile
			continue
		}
		if err != nil {
			return nil, link.Facts{}, err
		}
		f, err := link.At(ns, end.Peer)
		if err == nil {
			return ns, f, nil
		}
		ns.Close()
		if !errors.Is(err, unix.ENODEV) {
			return nil, link.Facts{}, err
		}
	}
	return nil, link.Facts{}, unix.EPERM // it is moved all the time
}

// release is holder's. The pair ends, if it has not.
func (v *veth) release() {
	if v.watch != nil {
		v.watch.Close()
	}
	v.fitting.Lock()
	v.released = true
	v.fitting.Unlock()
	v.port.Close()
}

// plugged is the link.Listener of the daemon's end of a's pair. It hears when the pair
// has ended, and while the other end is out of sight, whether there is a carrier: moving
// that end takes it away.
type plugged struct {
	a       *attachment
	looking atomic.Bool // somebody is about to look where the other end is
}

var _ link.Listener = (*plugged)(nil)

// Changed is link.Listener's.
func (p *plugged) Changed(link.Facts) {
	p.a.mu.Lock()
	away := p.a.away
	p.a.mu.Unlock()
	if away && !p.looking.Swap(true) {
		go p.look()
	}
}

func (p *plugged) look() {
	p.a.following.Lock() // until a look that is under way has ended
	p.looking.Store(false)
	p.a.following.Unlock()
	p.a.follow(false)
}

// Left is link.Listener's.
func (p *plugged) Left(bool) { p.a.Left(false) }
