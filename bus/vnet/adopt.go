package vnet

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Way is how a frame goes on that Adopt took.
type Way uint8

// The ways.
const (
	AsItIs     Way = iota // Check passes it
	ToBeCut               // nobody but Append takes it
	ToBeParted            // nobody but Divide takes it
)

// Adopt takes a frame as Linux hands it to a packet socket, whose header can
// say less than the kernel knows, and other things than a tap's:
//
//   - The checksum of a super-frame is complete where fraglist GRO or LRO made
//     it: it gets the sum of the pseudo header instead.
//   - The transport header is the inner one of a tunnel (VXLAN, Geneve, GRE,
//     IPIP and the like): such a super-frame is to be cut.
//   - BIG TCP: a super-frame is longer than the 16 bits of IP can tell, in IPv6
//     perhaps with a jumbo payload option (RFC 2675): it is to be parted.
//   - csum_offset is where SCTP has its CRC32c (RFC 9260, appendix A): it is
//     completed.
//
// What cannot be understood goes on as the complete frame that it is, its
// checksum completed if there is one to complete. So no frame is lost for its
// header. frame has at least 14 bytes; it is changed in place, and the frame
// that is returned is an end of it. Nothing in it is believed but what leads
// to memory within it.
func Adopt(h Header, frame []byte) (Header, []byte, Way) {
	h.Flags &= NeedsCsum | DataValid
	if int(h.HdrLen) < etherLen || int(h.HdrLen) > len(frame) {
		h.HdrLen = 0
	}
	if h.GSOType == None && h.completeCRC(frame) {
		return Header{}, frame, AsItIs
	}
	err := Check(h, frame)
	if err == nil {
		return h, frame, AsItIs
	}
	if h.GSOType != None && err != ErrGSOSize {
		h, frame = h.dropJumbo(frame)
		if h.Flags&NeedsCsum == 0 {
			h = h.claim(frame)
		}
		if way, ok := h.way(frame); ok {
			return h, frame, way
		}
	}
	if h.Flags&NeedsCsum != 0 && h.inFrame(frame) {
		complete(frame, int(h.CsumStart), int(h.CsumOffset))
	}
	return Header{}, frame, AsItIs
}

// inFrame tells whether the checksum lies in the frame.
func (h Header) inFrame(frame []byte) bool {
	return h.CsumStart >= etherLen && int(h.CsumStart)+int(h.CsumOffset)+2 <= len(frame)
}

// way tells how a super-frame goes on that has been put right, if Append or
// Divide understand it.
func (h Header) way(frame []byte) (Way, bool) {
	switch h.GSOType {
	case TCP4, TCP4 | ECN, TCP6, TCP6 | ECN, UDPL4:
	default:
		return 0, false
	}
	if Check(h, frame) == nil {
		return AsItIs, true
	}
	csum := uint16(tcpCsum)
	if h.GSOType == UDPL4 {
		csum = udpCsum
	}
	if h.CsumOffset != csum || !h.inFrame(frame) {
		return 0, false
	}
	l, ok := layersOf(h, frame)
	if !ok {
		return 0, false
	}
	if h.GSOType != UDPL4 {
		if length := tcpHeader(frame[h.CsumStart:]); length < tcpLen || int(h.CsumStart)+length > len(frame) {
			return 0, false
		}
		if !l.tunnel() && len(frame)-l.list[0].at > math.MaxUint16 {
			return ToBeParted, h.partable(l.list[0].at, frame)
		}
	}
	bytes, _ := Size(h, frame)
	return ToBeCut, bytes <= MaxAppend
}

// partable tells whether Check will pass what Divide makes of a super-frame
// with its network header at ip.
func (h Header) partable(ip int, frame []byte) bool {
	headers, _ := segments(h, frame)
	each := perPart(h, headers-ip)
	return each > 0 && each*(headers+int(h.GSOSize)) <= MaxAppend &&
		ip <= etherLen+maxSuperTags*vlanLen && h.CsumStart <= maxCsumStart
}

// claim makes a super-frame with a complete checksum one whose checksum is to
// be made, if its transport header is found. A datagram of UDP without one stays
// without: the header then has csum_start, and no NEEDS_CSUM.
func (h Header) claim(frame []byte) Header {
	kind, proto, at := transportOf(frame)
	switch {
	case at == 0 || proto != h.transport() || !h.carries(kind):
		return h
	case proto == protoTCP:
		h.CsumOffset = tcpCsum
	default:
		h.CsumOffset = udpCsum
	}
	h.CsumStart = uint16(min(at, math.MaxUint16))
	if !h.inFrame(frame) {
		return h
	}
	_, ip := network(frame)
	transport := frame[at:]
	field := transport[h.CsumOffset:]
	if proto == protoUDP {
		binary.BigEndian.PutUint16(transport[4:], uint16(len(transport)))
		if field[0] == 0 && field[1] == 0 {
			return h
		}
	}
	binary.BigEndian.PutUint16(field, pseudoOf(frame[ip:], kind, proto, len(transport)))
	h.Flags = NeedsCsum
	return h
}

// transportOf finds the transport header behind the outermost IP header, at 0
// if there is none.
func transportOf(frame []byte) (kind layerKind, proto byte, at int) {
	switch etherType, ip := network(frame); {
	case etherType == typeIPv4 && ip+ipv4Len <= len(frame):
		proto, at = ipv4(frame, ip)
	case etherType == typeIPv6:
		kind = layerIPv6
		proto, at = ipv6(frame, ip, len(frame)-1)
	}
	if at >= len(frame) {
		at = 0
	}
	return kind, proto, at
}

// dropJumbo takes the jumbo payload option out of a super-frame of TCP in
// IPv6, as Linux does before it cuts one (ipv6_hopopt_jumbo_remove).
func (h Header) dropJumbo(frame []byte) (Header, []byte) {
	const option = 8 // bytes of the hop-by-hop header that has no other one
	etherType, ip := network(frame)
	if etherType != typeIPv6 || ip+ipv6Len+option > len(frame) || binary.BigEndian.Uint16(frame[ip+4:]) != 0 {
		return h, frame
	}
	jumbo := frame[ip+ipv6Len:]
	if frame[ip+6] != hopByHop || jumbo[1] != 0 || jumbo[2] != 0xc2 || jumbo[3] != 4 {
		return h, frame
	}
	next := jumbo[0]
	copy(frame[option:], frame[:ip+ipv6Len])
	frame = frame[option:]
	frame[ip+6] = next
	h.CsumStart -= min(option, h.CsumStart)
	h.HdrLen = 0
	return h, frame
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// completeCRC completes the CRC32c of SCTP, if that is what csum_offset means:
// no other protocol has its checksum there. Within a tunnel the protocol is not
// looked for.
func (h Header) completeCRC(frame []byte) bool {
	const offset = 8
	if h.Flags&NeedsCsum == 0 || h.CsumOffset != offset || h.CsumStart < etherLen || int(h.CsumStart)+offset+4 > len(frame) {
		return false
	}
	if _, proto, at := transportOf(frame); at == int(h.CsumStart) && proto != protoSCTP {
		return false
	}
	packet := frame[h.CsumStart:]
	field := packet[offset:][:4]
	clear(field)
	binary.LittleEndian.PutUint32(field, crc32.Checksum(packet, castagnoli))
	return true
}
