package vnet

import (
	"encoding/binary"
	"math"
)

// layer is a header in front of the transport header of a super-frame that
// tells a length or a checksum, so that each segment has its own.
type layer struct {
	kind layerKind
	at   int // offset in the frame
}

type layerKind uint8

const (
	layerIPv4 layerKind = iota
	layerIPv6
	layerUDP // of a tunnel: VXLAN, Geneve, FOU, GUE
	layerGRE // with a checksum
)

// layers are those of one frame, the outermost first. All but the last are of
// tunnels: Linux has super-frames with one tunnel around TCP or UDP.
type layers struct {
	list [6]layer
	n    int
}

// add notes a header, if there is room.
func (l *layers) add(kind layerKind, at int) bool {
	if l.n == len(l.list) {
		return false
	}
	l.list[l.n] = layer{kind, at}
	l.n++
	return true
}

// tunnel tells that there is more than the one network header.
func (l *layers) tunnel() bool { return l.n > 1 }

// Protocols and types that only tunnels have.
const (
	protoIPv4 = 4 // RFC 2003
	protoIPv6 = 41
	protoGRE  = 47
	protoSCTP = 132

	// What is not known is looked through: see innermost.
	typeUnknown = 0
)

// layersOf finds the headers in front of the transport header of a
// super-frame, whose csum_start and csum_offset lie in the frame. ok is false
// if they do not lead there.
func layersOf(h Header, frame []byte) (l layers, ok bool) {
	start := int(h.CsumStart)
	etherType, at := network(frame)
	for {
		var proto byte
		var next int
		kind := layerIPv4
		switch {
		case etherType == typeIPv4 && at+ipv4Len <= start:
			proto, next = ipv4(frame, at)
		case etherType == typeIPv6:
			kind = layerIPv6
			proto, next = ipv6(frame, at, start)
		default:
			if etherType, at = h.innermost(frame, at); at == 0 {
				return l, false
			}
			continue
		}
		if next == 0 || next > start || !l.add(kind, at) {
			return l, false
		}
		at, etherType = next, typeUnknown
		switch {
		case next == start:
			return l, proto == h.transport() && h.carries(kind)
		case proto == protoIPv4:
			etherType = typeIPv4
		case proto == protoIPv6:
			etherType = typeIPv6
		case proto == protoUDP && l.add(layerUDP, at):
			at += udpLen
		case proto == protoGRE:
			if etherType, at = l.gre(frame, at, start); at == 0 {
				return l, false
			}
		default:
			return l, false
		}
	}
}

// transport is the protocol of a super-frame.
func (h Header) transport() byte {
	if h.GSOType == UDPL4 {
		return protoUDP
	}
	return protoTCP
}

// carries tells whether a super-frame may have such a network header next to
// its transport header.
func (h Header) carries(kind layerKind) bool {
	switch h.GSOType &^ ECN {
	case TCP4:
		return kind == layerIPv4
	case TCP6:
		return kind == layerIPv6
	}
	return h.GSOType == UDPL4
}

// gre reads a GRE header (RFC 2784, 2890) and returns what is behind it, at 0
// if there is none.
func (l *layers) gre(frame []byte, at, start int) (etherType uint16, next int) {
	const checksum, key, sequence = 0x8000, 0x2000, 0x1000
	if at+4 > start {
		return 0, 0
	}
	flags := binary.BigEndian.Uint16(frame[at:])
	next = at + 4
	for _, field := range []uint16{checksum, key, sequence} {
		if flags&field != 0 {
			next += 4
		}
	}
	if next > start || flags&checksum != 0 && !l.add(layerGRE, at) {
		return 0, 0
	}
	return binary.BigEndian.Uint16(frame[at+2:]), next
}

// innermost looks behind the headers of a tunnel, which may be of any kind, for
// the IP header that belongs to the transport header. It lies at from or
// behind; a packet of which all lengths, and in IPv4 the checksum, are right is
// there by no chance. at is 0 if there is none.
func (h Header) innermost(frame []byte, from int) (etherType uint16, at int) {
	start := int(h.CsumStart)
	for length := ipv4Len; length <= 60 && h.carries(layerIPv4) && start-length >= from; length += 4 {
		at := start - length
		if ip := frame[at:]; int(ip[0]) == 0x40|length/4 && int(binary.BigEndian.Uint16(ip[2:])) == len(ip) && fold(sum(ip[:length])) == math.MaxUint16 {
			if proto, _ := ipv4(frame, at); proto == h.transport() {
				return typeIPv4, at
			}
		}
	}
	for at := start - ipv6Len; h.carries(layerIPv6) && at >= from; at -= 8 {
		if ip := frame[at:]; int(binary.BigEndian.Uint16(ip[4:])) == len(ip)-ipv6Len {
			if proto, transport := ipv6(frame, at, start); transport == start && proto == h.transport() {
				return typeIPv6, at
			}
		}
	}
	return 0, 0
}

// finish sets what a segment has of its own in the headers of l, of which the
// innermost comes first: a checksum covers what is behind. The segment's
// transport header is finished; nth is its number, of which an identification
// of IPv4 counts up.
func (l *layers) finish(segment []byte, nth int) {
	for i := l.n - 1; i >= 0; i-- {
		header := segment[l.list[i].at:]
		switch l.list[i].kind {
		case layerIPv4:
			setIPv4(header, nth)
		case layerIPv6:
			setIPv6(header)
		case layerUDP:
			l.setTunnel(segment, i)
		case layerGRE:
			header[4], header[5] = 0, 0
			store(header[4:], sum(header))
		}
	}
}

// setTunnel sets length and checksum of the UDP header of a tunnel; without a
// checksum it stays without (RFC 7348, 4.1.1).
func (l *layers) setTunnel(segment []byte, i int) {
	udp := segment[l.list[i].at:]
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	if udp[udpCsum] == 0 && udp[udpCsum+1] == 0 {
		return
	}
	pseudo := pseudoOf(segment[l.list[i-1].at:], l.list[i-1].kind, protoUDP, len(udp))
	binary.BigEndian.PutUint16(udp[udpCsum:], pseudo)
	complete(udp, 0, udpCsum)
}

// pseudoOf is the sum of the pseudo header of length bytes of a protocol
// behind an IP header, which has no routing header (RFC 9293, 3.1; RFC 8200,
// 8.1).
func pseudoOf(ip []byte, kind layerKind, proto byte, length int) uint16 {
	addresses := ip[12:20]
	if kind == layerIPv6 {
		addresses = ip[8:40]
	}
	return add16(add16(fold(sum(addresses)), uint16(proto)), fold32(length))
}
