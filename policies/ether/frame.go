// Package ether is what ethernet switches share, whichever policy they are. It
// and its packages know no policy; a switch puts them together:
//
//   - fdb: which port a station is at. Lookup and Learn of what is known take no
//     lock; the table locks itself for all else.
//   - vlan: a port's membership, an immutable value; which VLANs were added.
//   - stp: a spanning tree. Its owner locks: the network's lock does.
//   - snoop: who wants which multicast group. The table locks itself.
//   - storm: how many frames a second may be flooded. Atomics.
//   - feed: who follows the table, such as a program in the kernel. Any lock may
//     be held; what takes a right comes under the network's.
//
// This package itself looks at headers.
package ether

import "encoding/binary"

// HeaderLen is the length in bytes of an ethernet header without tags. All
// functions here want that much of a frame.
const HeaderLen = 14

// ValidSource tells whether the source is an address that a station can have:
// neither a group's nor 0.
func ValidSource(frame []byte) bool {
	return frame[6]&1 == 0 && binary.BigEndian.Uint32(frame[6:])|uint32(binary.BigEndian.Uint16(frame[10:])) != 0
}

// ToGroup tells whether the destination is a group's, or all.
func ToGroup(frame []byte) bool { return frame[0]&1 != 0 }

// ToAll tells whether the destination is the broadcast address.
func ToAll(frame []byte) bool {
	return binary.BigEndian.Uint32(frame) == 0xffffffff && binary.BigEndian.Uint16(frame[4:]) == 0xffff
}

// Reserved tells whether the destination is one that bridges keep to
// themselves: 01-80-C2-00-00-00 to 0F (IEEE 802.1Q 8.6.3, table 8-1). For all
// other frames that is one compare.
func Reserved(frame []byte) bool {
	return binary.BigEndian.Uint32(frame) == 0x0180c200 && frame[4] == 0 && frame[5] < 16
}
