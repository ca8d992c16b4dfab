package creds

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// OfPeer returns who is at the other end of a connected unix socket: his ids and
// groups as they were when he connected (SO_PEERCRED, SO_PEERGROUPS), and what /proc
// says of his process now. That process need not wait for us, so Thread is 0.
//
// Capabilities count for uid 0 only: another peer may since have executed a program
// that has more than he had. /proc is believed if SO_PEERPIDFD says that the
// process is still there. Before Linux 6.5, which has it not, a peer is not Known.
func OfPeer(fd int) (bus.Caller, error) {
	is, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return bus.Caller{}, err
	}
	groups, err := peerGroups(fd)
	if err != nil {
		return bus.Caller{}, err
	}
	c, status, ok := identify(uint32(is.Pid), is.Uid, is.Gid)
	c.Rights.Groups = groups
	root := is.Uid == 0 && strings.Contains(status, "\nUid:\t0\t0\t") && sameUserNamespace(uint32(is.Pid))
	if !ok || !Alive(fd) { // what was told of that number may be another's
		c.Comm = ""
		return c, nil
	}
	c.Rights.Known = true
	if root {
		c.Rights.Effective, _ = parseStatus(status)
	}
	return c, nil
}

// Alive tells whether the process that connected is there still: then what /proc
// said before by its number was of that process. Before Linux 6.5 it is not known,
// and false.
func Alive(fd int) bool {
	pidfd, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PEERPIDFD)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	ended, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0)
	return err == nil && ended == 0
}

// peerGroups returns the supplementary groups of the peer.
func peerGroups(fd int) ([]int, error) {
	list := make([]uint32, 32)
	for {
		size := uint32(len(list)) * 4
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&list[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && int(size) > len(list)*4: // size is what it takes
			list = make([]uint32, size/4)
			continue
		case errno == unix.ENODATA: // of a socket without credentials
			return nil, nil
		case errno != 0:
			return nil, errno
		}
		var groups []int
		for _, gid := range list[:size/4] {
			groups = append(groups, int(gid))
		}
		return groups, nil
	}
}
