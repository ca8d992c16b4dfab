package plane

import (
	"encoding/binary"
	"errors"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// deviceStats are what a device says of what it sent: to the other end of its pair, that
// is, which took it, or it was dropped.
type deviceStats struct {
	taken, dropped uint64
}

// news are sockets by which the kernel tells of devices of the plane's namespace. A
// device whose other end has gone with its namespace tells its last on its way out: that
// waits in a socket of its own until somebody asks.
type news struct {
	question *nl.SocketHandle

	mu sync.Mutex
	// +checklocks:mu
	end int // the socket
	// +checklocks:mu
	ended map[int]deviceStats // by index
}

// newsRoom is how much memory news may take until they are read: so much that the last
// words of all devices there can be have place.
const newsRoom = 32 << 20

// openNews opens them in the namespace of the calling thread.
func openNews() (*news, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	n := &news{question: &nl.SocketHandle{Socket: socket}, ended: map[int]deviceStats{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.end, err = openEnd(); err != nil {
		socket.Close()
		return nil, err
	}
	return n, nil
}

// openEnd opens a socket that hears of ends only: what else hosts do to their ends shall
// not fill it.
func openEnd() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, newsRoom)
	// The type is of the host's order, and is read as if it were of the network's.
	kind := uint32(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.RTM_DELLINK)))
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 4}, // struct nlmsghdr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: kind, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		return fd, err
	}
	return fd, unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_LINK - 1)})
}

func (n *news) close() {
	n.question.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	_ = unix.Close(n.end)
}

// ask asks a device. The error is ENODEV if there is none with that index.
func (n *news) ask(index int) (s deviceStats, err error) {
	request := nl.NewNetlinkRequest(unix.RTM_GETSTATS, 0)
	request.AddData(statsRequest(index))
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: n.question}
	answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWSTATS)
	if err != nil {
		return s, err
	}
	if len(answers) == 1 && len(answers[0]) >= sizeofStats {
		if s, ok := findStats(answers[0][sizeofStats:], unix.IFLA_STATS_LINK_64); ok {
			return s, nil
		}
	}
	return s, unix.EBADMSG
}

// sizeofStats is the size of struct if_stats_msg.
const sizeofStats = 12

// statsRequest is a struct if_stats_msg, which asks for IFLA_STATS_LINK_64 of a device.
type statsRequest uint32

// Len is nl.NetlinkRequestData's.
func (statsRequest) Len() int { return sizeofStats }

// Serialize is nl.NetlinkRequestData's.
func (index statsRequest) Serialize() []byte {
	b := binary.NativeEndian.AppendUint32(make([]byte, 4), uint32(index))
	return binary.NativeEndian.AppendUint32(b, 1<<(unix.IFLA_STATS_LINK_64-1))
}

// findStats reads a struct rtnl_link_stats64 in a list of attributes.
func findStats(b []byte, kind uint16) (s deviceStats, ok bool) {
	attributes, err := nl.ParseRouteAttr(b)
	if err != nil {
		return s, false
	}
	for _, a := range attributes {
		if a.Attr.Type == kind && len(a.Value) >= 64 {
			return deviceStats{binary.NativeEndian.Uint64(a.Value[8:]), binary.NativeEndian.Uint64(a.Value[56:])}, true
		}
	}
	return s, false
}

// last returns what a device that has gone has told last.
func (n *news) last(index int) (s deviceStats, told bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read()
	s, told = n.ended[index]
	return s, told
}

// forget makes room for what another device with that index will tell.
func (n *news) forget(index int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.read()
	delete(n.ended, index)
}

// read takes what the kernel has told since. What was told while there was no room is
// lost.
//
// +checklocks:n.mu
func (n *news) read() {
	buf := make([]byte, 32<<10)
	for {
		size, from, err := unix.Recvfrom(n.end, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
			continue
		case err != nil:
			return
		}
		if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != nl.PidKernel {
			continue
		}
		messages, _ := syscall.ParseNetlinkMessage(buf[:size])
		for _, m := range messages {
			if m.Header.Type != unix.RTM_DELLINK || len(m.Data) < unix.SizeofIfInfomsg || m.Data[0] != unix.AF_UNSPEC {
				continue
			}
			index := int(binary.NativeEndian.Uint32(m.Data[4:]))
			if s, ok := findStats(m.Data[unix.SizeofIfInfomsg:], unix.IFLA_STATS64); ok && index%2 == 0 {
				n.ended[index] = s
			}
		}
	}
}
