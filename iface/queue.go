package iface

import (
	"errors"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/vnet"
)

// queueFlags make every frame of a tap begin with a virtio-net header.
const queueFlags = unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR

// What the kernel may leave to us: checksums and segmentation. UDP segments
// came with Linux 6.2.
const (
	offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	udpOffloads = unix.TUN_F_USO4 | unix.TUN_F_USO6
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
		fd, err := openTun()
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
	}
	if err := before(); err != nil {
		return fds, err
	}
	for _, fd := range fds {
		if err := attachQueue(fd, name, multi); err != nil {
			return fds, err
		}
	}
	return fds, setOffloads(fds[0], offloads|udpOffloads)
}

func openTun() (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return -1, fail.Errorf(fail.Unsupported, "there is no /dev/net/tun: modprobe tun, and a container must be given the device")
	case err != nil:
		return -1, refuse(err, "/dev/net/tun")
	}
	return fd, nil
}

func attachQueue(fd int, name string, multi bool) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	flags := uint16(queueFlags)
	if multi {
		flags |= unix.IFF_MULTI_QUEUE
	}
	ifr.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnet.HeaderLen)
}

// setOffloads says what the kernel may leave to us, or less if it does not
// know all of that.
func setOffloads(fd int, which int) error {
	err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, which)
	if errors.Is(err, unix.EINVAL) {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, which&^udpOffloads)
	}
	return err
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
