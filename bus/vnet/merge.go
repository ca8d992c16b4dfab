package vnet

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// More flags of TCP.
const (
	tcpACK = 0x10
	tcpECE = 0x40
)

// maxMerged is how many frames Merge makes one: UDP_MAX_SEGMENTS of Linux before 6.9,
// which takes no more datagrams of UDP.
const maxMerged = 64

// Merge makes a super-frame of the first of some complete frames, as many as it can, and
// appends it to dst behind its virtio-net header. It returns how many frames it took: if
// that is 1, the frame is one for itself and nothing was appended. Frames do not overlap
// dst and are only read. Nothing is allocated if dst has the capacity.
//
// It is the counterpart of Append, which makes of the super-frame the same frames again,
// byte for byte; Check passes it. Merged is what Linux merges (tcp_gro_receive,
// inet_gro_receive, ipv6_gro_receive, udp_gro_receive): segments of one flow of TCP with
// the same headers and consecutive sequence numbers, or datagrams of UDP, of which all
// but the last have the same length. Nothing goes on over a frame that Append would not
// make again: with a wrong checksum, options of IP, fragments, identifications that do
// not count up, or flags beside ACK and ECE but for a last PSH.
//
// A checksum may be one to be made: the sum of the pseudo header stands there.
func Merge(dst []byte, frames [][]byte) (merged []byte, taken int) {
	first := frames[0]
	s, ok := segmentOf(first)
	if !ok || len(frames) == 1 {
		return dst, 1
	}
	size, n, room := len(first)-s.payload, 1, math.MaxUint16-(len(first)-s.ip)
	for last := s.last(first); !last && n < min(len(frames), maxMerged); n++ {
		next := frames[n]
		if room -= len(next) - s.payload; room < 0 || !s.continues(first, next, n, size) {
			break
		}
		if n == 1 && !s.intact(first) || !s.intact(next) {
			break
		}
		last = s.last(next) || len(next)-s.payload < size
	}
	if n == 1 {
		return dst, 1
	}
	h := Header{Flags: NeedsCsum, HdrLen: uint16(s.payload), GSOSize: uint16(size), CsumStart: uint16(s.transport)}
	h.GSOType, h.CsumOffset = s.gso()
	return s.merge(dst, h, frames[:n]), n
}

// segment is where the headers of a frame are that may be one of a super-frame.
type segment struct {
	kind                   layerKind
	proto                  byte
	ip, transport, payload int
}

// segmentOf finds the headers of a whole frame of TCP or UDP that has a payload.
func segmentOf(frame []byte) (s segment, ok bool) {
	if len(frame) < etherLen {
		return s, false
	}
	etherType, ip := network(frame)
	s.ip = ip
	switch {
	case ip > etherLen+maxSuperTags*vlanLen:
		return s, false
	case etherType == typeIPv4 && len(frame) > ip+ipv4Len && frame[ip] == 0x40|ipv4Len/4:
		s.proto, s.transport = ipv4(frame, ip)
	case etherType == typeIPv6 && len(frame) > ip+ipv6Len && frame[ip]>>4 == 6:
		s.kind, s.proto, s.transport = layerIPv6, frame[ip+6], ip+ipv6Len
	}
	if s.transport == 0 || !s.whole(frame) {
		return s, false
	}
	switch transport := frame[s.transport:]; {
	case s.proto == protoTCP && len(transport) > tcpLen:
		length, flags := tcpHeader(transport), transport[13]&^(tcpPSH|tcpECE)
		s.payload = s.transport + length
		return s, length >= tcpLen && length < len(transport) && flags == tcpACK
	case s.proto == protoUDP && len(transport) > udpLen:
		s.payload = s.transport + udpLen
		return s, s.datagram(transport)
	}
	return s, false
}

// whole tells whether the header of IP is as long as the frame says, and right.
func (s *segment) whole(frame []byte) bool {
	ip := frame[s.ip:]
	if s.kind == layerIPv6 {
		return int(binary.BigEndian.Uint16(ip[4:])) == len(ip)-ipv6Len
	}
	checksum := binary.BigEndian.Uint16(ip[10:])
	return int(binary.BigEndian.Uint16(ip[2:])) == len(ip) && checksum != math.MaxUint16 && fold(sum(ip[:ipv4Len])) == math.MaxUint16
}

// datagram tells whether a header of UDP has the length of the datagram, and a checksum.
func (s *segment) datagram(udp []byte) bool {
	return int(binary.BigEndian.Uint16(udp[4:])) == len(udp) && binary.BigEndian.Uint16(udp[udpCsum:]) != 0
}

// last tells whether nothing can be behind a segment.
func (s *segment) last(frame []byte) bool {
	return s.proto == protoTCP && frame[s.transport+13]&tcpPSH != 0
}

// continues tells whether next may be the n-th segment behind first, whose payload has
// size bytes, by its headers. A shorter frame of which the headers are the same has them.
func (s *segment) continues(first, next []byte, n, size int) bool {
	if length := len(next) - s.payload; length <= 0 || length > size || !bytes.Equal(first[:s.ip], next[:s.ip]) {
		return false
	}
	a, b := first[s.ip:s.transport], next[s.ip:s.transport]
	if s.kind == layerIPv6 {
		if !bytes.Equal(a[:4], b[:4]) || !bytes.Equal(a[6:], b[6:]) {
			return false
		}
	} else if !bytes.Equal(a[:2], b[:2]) || !bytes.Equal(a[6:10], b[6:10]) || !bytes.Equal(a[12:], b[12:]) ||
		binary.BigEndian.Uint16(b[4:]) != binary.BigEndian.Uint16(a[4:])+uint16(n) {
		return false
	}
	if !s.whole(next) {
		return false
	}
	a, b = first[s.transport:s.payload], next[s.transport:s.payload]
	if s.proto == protoUDP {
		return bytes.Equal(a[:4], b[:4]) && s.datagram(next[s.transport:])
	}
	return bytes.Equal(a[:4], b[:4]) && bytes.Equal(a[8:13], b[8:13]) && a[13] == b[13]&^tcpPSH &&
		bytes.Equal(a[14:tcpCsum], b[14:tcpCsum]) && bytes.Equal(a[tcpCsum+2:], b[tcpCsum+2:]) &&
		binary.BigEndian.Uint32(b[4:]) == binary.BigEndian.Uint32(a[4:])+uint32(n*size)
}

// intact tells whether the checksum is the one that Append makes, or is to be made.
func (s *segment) intact(frame []byte) bool {
	transport := frame[s.transport:]
	_, csum := s.gso()
	checksum := binary.BigEndian.Uint16(transport[csum:])
	pseudo := pseudoOf(frame[s.ip:], s.kind, s.proto, len(transport))
	if checksum == pseudo {
		return true
	}
	return add16(fold(sum(transport)), pseudo) == math.MaxUint16 && (checksum != math.MaxUint16 || s.proto == protoUDP)
}

// gso returns what the virtio-net header says of the kind of segment.
func (s *segment) gso() (gsoType uint8, csumOffset uint16) {
	switch {
	case s.proto == protoUDP:
		return UDPL4, udpCsum
	case s.kind == layerIPv6:
		return TCP6, tcpCsum
	}
	return TCP4, tcpCsum
}

// merge appends the super-frame of frames.
func (s *segment) merge(dst []byte, h Header, frames [][]byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, HeaderLen+len(frames[0])+(len(frames)-1)*int(h.GSOSize))
	dst = dst[:at+HeaderLen]
	h.Put(dst[at:])
	dst = append(dst, frames[0]...)
	for _, f := range frames[1:] {
		dst = append(dst, f[s.payload:]...)
	}
	frame := dst[at+HeaderLen:]
	if s.kind == layerIPv6 {
		setIPv6(frame[s.ip:])
	} else {
		setIPv4(frame[s.ip:], 0)
	}
	transport := frame[s.transport:]
	if s.proto == protoUDP {
		binary.BigEndian.PutUint16(transport[4:], uint16(len(transport)))
	} else {
		transport[13] = frames[len(frames)-1][s.transport+13]
	}
	binary.BigEndian.PutUint16(transport[h.CsumOffset:], pseudoOf(frame[s.ip:], s.kind, s.proto, len(transport)))
	return dst
}
