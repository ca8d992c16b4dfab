// Package tun opens devices of the kernel's tun driver, so that each of their frames
// begins with a virtio-net header.
package tun

import (
	"errors"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/vnet"
)

// flags make a device one of frames, each with a virtio-net header.
const flags = unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR

// What the kernel may leave to us: checksums and segmentation. UDP segments
// came with Linux 6.2.
const (
	Offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN | udpOffloads
	udpOffloads = unix.TUN_F_USO4 | unix.TUN_F_USO6
)

// Open returns a descriptor that belongs to no device yet. It is non-blocking, and of
// the network namespace of the calling thread. If there is no such driver the error
// says so, else it is the kernel's.
func Open() (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return -1, fail.Errorf(fail.Unsupported, "there is no /dev/net/tun: modprobe tun, and a container must be given the device")
	case err != nil:
		return -1, err
	}
	return fd, nil
}

// Attach makes fd a queue of the tap of that name, which is made if there is none. more
// are flags beside those that all devices here have, such as IFF_MULTI_QUEUE.
func Attach(fd int, name string, more uint16) error {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	ifr.SetUint16(flags | more)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnet.HeaderLen)
}

// SetOffloads says what the kernel may leave to us, or less if it does not
// know all of that.
func SetOffloads(fd int, which int) error {
	err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, which)
	if errors.Is(err, unix.EINVAL) {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, which&^udpOffloads)
	}
	return err
}
