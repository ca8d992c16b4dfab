package vde

import (
	"encoding/binary"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// From linux/sock_diag.h and linux/unix_diag.h. A request is struct unix_diag_req
// behind a struct nlmsghdr, an answer struct unix_diag_msg and attributes.
const (
	sockDiagByFamily = 20

	showPeer = 0x04
	showUID  = 0x40 // Linux 5.3

	attrPeer = 2
	attrUID  = 7

	diagRequestLen = unix.SizeofNlMsghdr + 24
	diagMessageLen = 16
)

var errNoAnswer = errors.New("the kernel does not say")

// ownerOfPeer tells which user made the socket that fd is connected to. diag is a
// socket of NETLINK_SOCK_DIAG in the network namespace of both.
func ownerOfPeer(diag, fd int) (uid uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	peer, err := askDiag(diag, uint32(st.Ino), showPeer, attrPeer)
	if err != nil {
		return 0, err
	}
	return askDiag(diag, peer, showUID, attrUID)
}

// askDiag asks for one attribute of the unix socket of an inode.
func askDiag(diag int, inode, show uint32, attr uint16) (value uint32, err error) {
	b := make([]byte, 0, diagRequestLen)
	b = binary.NativeEndian.AppendUint32(b, diagRequestLen)
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST)
	b = append(b, make([]byte, 8)...) // sequence and port
	b = append(b, unix.AF_UNIX, 0, 0, 0)
	for _, word := range []uint32{^uint32(0), inode, show, ^uint32(0), ^uint32(0)} { // all states; any cookie
		b = binary.NativeEndian.AppendUint32(b, word)
	}
	if err := unix.Sendto(diag, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sock_diag", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(diag, answer, 0) // it is there when Sendto returns
	if err != nil {
		return 0, os.NewSyscallError("sock_diag", err)
	}
	return parseDiag(answer[:n], attr)
}

// parseDiag finds an attribute of four bytes in an answer.
func parseDiag(b []byte, attr uint16) (value uint32, err error) {
	if len(b) < unix.SizeofNlMsghdr+4 {
		return 0, errNoAnswer
	}
	switch binary.NativeEndian.Uint16(b[4:]) {
	case unix.NLMSG_ERROR:
		errno := -int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:]))
		return 0, os.NewSyscallError("sock_diag", unix.Errno(errno))
	case sockDiagByFamily:
	default:
		return 0, errNoAnswer
	}
	b = b[min(len(b), unix.SizeofNlMsghdr+diagMessageLen):]
	for len(b) >= 4 {
		size, is := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if size < 4 || size > len(b) {
			break
		}
		if is == attr && size == 8 {
			return binary.NativeEndian.Uint32(b[4:]), nil
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return 0, errNoAnswer
}
