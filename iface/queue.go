package iface

import (
	"golang.org/x/sys/unix"

	"ipnfs/iface/tun"
)

// openQueues attaches n queues to the tap of that name in the namespace of the
// calling thread; if there is none, it is made. before is called when the
// descriptors are open and nothing is attached yet.
func openQueues(name string, n int, multi bool, before func() error) (fds []int, err error) {
	defer func() {
		if err != nil {
			closeAll(fds)
			fds = nil
		}
	}()
	for range n {
		fd, err := tun.Open()
		if err != nil {
			return fds, refuse(err, "/dev/net/tun")
		}
		fds = append(fds, fd)
	}
	if err := before(); err != nil {
		return fds, err
	}
	flags := uint16(0)
	if multi {
		flags = unix.IFF_MULTI_QUEUE
	}
	for _, fd := range fds {
		if err := tun.Attach(fd, name, flags); err != nil {
			return fds, err
		}
	}
	return fds, tun.SetOffloads(fds[0], tun.Offloads)
}

// queueState returns name and flags of the device that a queue is attached to.
// The error is EBADFD if the device is deleted.
func queueState(fd int) (name string, flags uint16, err error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return "", 0, err
	}
	return ifr.Name(), ifr.Uint16(), nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}
