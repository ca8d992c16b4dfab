package udp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Config describes a socket. The zero values leave things as the system has them.
type Config struct {
	Local netip.AddrPort // to be bound to; its family is the socket's
	Peer  netip.AddrPort // to be connected to
	Scope uint32         // index of the interface for link-local addresses
	// Device is the name of the interface that all must use; "" is any.
	Device string
	// NoChecksum leaves the checksum of UDP out, and takes what comes without in IPv6
	// (RFC 6935). The kernel then cuts nothing: see Sender.Whole.
	NoChecksum bool
	TTL        int // hop limit, of multicast too
	// Group is received too, and sent to by the interface Scope.
	Group netip.Addr
	// Memory is for how many bytes to ask for what waits each way; the kernel may give less.
	Memory int
}

// Open makes a socket in the network namespace and with the rights of the thread. What
// it sends is never fragmented: DF is set, and what is too long for the path, as far as
// the kernel knows it, is EMSGSIZE.
func Open(c Config) (fd int, err error) {
	family := unix.AF_INET
	if c.Local.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	s := socket{fd: fd, v6: family == unix.AF_INET6}
	s.always()
	s.choose(c)
	s.address(c)
	if s.err != nil {
		_ = unix.Close(fd)
		return -1, s.err
	}
	return fd, nil
}

// socket is one that is made. The first error is kept, and all after it left out.
type socket struct {
	fd  int
	v6  bool
	err error
}

// try keeps an error of a call.
func (s *socket) try(call string, err error) {
	if s.err == nil {
		s.err = os.NewSyscallError(call, err)
	}
}

// set sets an option, which has the name v4 in IPv4 and v6 in IPv6.
func (s *socket) set(v4, v6, value int) {
	if s.err != nil {
		return
	}
	if s.v6 {
		s.try("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_IPV6, v6, value))
	} else {
		s.try("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_IP, v4, value))
	}
}

// always sets what all sockets have.
func (s *socket) always() {
	_ = unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_GRO, 1) // Linux 5.0
	if s.v6 {
		s.try("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1))
	}
	s.set(unix.IP_RECVTOS, unix.IPV6_RECVTCLASS, 1)
	s.set(unix.IP_MTU_DISCOVER, unix.IPV6_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	s.set(unix.IP_RECVERR, unix.IPV6_RECVERR, 1)
	s.set(unix.IP_MULTICAST_ALL, unix.IPV6_MULTICAST_ALL, 0) // groups of others are theirs
}

// choose sets what c wants.
func (s *socket) choose(c Config) {
	if c.NoChecksum && s.v6 {
		s.try("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_NO_CHECK6_TX, 1))
		s.try("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_UDP, unix.UDP_NO_CHECK6_RX, 1))
	} else if c.NoChecksum {
		s.try("setsockopt", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1))
	}
	if c.TTL != 0 {
		s.set(unix.IP_TTL, unix.IPV6_UNICAST_HOPS, c.TTL)
		s.set(unix.IP_MULTICAST_TTL, unix.IPV6_MULTICAST_HOPS, c.TTL)
	}
	if c.Device != "" {
		s.try("SO_BINDTODEVICE", unix.BindToDevice(s.fd, c.Device))
	}
	if c.Memory != 0 {
		s.room(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, c.Memory)
		s.room(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, c.Memory)
	}
	if c.Group.IsValid() {
		s.join(c)
	}
}

// room asks for memory, over the system's limit if the thread may.
func (s *socket) room(force, ask, bytes int) {
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, bytes) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, ask, bytes)
	}
}

// join receives a group, and sends to it by the same interface. What is sent there does
// not come back.
func (s *socket) join(c Config) {
	s.set(unix.IP_MULTICAST_LOOP, unix.IPV6_MULTICAST_LOOP, 0)
	if s.v6 {
		m := &unix.IPv6Mreq{Multiaddr: c.Group.As16(), Interface: c.Scope}
		s.try("IPV6_ADD_MEMBERSHIP", unix.SetsockoptIPv6Mreq(s.fd, unix.SOL_IPV6, unix.IPV6_JOIN_GROUP, m))
		s.set(0, unix.IPV6_MULTICAST_IF, int(c.Scope))
		return
	}
	m := &unix.IPMreqn{Multiaddr: c.Group.As4(), Ifindex: int32(c.Scope)}
	s.try("IP_ADD_MEMBERSHIP", unix.SetsockoptIPMreqn(s.fd, unix.SOL_IP, unix.IP_ADD_MEMBERSHIP, m))
	s.try("IP_MULTICAST_IF", unix.SetsockoptIPMreqn(s.fd, unix.SOL_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(c.Scope)}))
}

// address binds and connects.
func (s *socket) address(c Config) {
	if s.err == nil && c.Local.IsValid() {
		s.try("bind", unix.Bind(s.fd, sockaddr(c.Local, c.Scope)))
	}
	if s.err == nil && c.Peer.IsValid() {
		s.try("connect", unix.Connect(s.fd, sockaddr(c.Peer, c.Scope)))
	}
}

// sockaddr is an address as the calls for slow things want it.
func sockaddr(a netip.AddrPort, scope uint32) unix.Sockaddr {
	if a.Addr().Unmap().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	if !a.Addr().IsLinkLocalUnicast() && !a.Addr().IsLinkLocalMulticast() {
		scope = 0
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: scope}
}

// Room is how much memory to ask for: some bursts of a peer that is on the same machine.
const Room = 4 << 20

// OpenPair is Open, and makes a second socket for a Path that goes the same ways.
func OpenPair(c Config) (fd, probe int, err error) {
	if fd, err = Open(c); err != nil {
		return -1, -1, err
	}
	probe, err = Open(Config{Local: netip.AddrPortFrom(Any(c.Local.Addr()), 0), Device: c.Device, Memory: 1}) // nobody reads it
	if err != nil {
		_ = unix.Close(fd)
		return -1, -1, err
	}
	return fd, probe, nil
}

// Any is the unspecified address of the family of a.
func Any(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// Family is that of a socket for a.
func Family(a netip.Addr) uint16 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Scope is the interface that the zones of some addresses mean, in the namespace of the
// thread; 0: they have none.
func Scope(list ...netip.Addr) (uint32, error) {
	for _, a := range list {
		zone := a.Zone()
		if zone == "" {
			continue
		}
		if n, err := strconv.ParseUint(zone, 10, 31); err == nil {
			return uint32(n), nil
		}
		return Index(zone)
	}
	return 0, nil
}

// Index is the number of an interface, in the namespace of the thread.
func Index(name string) (uint32, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("there is no interface %s", name)
	}
	return uint32(i.Index), nil
}
