// Package toobig makes the answer of a router to an IP packet that is too long for its
// way: ICMP destination unreachable, fragmentation needed (RFC 792, RFC 1191 4), and
// ICMPv6 packet too big (RFC 4443 3.2). As a cable is no router and has no address of
// its own, the answer comes as if from where the packet was to go, as Linux does it for
// its tunnels (skb_tunnel_check_pmtu). It imports no network: bytes in, bytes out.
package toobig

import (
	"bytes"
	"encoding/binary"
	"math"
)

const (
	addrLen = 6 // of Ethernet
	typeLen = 2
	tagLen  = 4
	maxTags = 2
	icmpLen = 8

	ipv4Len  = 20
	ipv4Most = 576 // bytes of an answer (RFC 1812 4.3.2.3)
	ipv4MTU  = 68  // that all links have (RFC 791)

	ipv6Len  = 40
	ipv6Most = 1280 // (RFC 4443 2.4 c)
	ipv6MTU  = 1280 // that all links have (RFC 8200 5)

	hopLimit = 64
)

// MaxLen is the longest answer in bytes.
const MaxLen = 2*addrLen + maxTags*tagLen + typeLen + ipv6Most

// Answer appends to dst the frame that tells who sent an ethernet frame that none longer
// than so many bytes can pass, and whether there is one. There is none for what is not
// IP or could be cut on its way, for a part of a packet but the first, for an error of
// ICMP, for what came from or goes to more than one (RFC 1122 3.2.2, RFC 4443 2.4 e), for
// an address that nobody can have, for a packet that is not whole, and for a way that is
// shorter than IP takes. Tags of VLANs are kept. Nothing is allocated if dst has room for
// MaxLen bytes.
func Answer(dst, frame []byte, longest int) ([]byte, bool) {
	at, etherType := network(frame)
	if at == 0 || group(frame) || group(frame[addrLen:]) {
		return dst, false
	}
	mtu, packet := longest-at, frame[at:]
	var ok bool
	switch {
	case etherType == 0x0800:
		ok = sane4(packet, mtu)
	case etherType == 0x86dd:
		ok = sane6(packet, mtu)
	}
	if !ok {
		return dst, false
	}
	dst = append(dst, frame[addrLen:2*addrLen]...)
	dst = append(dst, frame[:addrLen]...)
	dst = append(dst, frame[2*addrLen:at]...)
	if etherType == 0x0800 {
		return answer4(dst, packet, mtu), true
	}
	return answer6(dst, packet, mtu), true
}

// network finds the network header of a frame, at 0 if there is none.
func network(frame []byte) (at int, etherType uint16) {
	at = 2 * addrLen
	for range maxTags + 1 {
		if len(frame) < at+typeLen {
			return 0, 0
		}
		etherType = binary.BigEndian.Uint16(frame[at:])
		if etherType != 0x8100 && etherType != 0x88a8 {
			return at + typeLen, etherType
		}
		at += tagLen
	}
	return 0, 0
}

// group tells whether an ethernet address is of more than one.
func group(addr []byte) bool { return addr[0]&1 != 0 }

// sane4 tells whether an IPv4 packet deserves an answer.
func sane4(p []byte, mtu int) bool {
	if mtu < ipv4MTU || len(p) < ipv4Len || p[0]>>4 != 4 {
		return false
	}
	header, total, part := int(p[0]&15)*4, int(binary.BigEndian.Uint16(p[2:])), binary.BigEndian.Uint16(p[6:])
	const uncut, offset = 0x4000, 0x1fff
	switch {
	case header < ipv4Len || total < header+icmpLen || total > len(p) || total <= mtu:
		return false
	case part&uncut == 0 || part&offset != 0:
		return false
	case fold(sum(p[:header])) != math.MaxUint16:
		return false
	}
	return host4(p[12:16]) && host4(p[16:20]) && (p[9] != 1 || asks4(p[header]))
}

// host4 tells whether an address may be one host's, which is not us.
func host4(a []byte) bool { return a[0] != 0 && a[0] != 127 && a[0] < 224 }

// asks4 tells whether a type of ICMP is no error, but a question or the answer to one.
func asks4(kind byte) bool {
	switch kind {
	case 0, 8, 13, 14: // echo, timestamp
		return true
	}
	return false
}

func answer4(dst, p []byte, mtu int) []byte {
	quoted := p[:min(int(binary.BigEndian.Uint16(p[2:])), ipv4Most-ipv4Len-icmpLen)]
	at := len(dst)
	dst = append(dst, 0x45, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(ipv4Len+icmpLen+len(quoted)))
	dst = append(dst, 0, 0, 0x40, 0, hopLimit, 1, 0, 0)
	dst = append(dst, p[16:20]...)
	dst = append(dst, p[12:16]...)
	ip := dst[at:]
	binary.BigEndian.PutUint16(ip[10:], ^fold(sum(ip)))

	at = len(dst)
	dst = append(dst, 3, 4, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(min(mtu, math.MaxUint16)))
	dst = append(dst, quoted...)
	icmp := dst[at:]
	binary.BigEndian.PutUint16(icmp[2:], ^fold(sum(icmp)))
	return dst
}

// sane6 tells whether an IPv6 packet deserves an answer. Though one may be sent for a
// packet to many, there would be nobody from whom.
func sane6(p []byte, mtu int) bool {
	if mtu < ipv6MTU || len(p) < ipv6Len || p[0]>>4 != 6 {
		return false
	}
	total := ipv6Len + int(binary.BigEndian.Uint16(p[4:]))
	if total > len(p) || total <= mtu {
		return false
	}
	return host6(p[8:24]) && host6(p[24:40]) && asks6(p[:total])
}

// host6 tells whether an address may be one host's, which is not us.
func host6(a []byte) bool {
	const low = 15
	return a[0] != 0xff && (a[low] > 1 || !bytes.Equal(a[:low], make([]byte, low)))
}

// asks6 tells whether a packet is no error of ICMPv6, nor a redirect, nor a part of one
// but the first.
func asks6(p []byte) bool {
	const hops, routing, fragment, auth, icmp, options = 0, 43, 44, 51, 58, 60
	next, at := p[6], ipv6Len
	for {
		if at+8 > len(p) {
			return false
		}
		switch next {
		case hops, routing, options:
			next, at = p[at], at+8*(int(p[at+1])+1)
		case auth:
			next, at = p[at], at+4*(int(p[at+1])+2)
		case fragment:
			if binary.BigEndian.Uint16(p[at+2:])&0xfff8 != 0 {
				return false
			}
			next, at = p[at], at+8
		case icmp:
			const redirect = 137
			return p[at] >= 128 && p[at] != redirect
		default:
			return true
		}
	}
}

func answer6(dst, p []byte, mtu int) []byte {
	quoted := p[:min(ipv6Len+int(binary.BigEndian.Uint16(p[4:])), ipv6Most-ipv6Len-icmpLen)]
	at := len(dst)
	dst = append(dst, 0x60, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(icmpLen+len(quoted)))
	dst = append(dst, 58, hopLimit)
	dst = append(dst, p[24:40]...)
	dst = append(dst, p[8:24]...)
	addresses := dst[at+8:]

	at = len(dst)
	dst = append(dst, 2, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(mtu))
	dst = append(dst, quoted...)
	icmp := dst[at:]
	pseudo := sum(addresses) + uint64(len(icmp)) + 58
	binary.BigEndian.PutUint16(icmp[2:], ^fold(pseudo+sum(icmp)))
	return dst
}

// sum adds 16-bit words (RFC 1071).
func sum(b []byte) (s uint64) {
	for ; len(b) >= 2; b = b[2:] {
		s += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		s += uint64(b[0]) << 8
	}
	return s
}

// fold makes a sum 16 bits long.
func fold(s uint64) uint16 {
	for s > math.MaxUint16 {
		s = s>>16 + s&math.MaxUint16
	}
	return uint16(s)
}
