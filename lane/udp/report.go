package udp

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Report is what became of a datagram that was sent, as the kernel or a router says
// (IP_RECVERR, ip(7)). Anybody on the path can write such an ICMP.
type Report struct {
	To    Addr
	Errno unix.Errno
	MTU   int // with EMSGSIZE: of the path, in bytes with the header of IP; else 0
}

// report is memory for a report.
type report struct {
	header  unix.Msghdr
	name    name
	control [controlRoom]byte
}

// Report takes the next report off the socket, if there is one. epoll tells of it as of
// an error, until it is taken.
func (r *Receiver) Report(fd int) (report Report, ok bool) {
	m := &r.report
	m.header = unix.Msghdr{
		Name: bytesOf(&m.name), Namelen: unix.SizeofSockaddrInet6,
		Control: &m.control[0], Controllen: controlRoom,
	}
	_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&m.header)), unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if errno != 0 {
		return Report{}, false
	}
	s := parse(m.control[:m.header.Controllen])
	report = Report{To: addrIn(&m.name, m.header.Namelen), Errno: unix.Errno(s.report.Errno)}
	if report.Errno == unix.EMSGSIZE {
		report.MTU = int(min(s.report.Info, maxMTU))
	}
	return report, true
}

// maxReports is how many reports are taken at once, so that nobody waits for those who
// cause them.
const maxReports = 64

// Heard is for what Receive returns: it takes reports. shorter says that the mtu of a path
// may have changed. What it returns is what the Read of a Driver returns; what became of
// a datagram ends nothing.
func (r *Receiver) Heard(fd int, err error) (shorter bool, _ error) {
	if Fatal(err) {
		return false, err
	}
	for range maxReports {
		report, ok := r.Report(fd)
		if !ok {
			break
		}
		shorter = shorter || report.Errno == unix.EMSGSIZE
	}
	return shorter, unix.EAGAIN
}

// maxMTU is the most that IP has a length for.
const maxMTU = 1<<16 - 1

// Fatal tells whether an error of Receive or Send is the end of the socket. Others are
// of a datagram, and of one that was sent before at that.
func Fatal(err error) bool {
	for _, end := range []unix.Errno{unix.EBADF, unix.ENOTSOCK, unix.EFAULT} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
