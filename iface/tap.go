package iface

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/tun"
)

// tap is the holder of a tap.
type tap struct {
	control int // a duplicate of the first queue
}

// openTap is attacher.open.
func openTap(c *caller, command string, a *attachment) (*netns.NS, error) {
	o, err := parseTap(command)
	if err != nil {
		return nil, err
	}
	// What can be refused without a look at the interface is: a look costs a
	// thread.
	switch {
	case o.options():
		err = c.need("an option of tap")
	case c.UID == 0: // no tap is his as an owner's: they are root's
		err = c.need("interface " + o.name)
	}
	if err != nil {
		return nil, err
	}
	ns, err := a.enter(c, o.netns, o.port)
	if err != nil {
		return ns, err
	}
	return ns, a.openTap(c, o, ns)
}

// options tells whether more is asked than to attach what exists; netns= is
// up to namespace.
func (o *tapCommand) options() bool {
	return o.config.MAC != nil || o.config.MTU != 0 || len(o.config.Addrs) > 0 || o.config.Up ||
		o.owner != nil || o.group != nil || o.persist || o.queues != 1
}

func (a *attachment) openTap(c *caller, o *tapCommand, ns *netns.NS) error {
	a.name = o.name
	err := a.findTap(c, o, ns)
	if err != nil {
		return refuse(err, "tap %s", o.name)
	}
	if o.queues > 1 {
		a.options = fmt.Sprintf(" queues=%d", o.queues)
	}
	if err := a.setUpTap(o, ns); err != nil {
		return refuse(err, "tap %s", o.name)
	}
	return nil
}

// setUpTap does what the options ask, but for what cannot be undone.
func (a *attachment) setUpTap(o *tapCommand, ns *netns.NS) error {
	if err := a.configure(ns, o.config); err != nil {
		return err
	}
	t := a.holder.(*tap)
	a.last = func() error { return t.admit(o.owner, o.group) }
	if o.persist && !a.known().Tun.Persist {
		if err := unix.IoctlSetInt(t.control, unix.TUNSETPERSIST, 1); err != nil {
			return fmt.Errorf("persist: %w", err)
		}
		reset := a.undo
		a.undo = func() {
			reset()
			_ = unix.IoctlSetInt(t.control, unix.TUNSETPERSIST, 0)
		}
	}
	return nil
}

// looks is how often an interface is looked for anew if it has changed
// between one look and the next.
const looks = 10

// findTap takes the tap if it exists, and else makes it.
func (a *attachment) findTap(c *caller, o *tapCommand, ns *netns.NS) error {
	for range looks {
		f, err := link.Get(ns, o.name)
		if errors.Is(err, unix.ENODEV) {
			if len(o.name) > maxName {
				return fail.Errorf(fail.NameTooLong, "no interface has that name, and a tap's has at most %d bytes", maxName)
			}
			if err := c.need("making a tap"); err != nil {
				return err
			}
			return a.makeTap(o, ns)
		}
		if err != nil {
			return err
		}
		if err := mayTake(c, o, f); err != nil {
			return err
		}
		again, err := occupied(place{ns.ID(), f.Index})
		if err != nil {
			return err
		}
		if again {
			continue
		}
		if again, err = a.takeTap(c, o, ns, f); !again {
			return err
		}
	}
	return fail.Errorf(fail.Busy, "tap %s: somebody else makes and deletes it all the time", o.name)
}

// mayTake tells whether the interface is a tap, and one that this caller might
// be given. Whose it is the kernel decides.
func mayTake(c *caller, o *tapCommand, f link.Facts) error {
	isTap := f.Kind == "tun" && f.Tun.Tap
	switch {
	case c.admin && !isTap:
		return fail.Errorf(fail.Exists, "%s exists and is no tap: take another name, or grab it", o.name)
	case c.admin:
		return nil
	case c.UID == 0 || !isTap:
		return c.need("interface " + o.name)
	case f.Tun.Owner == link.Nobody && f.Tun.Group == link.Nobody:
		return fail.Errorf(fail.Denied, "tap %s has neither owner nor group, so only root may attach it: ip tuntap add mode tap user %d makes one for uid %d", o.name, c.UID, c.UID)
	}
	return nil
}

// takeTap takes a tap that exists. If another one has that name by now, or
// none, the caller must look again.
func (a *attachment) takeTap(c *caller, o *tapCommand, ns *netns.NS, f link.Facts) (again bool, err error) {
	if o.queues > 1 && !f.Tun.MultiQueue {
		return false, fail.Errorf(fail.Invalid, "queues=%d: tap %s was made for one queue: ip tuntap add mode tap multi_queue makes one for several", o.queues, o.name)
	}
	inUse := o.inUse(c, f)
	if f.Tun.Queues > 0 {
		return false, inUse
	}
	var fds []int
	err = ns.Do(func() (err error) {
		fds, err = openQueues(f.Name, o.queues, f.Tun.MultiQueue, func() error {
			if c.admin {
				return nil
			}
			return creds.Assume(c.Rights)
		})
		return err
	})
	switch {
	case errors.Is(err, unix.EPERM) && !c.admin:
		return false, fail.Errorf(fail.Denied, "tap %s is not for uid %d: it is for %s", o.name, c.UID, admitted(f.Tun))
	case errors.Is(err, unix.EBUSY):
		return false, inUse
	case err != nil:
		return false, err
	}
	// If the tap has gone meanwhile, the kernel has made another one, which
	// ends with the descriptors.
	now, err := link.Get(ns, f.Name)
	if errors.Is(err, unix.ENODEV) || err == nil && now.Index != f.Index {
		closeAll(fds)
		return true, nil
	}
	if err == nil {
		err = a.hold(fds)
	}
	if err != nil {
		closeAll(fds)
		return false, err
	}
	// If somebody else got a queue first, the headers are as he wants them.
	_, flags, err := queueState(fds[0])
	if err == nil && (now.Tun.MultiQueue && now.Tun.Queues != o.queues || flags&unix.IFF_VNET_HDR == 0) {
		err = inUse
	}
	if err != nil {
		return false, err
	}
	a.know(now)
	a.pins = true // by the descriptors
	return false, a.claim(place{ns.ID(), now.Index})
}

// inUse is the refusal of a tap that another program has, such as a virtual
// machine: its frames are that program's, but the kernel's end can be grabbed.
func (o *tapCommand) inUse(c *caller, f link.Facts) error {
	way := ""
	if c.admin && f.Master == 0 {
		where := ""
		if o.netns != "" {
			where = " netns=" + o.netns
		}
		way = fmt.Sprintf(": to connect that program, grab the tap: echo %s%s >grab", o.name, where)
	}
	return fail.Errorf(fail.Busy, "tap %s is in use by another program%s", o.name, way)
}

// admitted tells whom the kernel lets attach a tap.
func admitted(t link.Tun) string {
	switch {
	case t.Group == link.Nobody:
		return fmt.Sprintf("uid %d", t.Owner)
	case t.Owner == link.Nobody:
		return fmt.Sprintf("gid %d", t.Group)
	}
	return fmt.Sprintf("uid %d and gid %d", t.Owner, t.Group)
}

// hold makes a the holder of the device that the queues are attached to, and
// their owner, unless it fails.
func (a *attachment) hold(fds []int) error {
	control, err := unix.FcntlInt(uintptr(fds[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	a.fds, a.holder = fds, &tap{control}
	return nil
}

// locate is holder's.
func (t *tap) locate() (*netns.NS, link.Facts, error) {
	for {
		name, _, err := queueState(t.control)
		if err != nil {
			return nil, link.Facts{}, err
		}
		fd, err := unix.IoctlRetInt(t.control, unix.TUNGETDEVNETNS)
		if err != nil {
			return nil, link.Facts{}, err
		}
		ns, err := netns.FromFD(fd)
		if err != nil {
			return nil, link.Facts{}, err
		}
		f, err := link.Get(ns, name)
		if again, _, _ := queueState(t.control); err == nil && again == name {
			return ns, f, nil
		}
		ns.Close()
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return nil, link.Facts{}, err
		}
	}
}

// admit says who may attach a queue without CAP_NET_ADMIN. The kernel knows no
// way back to nobody.
func (t *tap) admit(owner, group *uint32) error {
	if owner != nil {
		if err := unix.IoctlSetInt(t.control, unix.TUNSETOWNER, int(*owner)); err != nil {
			return refuse(err, "owner=%d", *owner)
		}
	}
	if group != nil {
		if err := unix.IoctlSetInt(t.control, unix.TUNSETGROUP, int(*group)); err != nil {
			return refuse(err, "group=%d", *group)
		}
	}
	return nil
}

// release lets go of the device: it disappears unless it persists. Then its
// next user must find it as if it were new: he may know no virtio-net headers.
func (t *tap) release() {
	if _, flags, err := queueState(t.control); err == nil && flags&unix.IFF_PERSIST != 0 {
		_ = tun.SetOffloads(t.control, 0)
	}
	_ = unix.Close(t.control)
}
