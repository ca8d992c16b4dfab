package link

import (
	"errors"
	"os"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// own is the id of the namespace that a socket is in, as seen from there: it
// has none.
const own = -1

// socket is an rtnetlink socket that hears of all interfaces in all namespaces
// that have an id in its own.
type socket struct {
	home *netns.NS
	file *os.File
	seq  atomic.Uint32
}

// firstSeq is far from the numbers that other sockets begin with: what the
// kernel tells all carries the number of whoever caused it.
const firstSeq = 1 << 31

func openSocket() (*socket, error) {
	home, err := netns.Private()
	if err != nil {
		// Without privileges we only know where we are.
		if home, err = netns.Current(); err != nil {
			return nil, err
		}
	}
	s := &socket{home: home}
	s.seq.Store(firstSeq)
	err = home.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		s.file = os.NewFile(uintptr(fd), "rtnetlink")
		if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		for _, group := range []int{unix.RTNLGRP_LINK, unix.RTNLGRP_NSID} {
			if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
				return err
			}
		}
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_LISTEN_ALL_NSID, 1)
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		return err
	})
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) close() {
	if s.file != nil {
		s.file.Close()
	}
	if private, err := netns.Private(); err != nil || private != s.home {
		s.home.Close()
	}
}

// id returns the id of ns in the socket's namespace, from which on the socket
// hears of its interfaces. An id does not keep ns alive.
func (s *socket) id(ns *netns.NS) (id int, err error) {
	if ns.ID() == s.home.ID() {
		return own, nil
	}
	err = s.home.Do(func() error {
		if id, err = netlink.GetNetNsIdByFd(ns.FD()); err != nil || id >= 0 {
			return err
		}
		err := netlink.SetNetNsIdByFd(ns.FD(), -1) // any
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
		id, err = netlink.GetNetNsIdByFd(ns.FD())
		return err
	})
	return id, err
}

// ask asks for the facts of an interface and returns the number of the answer,
// which comes in order with what the kernel tells by itself.
func (s *socket) ask(nsid, index int) (seq uint32, err error) {
	req := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
	req.Seq = s.seq.Add(1)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	req.AddData(msg)
	if nsid != own {
		req.AddData(nl.NewRtAttr(unix.IFLA_TARGET_NETNSID, nl.Uint32Attr(uint32(nsid))))
	}
	conn, err := s.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var result error
	err = conn.Write(func(fd uintptr) bool {
		result = unix.Sendto(int(fd), req.Serialize(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return !errors.Is(result, unix.EAGAIN)
	})
	return req.Seq, errors.Join(err, result)
}

// receive takes the next messages of the kernel, and tells the namespace they
// come from. If there are none it waits, or the error is EAGAIN. It is
// os.ErrClosed when the socket is closed.
func (s *socket) receive(b []byte, wait bool) (n, nsid int, err error) {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var result error
	var control [64]byte
	var cn int
	var from unix.Sockaddr
	err = conn.Read(func(fd uintptr) bool {
		n, cn, _, from, result = unix.Recvmsg(int(fd), b, control[:], 0)
		return !wait || !errors.Is(result, unix.EAGAIN)
	})
	if err != nil {
		return 0, 0, os.ErrClosed
	}
	if result != nil {
		return 0, 0, result
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != nl.PidKernel {
		return 0, 0, nil
	}
	return n, namespaceOf(control[:cn]), nil
}

// namespaceOf reads the id that comes beside a message.
func namespaceOf(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return own
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_NETLINK && m.Header.Type == unix.NETLINK_LISTEN_ALL_NSID && len(m.Data) >= 4 {
			return int(int32(native.Uint32(m.Data)))
		}
	}
	return own
}
