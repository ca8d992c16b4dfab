package iface

import (
	"sync"
	"syscall"

	"github.com/songgao/water"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// tapQueue is how many frames wait in the kernel for us to read a tap that we
// made. The 1000 of the kernel's default are a burst of some milliseconds: as
// long as a loop may not run on a machine that has other things to do.
const tapQueue = 4096

// making is held while there may be a tap in the private namespace, so that
// each can have its name there already.
var making sync.Mutex

// makeTap makes a tap for ns, as the comment of the package says.
func (a *attachment) makeTap(o *tapCommand, ns *netns.NS) error {
	private, err := netns.Private()
	if err != nil {
		return refuse(err, "making a network namespace")
	}
	making.Lock()
	defer making.Unlock()
	err = private.Do(func() error {
		err := a.makeHere(o, ns)
		if err != nil {
			remove(o.name)
		}
		return err
	})
	if err != nil {
		return err
	}
	where, f, err := a.holder.locate()
	if err != nil {
		return err
	}
	defer where.Close()
	a.know(f)
	return a.claim(place{where.ID(), f.Index})
}

// makeHere makes a tap in the namespace of the calling thread and moves it to
// ns.
func (a *attachment) makeHere(o *tapCommand, ns *netns.NS) error {
	multi := o.queues > 1
	if err := create(o.name, multi); err != nil {
		return err
	}
	fds, err := openQueues(o.name, o.queues, multi, func() error { return nil })
	if err != nil {
		return err
	}
	if err := a.hold(fds); err != nil {
		closeAll(fds)
		return err
	}
	// From here on the descriptors alone keep it.
	if err := unix.IoctlSetInt(fds[0], unix.TUNSETPERSIST, 0); err != nil {
		return err
	}
	l, err := netlink.LinkByName(o.name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetTxQLen(l, tapQueue); err != nil {
		return err
	}
	return netlink.LinkSetNsFd(l, ns.FD())
}

// create makes a tap in the namespace of the calling thread, which stays until
// it is removed or told not to persist: queues with other flags than the first
// one's can only be attached to a device that has none.
func create(name string, multi bool) error {
	// The library opens a descriptor that a program started meanwhile would
	// inherit.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	t, err := water.New(water.Config{
		DeviceType:             water.TAP,
		PlatformSpecificParams: water.PlatformSpecificParams{Name: name, Persist: true, MultiQueue: multi},
	})
	if err != nil {
		return refuse(err, "making tap %s", name)
	}
	return t.Close()
}

// remove deletes an interface in the namespace of the calling thread.
func remove(name string) {
	if l, err := netlink.LinkByName(name); err == nil {
		_ = netlink.LinkDel(l)
	}
}
