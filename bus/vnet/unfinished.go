package vnet

import "encoding/binary"

// Unfinished returns the header of a frame that Linux has left unfinished, as it does
// when a packet of a tunnel does not leave the machine (lco_csum, skb_udp_tunnel_segment):
// a socket is given what is in the packet, but not what is left to do. ok is false if
// the frame is none such.
//
// The sum of the pseudo header where the checksum goes tells it: a checksum that is the
// same by chance is completed to itself. A frame of TCP longer than most bytes is a
// super-frame, of segments as long as most allows. Of a super-frame of UDP the kernel
// tells the gso_size, which is datagram, else 0.
func Unfinished(frame []byte, most, datagram int) (h Header, ok bool) {
	if len(frame) < etherLen {
		return h, false
	}
	kind, proto, at := transportOf(frame)
	if at == 0 || proto != protoTCP && proto != protoUDP {
		return h, false
	}
	h = Header{Flags: NeedsCsum, CsumStart: uint16(at), CsumOffset: tcpCsum}
	length := tcpLen
	if proto == protoUDP {
		h.CsumOffset, length = udpCsum, udpLen
	}
	transport := frame[at:]
	if at > maxCsumStart || len(transport) < length {
		return h, false
	}
	_, ip := network(frame)
	checksum := binary.BigEndian.Uint16(transport[h.CsumOffset:])
	if checksum == 0 || checksum != pseudoOf(frame[ip:], kind, proto, len(transport)) {
		return h, false
	}
	switch {
	case proto == protoUDP && datagram > 0:
		h.GSOType, h.GSOSize = UDPL4, uint16(datagram)
	case proto == protoTCP && len(frame) > most:
		length = tcpHeader(transport)
		if most <= at+length {
			return h, false
		}
		h.GSOType, h.GSOSize = TCP4, uint16(most-at-length)
		if kind == layerIPv6 {
			h.GSOType = TCP6
		}
		if transport[13]&tcpCWR != 0 {
			h.GSOType |= ECN
		}
	}
	if h.GSOType != None {
		h.HdrLen = uint16(at + length)
	}
	return h, Check(h, frame) == nil
}
