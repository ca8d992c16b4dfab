package udp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Addr is where a datagram comes from or goes to. It can be compared, and has no
// pointers: a table of them costs the collector nothing.
type Addr struct {
	ip    [16]byte // of IPv4 the mapped one (RFC 4291, 2.5.5.2)
	scope uint32   // the interface of a link-local address
	port  uint16
}

// AddrOf makes an Addr. scope is the index of the interface that a link-local address
// of IPv6 belongs to, or 0; the zone of ap is not looked at.
func AddrOf(ap netip.AddrPort, scope uint32) Addr {
	return Addr{ip: ap.Addr().As16(), scope: scope, port: ap.Port()}
}

// IP returns the address without port and interface.
func (a Addr) IP() netip.Addr { return netip.AddrFrom16(a.ip).Unmap() }

// Port returns the port.
func (a Addr) Port() uint16 { return a.port }

// WithPort returns the same host with another port.
func (a Addr) WithPort(port uint16) Addr {
	a.port = port
	return a
}

// String is ADDRESS:PORT, with the index of the interface if there is one.
func (a Addr) String() string {
	ip := a.IP()
	if a.scope != 0 {
		ip = ip.WithZone(strconv.Itoa(int(a.scope)))
	}
	return netip.AddrPortFrom(ip, a.port).String()
}

// name is room for a struct sockaddr of either family, in the order of the network.
type name = unix.RawSockaddrInet6

// put writes the struct sockaddr of a, and returns its length in bytes.
func (a *Addr) put(n *name) uint32 {
	if !netip.AddrFrom16(a.ip).Is4In6() {
		*n = name{Family: unix.AF_INET6, Addr: a.ip, Scope_id: a.scope}
		binary.BigEndian.PutUint16(port(n), a.port)
		return unix.SizeofSockaddrInet6
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(n))
	*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte(a.ip[12:])}
	binary.BigEndian.PutUint16(port(n), a.port)
	return unix.SizeofSockaddrInet4
}

// addrIn reads what the kernel wrote, so many bytes of it. It is the zero Addr if that is no address.
func addrIn(n *name, length uint32) (a Addr) {
	switch {
	case n.Family == unix.AF_INET6 && length >= unix.SizeofSockaddrInet6:
		a = Addr{ip: n.Addr, scope: n.Scope_id}
	case n.Family == unix.AF_INET && length >= unix.SizeofSockaddrInet4:
		a.ip = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr).As16()
	default:
		return Addr{}
	}
	a.port = binary.BigEndian.Uint16(port(n))
	return a
}

// port is where both families have the port.
func port(n *name) []byte { return (*[2]byte)(unsafe.Pointer(&n.Port))[:] }

// bytesOf is where n begins, as unix.Msghdr has it.
func bytesOf(n *name) *byte { return (*byte)(unsafe.Pointer(n)) }
