package vnet

import "encoding/binary"

// HopLimit returns how many hops the packet in a frame has left: the time to
// live of IPv4, or the hop limit of IPv6. ok is false if the frame, behind at
// most 7 VLAN tags, is neither, or its IP header is not whole.
func HopLimit(frame []byte) (left uint8, ok bool) {
	at, _ := hopLimit(frame)
	if at == 0 {
		return 0, false
	}
	return frame[at], true
}

// LowerHopLimit takes one hop off, as a router does (RFC 1812, 5.3.1; RFC 8200,
// section 3). The checksum of IPv4 changes by as much, so that one that was
// wrong stays wrong (RFC 1624); those of TCP and UDP do not cover the field.
// Where no hop is left, or HopLimit is not ok, nothing changes.
//
// Append makes all segments of what the super-frame says, and each IPv4
// checksum anew: one call for the super-frame is one for each of its segments.
func LowerHopLimit(frame []byte) {
	at, v4 := hopLimit(frame)
	if at == 0 || frame[at] == 0 {
		return
	}
	frame[at]--
	if v4 { // the field is the upper byte of a word, the checksum is 2 bytes on
		sum := frame[at+2:]
		binary.BigEndian.PutUint16(sum, ^sub16(^binary.BigEndian.Uint16(sum), 1<<8))
	}
}

// hopLimit tells where the field is, 0 if there is none, and of IPv4.
func hopLimit(frame []byte) (at int, v4 bool) {
	if len(frame) < etherLen {
		return 0, false
	}
	etherType, at := network(frame)
	ip := frame[at:]
	switch {
	case etherType == typeIPv4 && len(ip) >= ipv4Len && ip[0]>>4 == 4:
		if length := 4 * int(ip[0]&0xf); length >= ipv4Len && length <= len(ip) {
			return at + 8, true
		}
	case etherType == typeIPv6 && len(ip) >= ipv6Len && ip[0]>>4 == 6:
		return at + 7, false
	}
	return 0, false
}
