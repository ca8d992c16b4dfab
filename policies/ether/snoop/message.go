package snoop

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// kind is what a message means for a switch.
type kind uint8

const (
	other         kind = iota // nothing: it goes everywhere, RFC 4541, 2.1.1 (3)
	query                     // a querier asks
	report                    // a host joins or leaves
	advertisement             // a router says that it is there, RFC 4286
)

// recordType is the type of a group record (RFC 9776, 4.2.12; RFC 9777,
// 5.2.12).
type recordType uint8

const (
	isInclude recordType = iota + 1
	isExclude
	toInclude
	toExclude
	allowNew
	blockOld
)

// record is what a host says of one group. sources are addresses one behind
// the other, of the group's size.
type record struct {
	group   netip.Addr
	sources []byte
	kind    recordType
}

// message is one that passed all checks. Its slices are those of the frame.
type message struct {
	kind    kind
	version uint8 // of IGMP or MLD
	v6      bool
	source  netip.Addr

	// Of a query.
	group      netip.Addr // unspecified: a general query
	sources    []byte
	response   time.Duration // the time hosts have to answer
	robustness int           // 0: not said
	interval   time.Duration // between queries; 0: not said
	suppress   bool          // the S flag: no timer is to be lowered

	// Of a report: one record, or several in the form of the newest version.
	record  record
	records []byte
}

// parse reads a frame that Control let pass. ok is false if the message is
// broken or breaks the rules for those who may send it: RFC 4541, 2.1.1 (5).
func parse(frame []byte) (m message, ok bool) {
	if len(frame) < headerEthernet {
		return m, false
	}
	switch ip, ether := payload(frame); ether {
	case etherIPv4:
		return parseIPv4(ip)
	case etherIPv6:
		return parseIPv6(ip)
	}
	return m, true
}

// nextRecord takes one record off a list of those of the newest versions of
// IGMP and MLD, whose groups and sources are size bytes long.
func nextRecord(list []byte, size int) (r record, rest []byte, ok bool) {
	if len(list) < 4+size {
		return r, nil, false
	}
	sources := int(binary.BigEndian.Uint16(list[2:])) * size
	end := 4 + size + sources + int(list[1])*4 // with auxiliary data
	if len(list) < end {
		return r, nil, false
	}
	r.kind = recordType(list[0])
	r.group = address(list[4 : 4+size])
	r.sources = list[4+size : 4+size+sources]
	return r, list[end:], true
}

// checkRecords returns the bytes of n records that begin at list, and whether
// they are all there and of multicast groups.
func checkRecords(list []byte, n, size int) ([]byte, bool) {
	rest := list
	for range n {
		r, more, ok := nextRecord(rest, size)
		if !ok || !r.group.IsMulticast() {
			return nil, false
		}
		rest = more
	}
	return list[:len(list)-len(rest)], true
}

// size is the length of an address in bytes.
func size(v6 bool) int {
	if v6 {
		return 16
	}
	return 4
}

// addresses goes through a list of sources.
func addresses(list []byte, v6 bool) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		for b := range slices.Chunk(list, size(v6)) {
			if !yield(address(b)) {
				return
			}
		}
	}
}

// names tells whether a is among the sources of r.
func (r *record) names(a netip.Addr) bool {
	for s := range addresses(r.sources, r.group.Is6()) {
		if s == a {
			return true
		}
	}
	return false
}

// address makes an address of 4 or 16 bytes.
func address(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// exponential is the value of a code of which the top bit says that a
// floating point number follows: 3 bits of exponent and the given number of
// bits of mantissa (RFC 9776, 4.1.1; RFC 9777, 5.1.3).
func exponential(code uint32, mantissa uint) uint32 {
	if code < 1<<(mantissa+3) {
		return code
	}
	exp := code >> mantissa & 7
	return (code&(1<<mantissa-1) | 1<<mantissa) << (exp + 3)
}

// querierValues reads the byte with S and QRV and the byte QQIC (RFC 9776,
// 4.1.5 to 4.1.7; RFC 9777, 5.1.7 to 5.1.9).
func (m *message) querierValues(flags, qqic byte) {
	m.suppress = flags&8 != 0
	m.robustness = int(flags & 7)
	m.interval = time.Duration(exponential(uint32(qqic), 4)) * time.Second
}

// sum adds b to a ones' complement sum (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(b[0])<<8 | uint32(b[1])
		s = s&0xffff + s>>16
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s&0xffff + s>>16
}
