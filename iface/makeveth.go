package iface

import (
	"golang.org/x/sys/unix"

	"ipnfs/iface/fastpath"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/plane"
)

// makeVeth makes a pair with one end in ns, and all that the other end needs; or a tap
// where the kernel cannot forward.
func (a *attachment) makeVeth(name string, ns *netns.NS) error {
	pl, err := plane.Load()
	if err != nil {
		a.noPlane = err.Error()
		return a.makeTap(&tapCommand{name: name, queues: 1}, ns)
	}
	port, err := pl.NewPort(ns, name)
	if err != nil {
		return err
	}
	v := &veth{plane: pl, port: port}
	a.holder, a.shortcut = v, fastpath.New(port)
	if v.watch, _, err = link.Observe(pl.NS(), port.Index(), &plugged{a: a}); err != nil {
		return err
	}
	fd, err := unix.FcntlInt(uintptr(port.Tap()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	a.fds = []int{fd}
	f, err := link.Get(ns, name)
	if err != nil {
		return err
	}
	a.know(f)
	return a.claim(place{ns.ID(), f.Index})
}
