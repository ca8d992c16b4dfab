package udp

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlRoom is enough for the control messages that Open asks for: UDP_GRO, and
// IP_TOS or IPV6_TCLASS; and for the report of an error with two addresses.
const controlRoom = 128

// said is what the control messages of a message say.
type said struct {
	size   int   // UDP_GRO: bytes of each datagram but the last; 0: there is one
	tos    uint8 // IP_TOS, IPV6_TCLASS
	report unix.SockExtendedErr
	failed bool // there is a report: IP_RECVERR, IPV6_RECVERR
}

// parse reads control messages (cmsg(3)). The kernel has written them; what would lead
// out of them ends them.
func parse(control []byte) (s said) {
	const header = unix.SizeofCmsghdr
	for len(control) >= header {
		length := binary.NativeEndian.Uint64(control)
		if length < header || length > uint64(len(control)) {
			return s
		}
		level, kind := binary.NativeEndian.Uint32(control[8:]), binary.NativeEndian.Uint32(control[12:])
		s.hear(level, kind, control[header:length])
		control = control[min((int(length)+7)&^7, len(control)):]
	}
	return s
}

// hear takes one control message.
func (s *said) hear(level, kind uint32, data []byte) {
	switch {
	case level == unix.SOL_UDP && kind == unix.UDP_GRO && len(data) >= 4:
		s.size = int(int32(binary.NativeEndian.Uint32(data)))
	case level == unix.SOL_IP && kind == unix.IP_TOS && len(data) >= 1:
		s.tos = data[0]
	case level == unix.SOL_IPV6 && kind == unix.IPV6_TCLASS && len(data) >= 4:
		s.tos = uint8(binary.NativeEndian.Uint32(data))
	case (level == unix.SOL_IP && kind == unix.IP_RECVERR || level == unix.SOL_IPV6 && kind == unix.IPV6_RECVERR) &&
		len(data) >= int(unsafe.Sizeof(s.report)):
		copy((*[unsafe.Sizeof(s.report)]byte)(unsafe.Pointer(&s.report))[:], data)
		s.failed = true
	}
}

// control is what a message that is sent says.
type control struct {
	room [2 * messageRoom]byte
	n    int
}

// messageRoom is enough for a control message of up to 8 bytes.
const messageRoom = unix.SizeofCmsghdr + 8

// add writes a control message.
func (c *control) add(level, kind int32, value []byte) {
	m := c.room[c.n:][:messageRoom]
	clear(m)
	binary.NativeEndian.PutUint64(m, uint64(unix.SizeofCmsghdr+len(value)))
	binary.NativeEndian.PutUint32(m[8:], uint32(level))
	binary.NativeEndian.PutUint32(m[12:], uint32(kind))
	copy(m[unix.SizeofCmsghdr:], value)
	c.n += messageRoom
}

// segment has the kernel cut the message into datagrams of size bytes.
func (c *control) segment(size int) {
	var value [2]byte
	binary.NativeEndian.PutUint16(value[:], uint16(size))
	c.add(unix.SOL_UDP, unix.UDP_SEGMENT, value[:])
}

// mark sets the type of service or traffic class of the message.
func (c *control) mark(family uint16, tos uint8) {
	var value [4]byte
	binary.NativeEndian.PutUint32(value[:], uint32(tos))
	if family == unix.AF_INET6 {
		c.add(unix.SOL_IPV6, unix.IPV6_TCLASS, value[:])
	} else {
		c.add(unix.SOL_IP, unix.IP_TOS, value[:])
	}
}
