package vnet

import (
	"encoding/binary"
	"math"
	"slices"
)

// TCP flags, byte 13 of the header (RFC 9293, 3.1).
const (
	tcpFIN = 0x01
	tcpPSH = 0x08
	tcpCWR = 0x80
)

// Size returns how many bytes and frames Append adds for a checked header and
// its frame.
func Size(h Header, frame []byte) (bytes, frames int) {
	headers, frames := segments(h, frame)
	return len(frame) + (frames-1)*headers, frames
}

// segments returns how many bytes of headers each segment starts with, and
// how many segments there are. As in Linux, a super-frame whose payload fits
// one segment is none.
func segments(h Header, frame []byte) (headers, n int) {
	switch h.GSOType {
	case None:
		return 0, 1
	case UDPL4:
		headers = int(h.CsumStart) + udpLen
	default:
		headers = int(h.CsumStart) + tcpHeader(frame[h.CsumStart:])
	}
	size := int(h.GSOSize)
	return headers, max(1, (len(frame)-headers+size-1)/size)
}

// Append appends to dst the finished frames that a frame stands for, back to
// back, and to lens their lengths in bytes: the segments of a super-frame,
// else the frame with its checksum completed. Check has returned nil for h
// and frame, or Adopt has told to cut it; frame does not overlap dst and is
// only read. Nothing is allocated if dst and lens have the capacity that Size
// tells.
//
// The frames are byte for byte those of Linux (tcp_gso_segment,
// __udp_gso_segment, skb_udp_tunnel_segment, gre_gso_segment,
// inet_gso_segment, ipv6_gso_segment, skb_checksum_help): all headers are
// replicated, lengths and checksums made anew, IPv4 identifications and TCP
// sequence numbers count up, FIN and PSH stay on the last segment and CWR on
// the first.
func Append(dst []byte, lens []int, h Header, frame []byte) ([]byte, []int) {
	headers, n := segments(h, frame)
	var l layers
	if h.GSOType != None {
		l, _ = layersOf(h, frame)
	}
	if n == 1 && !l.tunnel() {
		from := len(dst)
		dst = append(dst, frame...)
		if h.Flags&NeedsCsum != 0 {
			complete(dst[from:], int(h.CsumStart), int(h.CsumOffset))
		}
		return dst, append(lens, len(frame))
	}

	from, size := len(dst), int(h.GSOSize)
	all := len(frame) + (n-1)*headers
	dst = slices.Grow(dst, all)[:from+all]
	base := pseudo(h, frame)
	payload := frame[headers:]
	for i := range n {
		part := payload[:min(size, len(payload))]
		payload = payload[len(part):]
		seg := dst[from:][:headers+len(part)]
		copy(seg, frame[:headers])
		copy(seg[headers:], part)

		transport := seg[h.CsumStart:]
		if h.GSOType == UDPL4 {
			setUDP(transport, base, h.Flags&NeedsCsum != 0)
		} else {
			setTCP(transport, uint32(i*size), i == 0, i == n-1)
			binary.BigEndian.PutUint16(transport[tcpCsum:], add16(base, uint16(len(transport))))
			store(transport[tcpCsum:], sum(transport))
		}
		l.finish(seg, i)
		lens = append(lens, len(seg))
		from += len(seg)
	}
	return dst, lens
}

// Divide appends to dst the super-frames of at most 64 KiB that a larger one
// of TCP stands for, each behind its virtio-net header, and to lens their
// lengths with it. Adopt has told to divide the frame. Check passes all of
// them, and what Append makes of them is what Linux makes of the larger one.
func Divide(dst []byte, lens []int, h Header, frame []byte) ([]byte, []int) {
	l, _ := layersOf(h, frame)
	headers, n := segments(h, frame)
	each := perPart(h, headers-l.list[0].at)
	base, step := pseudo(h, frame), each*int(h.GSOSize)
	h.HdrLen = uint16(headers)
	for i, payload := 0, frame[headers:]; i < n; i += each {
		part := payload[:min(step, len(payload))]
		payload = payload[len(part):]
		from := len(dst)
		dst = append(dst, make([]byte, HeaderLen)...)
		dst = append(append(dst, frame[:headers]...), part...)
		h.Put(dst[from:])
		piece := dst[from+HeaderLen:]
		transport := piece[h.CsumStart:]
		setTCP(transport, uint32(i*int(h.GSOSize)), i == 0, i+each >= n)
		binary.BigEndian.PutUint16(transport[tcpCsum:], add16(base, fold32(len(transport))))
		l.finish(piece, i)
		lens = append(lens, len(dst)-from)
		h.GSOType &^= ECN // CWR is on the first alone
	}
	return dst, lens
}

// perPart is how many segments fit a super-frame of 64 KiB whose headers from
// IP on have so many bytes.
func perPart(h Header, headers int) int { return (math.MaxUint16 - headers) / int(h.GSOSize) }

// complete writes the checksum of frame[start:] to offset behind start. 0
// becomes 0xffff, its equal, as 0 means none in UDP (RFC 768); Linux does it
// for all protocols.
func complete(frame []byte, start, offset int) {
	field := frame[start+offset:][:2]
	store(field, sum(frame[start:]))
	if field[0] == 0 && field[1] == 0 {
		field[0], field[1] = 0xff, 0xff
	}
}

// pseudo returns the sum of the super-frame's pseudo header without the
// length, which each segment adds. It is taken from where the sender has put
// it, as the addresses do not tell: those of IPv6 with a routing header are
// others (RFC 8200, 8.1).
func pseudo(h Header, frame []byte) uint16 {
	transport := frame[h.CsumStart:]
	sum := binary.BigEndian.Uint16(transport[h.CsumOffset:])
	length := len(transport)
	if h.GSOType == UDPL4 {
		length = int(binary.BigEndian.Uint16(transport[4:]))
	}
	return sub16(sum, fold32(length))
}

// setIPv4 sets what differs in the IPv4 header of segment i. A header of
// virtio-net cannot say that the identification is fixed, so it counts.
func setIPv4(ip []byte, i int) {
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+uint16(i))
	ip[10], ip[11] = 0, 0
	store(ip[10:], sum(ip[:4*int(ip[0]&0xf)]))
}

// setIPv6 sets what differs in the IPv6 header.
func setIPv6(ip []byte) { binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-ipv6Len)) }

// setTCP sets what differs in the TCP header of a segment whose payload
// starts at offset, but for the checksum.
func setTCP(tcp []byte, offset uint32, first, last bool) {
	binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+offset)
	if !first {
		tcp[13] &^= tcpCWR
	}
	if !last {
		tcp[13] &^= tcpFIN | tcpPSH
	}
}

// setUDP sets length and checksum in the header of a datagram.
func setUDP(udp []byte, pseudo uint16, checksum bool) {
	binary.BigEndian.PutUint16(udp[4:], uint16(len(udp)))
	if !checksum { // it has none
		return
	}
	binary.BigEndian.PutUint16(udp[udpCsum:], add16(pseudo, uint16(len(udp))))
	complete(udp, 0, udpCsum)
}
