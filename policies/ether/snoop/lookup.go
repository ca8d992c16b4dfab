package snoop

import (
	"encoding/binary"
	"net/netip"
)

// The beginnings of the MAC addresses of IP groups (RFC 1112, 6.4; RFC 2464,
// 7), and the addresses that go everywhere. A snapshot keeps the router ports
// of a domain that is pruned under the key of the latter.
const (
	prefixIPv4 key = 0x01005e000000 // and 23 bits
	prefixIPv6 key = 0x333300000000 // and 32 bits
	localIPv4      = prefixIPv4     // 224.0.0.0/24, in the lower 8 bits
	localIPv6      = prefixIPv6 | 1 // ff02::1
)

// Lookup returns the ports of a VLAN that want frames to mac: members, and the
// ports of routers, each in ascending order; a port may be both. known is false
// if they go to all ports. The slices must not be changed. No lock, no allocation.
func (t *Table) Lookup(vlan uint16, mac [6]byte) (members, routers []int, known bool) {
	m := key(binary.BigEndian.Uint16(mac[:]))<<32 | key(binary.BigEndian.Uint32(mac[2:]))
	var domain key
	switch {
	case m>>24 == prefixIPv4>>24:
		if m&0x800000 != 0 || m&^0xff == localIPv4 {
			return nil, nil, false
		}
		domain = localIPv4
	case m>>32 == prefixIPv6>>32:
		if m == localIPv6 {
			return nil, nil, false
		}
		domain = localIPv6
	default:
		return nil, nil, false
	}
	v := key(vlan&0xfff) << 48
	routers, known = t.snapshot.find(v | domain)
	if known {
		members, _ = t.snapshot.find(v | m)
	}
	return members, routers, known
}

// macOf returns the MAC address of an IP group.
func macOf(group netip.Addr) key {
	if group.Is4() {
		a := group.As4()
		return prefixIPv4 | key(binary.BigEndian.Uint32(a[:])&0x7fffff)
	}
	a := group.As16()
	return prefixIPv6 | key(binary.BigEndian.Uint32(a[12:]))
}

// tracked tells whether membership of a group is kept: not where its frames
// go everywhere anyway, nor for what never leaves a node (RFC 9777, 6).
func tracked(group netip.Addr) bool {
	if mac := macOf(group); group.Is4() {
		return mac&^0xff != localIPv4
	} else if mac == localIPv6 {
		return false
	}
	return group.As16()[1]&0xf > 1 // scope
}
