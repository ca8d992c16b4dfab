package vxlan

import "encoding/binary"

// Types and lengths in bytes of headers.
const (
	typeIPv4  = 0x0800
	typeIPv6  = 0x86dd
	typeCVLAN = 0x8100
	typeSVLAN = 0x88a8
	vlanLen   = 4
	maxTags   = 4
	ipv4Len   = 20
	ipv6Len   = 40
)

// The marks of a packet (RFC 3168, 5), in the lower two bits of its type of service.
const (
	notECT = 0
	ect1   = 1
	ect0   = 2
	ce     = 3
)

// network returns the type of what a frame carries behind its VLAN tags, and where that
// starts. The frame has an ethernet header at least.
func network(data []byte) (etherType uint16, at int) {
	for at = minFrame; ; at += vlanLen {
		etherType = binary.BigEndian.Uint16(data[at-2:])
		tag := etherType == typeCVLAN || etherType == typeSVLAN
		if !tag || at == minFrame+maxTags*vlanLen || at+vlanLen > len(data) {
			return etherType, at
		}
	}
}

// ecnOf is the mark of the packet in a frame, which the packet around it gets as well
// (RFC 6040, 4.1, normal mode).
func ecnOf(data []byte) uint8 {
	switch etherType, at := network(data); {
	case etherType == typeIPv4 && at+ipv4Len <= len(data):
		return data[at+1] & ce
	case etherType == typeIPv6 && at+ipv6Len <= len(data):
		return data[at+1] >> 4 & ce
	}
	return notECT
}

// decapsulate gives the packet in a frame the mark that it has after the one around it
// was marked so (RFC 6040, 4.2). It tells whether the packet goes on: one that cannot be
// marked and met congestion does not.
func decapsulate(data []byte, outer uint8) bool {
	outer &= ce
	if outer == notECT || outer == ect0 {
		return true
	}
	inner := ecnOf(data)
	switch {
	case inner == notECT:
		return outer != ce || !isIP(data)
	case outer == ce && inner != ce, outer == ect1 && inner == ect0:
		mark(data, outer)
	}
	return true
}

// isIP tells whether a frame carries a packet that has a mark.
func isIP(data []byte) bool {
	etherType, at := network(data)
	return etherType == typeIPv4 && at+ipv4Len <= len(data) || etherType == typeIPv6 && at+ipv6Len <= len(data)
}

// mark marks a packet, which has a mark, and keeps its checksum right (RFC 1624).
func mark(data []byte, ecn uint8) {
	etherType, at := network(data)
	ip := data[at:]
	if etherType == typeIPv6 {
		ip[1] = ip[1]&^(ce<<4) | ecn<<4
		return
	}
	before := binary.BigEndian.Uint16(ip)
	ip[1] = ip[1]&^ce | ecn
	sum := uint32(^binary.BigEndian.Uint16(ip[10:])) + uint32(^before) + uint32(binary.BigEndian.Uint16(ip))
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
}
