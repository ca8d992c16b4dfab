package seq

import (
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/vnet"
	"ipnfs/iface/device"
	"ipnfs/lane"
)

// The way of a tap: its descriptor comes with the first message (first.go), is looked
// at and set up here (adopt), and joins the peer's port beside him. Then the peer's own
// endpoint ends, so that the port is there all the time, and his connection stays as the
// life line: the port ends with it, and it with the port.

// What the kernel may leave to us: checksums and segmentation. UDP segments came with
// Linux 6.2.
const (
	offloads    = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6 | unix.TUN_F_TSO_ECN
	udpOffloads = unix.TUN_F_USO4 | unix.TUN_F_USO6
)

// needed is what a tap must have been opened with, and may is what else it may have.
const (
	needed = unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR
	may    = unix.IFF_MULTI_QUEUE | unix.IFF_PERSIST | unix.IFF_ONE_QUEUE
)

// tunDevice is the number of /dev/net/tun.
var tunDevice = unix.Mkdev(10, 200)

// replace makes the tap fd the port of e, which ends. If it fails the connection ends.
func (p *peer) replace(v *bus.Visitor, e *lane.Endpoint, fd int) error {
	name, err := adopt(fd)
	if err == nil && !(v.Recv && v.Send) {
		err = fail.Errorf(fail.Denied, "tap %s: a tap receives and sends, and the mode of port gives uid %d only one of both", name, v.UID)
	}
	if err != nil {
		_ = unix.Close(fd)
		e.Close()
		return err
	}
	if !p.kept.CompareAndSwap(false, true) { // he has hung up
		_ = unix.Close(fd)
		return nil
	}
	line := os.NewFile(uintptr(p.fd), "seq")
	o := v.Join()
	o.Number, o.Info.Kind, o.Info.Detail = e.Conn().Port().Number(), "seq", name
	d, err := device.StartTap(v.Network, device.Config{
		Fds: []int{fd}, Shared: true, Join: o,
		Ended: func(string) { _ = line.SetReadDeadline(time.Unix(1, 0)) },
	})
	e.Close()
	if err != nil {
		_ = unix.Close(fd)
		_ = line.Close()
		v.Left()
		return err
	}
	go func() {
		p.hold(line)
		d.Close()
		_ = line.Close()
		v.Left()
	}()
	return nil
}

// hold reads, and ignores, what comes by the life line until it is cut, or the tap has
// ended.
func (p *peer) hold(line *os.File) {
	raw, err := line.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(uintptr) (done bool) {
		var one [1]byte
		for {
			switch n, err := unix.Read(p.fd, one[:]); {
			case errors.Is(err, unix.EAGAIN):
				return false
			case err != nil || n == 0 && lane.Ended(p.fd):
				return true
			}
		}
	})
}

// adopt looks whether fd is a tap as lanes can serve it, sets what may be set, and
// returns the interface's name.
func adopt(fd int) (name string, err error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFCHR || stat.Rdev != tunDevice {
		return "", fail.Errorf(fail.Invalid, "the descriptor of the first message is no tap: it must be of /dev/net/tun")
	}
	name, flags, err := state(fd)
	if err != nil {
		return "", fail.Errorf(fail.Invalid, "the descriptor of the first message has no interface: TUNSETIFF gives it one (%v)", err)
	}
	switch {
	case flags&unix.IFF_TAP == 0:
		return "", fail.Errorf(fail.Invalid, "%s is a tun, which carries no ethernet frames: open a tap (IFF_TAP)", name)
	case flags&needed != needed:
		return "", fail.Errorf(fail.Invalid, "tap %s must be opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", name)
	case flags&^(needed|may) != 0:
		return "", fail.Errorf(fail.Invalid, "tap %s was opened with flags 0x%x that do not fit: IFF_TAP, IFF_NO_PI and IFF_VNET_HDR are enough", name, flags&^(needed|may))
	}
	if err := setUp(fd); err != nil {
		return "", fail.Errorf(fail.Invalid, "tap %s cannot be set up: %v", name, err)
	}
	return name, nil
}

// state returns name and flags of the interface. TUNGETIFF has one bit for IFF_NO_PI and
// for IFF_NOFILTER (tun.c, __tun_chr_ioctl): there must be a filter for a look at the
// former. One that keeps all stands there meanwhile.
func state(fd int) (name string, flags int, err error) {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return "", 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr); err != nil {
		return "", 0, err
	}
	if flags = int(ifr.Uint16()); flags&unix.IFF_NOFILTER != 0 && flags&unix.IFF_TAP != 0 {
		all := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 20}
		program := unix.SockFprog{Len: 1, Filter: &all}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNATTACHFILTER, uintptr(unsafe.Pointer(&program))); errno != 0 {
			return "", 0, errno
		}
		err = unix.IoctlIfreq(fd, unix.TUNGETIFF, ifr)
		flags = int(ifr.Uint16())
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNDETACHFILTER, uintptr(unsafe.Pointer(&program)))
	}
	return ifr.Name(), flags, err
}

// setUp sets the headers of frames, and what the kernel may leave to us.
func setUp(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnet.HeaderLen); err != nil {
		return err
	}
	_ = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETLE, 0) // the host's order, as it is without a word
	_ = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETBE, 0) // few kernels know it
	err := unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads|udpOffloads)
	if errors.Is(err, unix.EINVAL) {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, offloads)
	}
	return err
}
