package vnet

import (
	"encoding/binary"
	"errors"
	"math"
)

// Why Check refuses a header.
var (
	ErrRunt    = errors.New("the frame is shorter than the 14 bytes of an ethernet header")
	ErrFlags   = errors.New("the virtio-net header has unknown flags: NEEDS_CSUM (1) and DATA_VALID (2) are known")
	ErrHdrLen  = errors.New("hdr_len must be 0, or cover the ethernet header and end within the frame")
	ErrCsum    = errors.New("csum_start and csum_offset must point behind a network header and into the frame")
	ErrGSOType = errors.New("the gso_type is unknown or not offered: 0, TCPV4 (1), TCPV6 (4), UDP_L4 (5) and, with TCP, ECN (0x80) are")
	ErrGSOSize = errors.New("gso_size must be 1 to 65534")
	ErrGSOCsum = errors.New("a super-frame needs NEEDS_CSUM with csum_offset at the checksum of TCP (16) or UDP (6)")
	ErrNetwork = errors.New("the super-frame must be IPv4 or IPv6 as gso_type says, behind at most 5 VLAN tags, and no fragment")
	ErrProto   = errors.New("csum_start of a super-frame must be where the TCP or UDP header is that gso_type says")
	ErrTCP     = errors.New("the data offset of TCP must be at least 5 and within the super-frame")
	ErrTooLong = errors.New("the packet in the super-frame is longer than the 16-bit length of IP can tell")
	ErrTooMany = errors.New("the super-frame stands for more than 128 datagrams of UDP, or more than 1 MiB of frames")
)

// MaxAppend is the most bytes that Append makes of a checked super-frame: else
// 64 KiB with a gso_size of 1 were 65,000 frames, each with all the headers.
const MaxAppend = 1 << 20

// Limits of Linux.
const (
	maxDatagrams = 128                   // UDP_MAX_SEGMENTS
	byFrags      = math.MaxUint16        // GSO_BY_FRAGS, of which no gso_size may be
	maxCsumStart = math.MaxUint16 - 1024 // it must fit 16 bits together with the headroom of the buffer
	maxTags      = 7                     // VLAN tags; at VLAN_MAX_DEPTH, 8, it drops the frame
	// A checked super-frame has so few tags that a bridge may push two more.
	maxSuperTags = maxTags - 2
)

// Lengths of headers in bytes, and where the checksum stands.
const (
	etherLen = 14
	vlanLen  = 4
	ipv4Len  = 20
	ipv6Len  = 40
	tcpLen   = 20
	tcpCsum  = 16
	udpLen   = 8
	udpCsum  = 6
)

// Types and protocols.
const (
	typeIPv4  = 0x0800
	typeIPv6  = 0x86dd
	typeCVLAN = 0x8100 // IEEE 802.1Q, table 9-1
	typeSVLAN = 0x88a8

	hopByHop    = 0 // extension headers, RFC 8200, section 4
	routing     = 43
	destination = 60
	protoTCP    = 6
	protoUDP    = 17
)

// Check returns nil if everything downstream can rely on the header: Append,
// and a tap or packet socket that h is passed on to with the frame. What
// Linux itself writes to taps passes; what it hands to packet sockets does
// after Adopt. A peer may write anything. The errors are the variables above.
//
// Length fields of IP and UDP and the sum of the pseudo header are not looked
// at: like Linux, Append replaces lengths, and sums that lie stay wrong.
func Check(h Header, frame []byte) error {
	switch {
	case len(frame) < etherLen:
		return ErrRunt
	case h.Flags&^(NeedsCsum|DataValid) != 0:
		return ErrFlags
	case h.HdrLen != 0 && (h.HdrLen < etherLen || int(h.HdrLen) > len(frame)):
		return ErrHdrLen
	}
	etherType, ip := network(frame)
	if h.Flags&NeedsCsum != 0 {
		// The 20 bytes are what Linux asks for, and keep the checksum off the
		// addresses and tags by which the frame was judged.
		start := int(h.CsumStart)
		if start < ip+ipv4Len || start > maxCsumStart || start+int(h.CsumOffset)+2 > len(frame) {
			return ErrCsum
		}
	}
	if h.GSOType != None {
		return checkGSO(h, frame, etherType, ip)
	}
	return nil
}

// checkGSO checks a super-frame with its network header at ip. What Check
// checks of all frames is known.
func checkGSO(h Header, frame []byte, etherType uint16, ip int) error {
	proto, csum := byte(protoTCP), uint16(tcpCsum)
	switch h.GSOType {
	case TCP4, TCP4 | ECN, TCP6, TCP6 | ECN:
	case UDPL4:
		proto, csum = protoUDP, udpCsum
	default:
		return ErrGSOType
	}
	switch {
	case h.GSOSize == 0 || h.GSOSize == byFrags:
		return ErrGSOSize
	case h.Flags&NeedsCsum == 0 || h.CsumOffset != csum:
		return ErrGSOCsum
	case ip > etherLen+maxSuperTags*vlanLen:
		return ErrNetwork
	}

	var found byte
	var transport int
	longest := math.MaxUint16 // that the length field of IP can tell
	switch typ := h.GSOType &^ ECN; {
	case etherType == typeIPv4 && typ != TCP6:
		found, transport = ipv4(frame, ip)
	case etherType == typeIPv6 && typ != TCP4:
		found, transport = ipv6(frame, ip, int(h.CsumStart))
		longest += ipv6Len
	}
	switch {
	case transport == 0:
		return ErrNetwork
	case found != proto || transport != int(h.CsumStart):
		return ErrProto
	case len(frame)-ip > longest:
		return ErrTooLong
	}
	return checkSegments(h, frame)
}

// checkSegments checks the length of the transport header, and what Append
// would make. The checksum and all before it are there: in UDP, the header.
func checkSegments(h Header, frame []byte) error {
	udp := h.GSOType == UDPL4
	if transport := frame[h.CsumStart:]; !udp {
		if length := tcpHeader(transport); length < tcpLen || length > len(transport) {
			return ErrTCP
		}
	}
	bytes, frames := Size(h, frame)
	if bytes > MaxAppend || udp && frames > maxDatagrams {
		return ErrTooMany
	}
	return nil
}

// tcpHeader returns the length of a TCP header, by its data offset.
func tcpHeader(tcp []byte) int { return 4 * int(tcp[12]>>4) }

// network returns the type of what the frame carries behind its VLAN tags, and
// where that starts. A frame that ends within a tag is of the tag's type.
func network(frame []byte) (etherType uint16, at int) {
	for at = etherLen; ; at += vlanLen {
		etherType = binary.BigEndian.Uint16(frame[at-2:])
		tag := etherType == typeCVLAN || etherType == typeSVLAN
		if !tag || at == etherLen+maxTags*vlanLen || at+vlanLen > len(frame) {
			return etherType, at
		}
	}
}

// ipv4 returns the protocol in the IPv4 packet at frame[at:] and where its
// header starts, or 0 if this is no such packet, or a fragment. At least 20
// bytes and those of the checksum are there.
func ipv4(frame []byte, at int) (proto byte, transport int) {
	ip := frame[at:]
	length := 4 * int(ip[0]&0xf)
	fragment := binary.BigEndian.Uint16(ip[6:]) & 0x3fff // MF and the offset
	if ip[0]>>4 != 4 || length < ipv4Len || fragment != 0 {
		return 0, 0
	}
	return ip[9], at + length
}

// ipv6 returns the same of an IPv6 packet, behind those extension headers
// that Linux can replicate. It looks at no header at start or behind.
func ipv6(frame []byte, at, start int) (proto byte, transport int) {
	if at+ipv6Len > start || frame[at]>>4 != 6 {
		return 0, 0
	}
	next := frame[at+6]
	at += ipv6Len
	for at < start && (next == hopByHop || next == routing || next == destination) {
		next, at = frame[at], at+8*(1+int(frame[at+1]))
	}
	return next, at
}
