package vnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"ipnfs/bus/vnet"
)

// Ethernet types, IP protocols, and where fields stand. The tests know them
// by themselves, so that they find a slip in the package.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	cvlan     = 0x8100
	svlan     = 0x88a8
	protoTCP  = 6
	protoUDP  = 17
)

// packet says what a test's super-frame is like. The zero packet is TCP in
// IPv4 without options.
type packet struct {
	v6, udp    bool
	tags       []uint16 // types of VLAN tags, outer first
	ipOptions  []byte   // of IPv4, a multiple of 4 bytes
	extensions []byte   // of IPv6, in one piece; the protocol is put in
	extension  byte     // what they start with
	tcpOptions []byte   // a multiple of 4 bytes
	flags      byte     // of TCP
	fragment   uint16   // flags and offset of IPv4
	id         uint16
	seq        uint32
	size       int // gso_size; 0 makes a frame of GSO type none
	payload    int // bytes
}

// build makes the frame, as Linux would hand it over.
func (p packet) build() (vnet.Header, []byte) {
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	be := binary.BigEndian
	for i, t := range p.tags {
		frame = be.AppendUint16(frame, t)
		frame = be.AppendUint16(frame, uint16(0x2064+i))
	}
	proto, csum := byte(protoTCP), 16
	transport := make([]byte, 20, 80)
	if p.udp {
		proto, csum = protoUDP, 6
		transport = transport[:8]
		be.PutUint16(transport[4:], uint16(8+p.payload))
	} else {
		be.PutUint32(transport[4:], p.seq)
		be.PutUint32(transport[8:], 0x01020304)
		transport = append(transport, p.tcpOptions...)
		transport[12], transport[13] = byte(len(transport)/4)<<4, p.flags
		be.PutUint16(transport[14:], 512)
	}
	be.PutUint16(transport[0:], 40000)
	be.PutUint16(transport[2:], 5201)
	transport = append(transport, data(p.payload)...)

	if p.v6 {
		ip := make([]byte, 40)
		ip[0], ip[1], ip[6], ip[7] = 0x6b, 0x21, proto, 63
		copy(ip[8:], "\xfd\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01")
		copy(ip[24:], "\xfd\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02")
		if len(p.extensions) > 0 {
			ip[6] = p.extension
			ip = append(ip, p.extensions...)
		}
		be.PutUint16(ip[4:], uint16(len(ip)-40+len(transport)))
		frame = append(be.AppendUint16(frame, etherIPv6), ip...)
	} else {
		ip := append(make([]byte, 20), p.ipOptions...)
		ip[0], ip[1], ip[8], ip[9] = 0x40|byte(len(ip)/4), 2, 63, proto
		be.PutUint16(ip[2:], uint16(len(ip)+len(transport)))
		be.PutUint16(ip[4:], p.id)
		be.PutUint16(ip[6:], p.fragment)
		copy(ip[12:], "\x0a\x4d\x00\x01\x0a\x4d\x00\x02")
		be.PutUint16(ip[10:], ^fold(ip))
		frame = append(be.AppendUint16(frame, etherIPv4), ip...)
	}

	h := vnet.Header{Flags: vnet.NeedsCsum, CsumStart: uint16(len(frame)), CsumOffset: uint16(csum)}
	if p.size != 0 {
		h.GSOSize, h.HdrLen = uint16(p.size), uint16(len(frame)+len(transport)-p.payload)
		switch {
		case p.udp:
			h.GSOType = vnet.UDPL4
		case p.v6:
			h.GSOType = vnet.TCP6
		default:
			h.GSOType = vnet.TCP4
		}
		if p.flags&0x80 != 0 {
			h.GSOType |= vnet.ECN
		}
	}
	frame = append(frame, transport...)
	tellPseudo(h, frame)
	return h, frame
}

// data is n bytes without a pattern.
func data(n int) []byte {
	random := rand.New(rand.NewPCG(uint64(n), 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// fold is the ones' complement sum of 16-bit words, as RFC 1071 writes it.
func fold(pieces ...[]byte) uint16 {
	s := uint32(0)
	for _, b := range pieces {
		for i := 0; i+1 < len(b); i += 2 {
			s += uint32(b[i])<<8 | uint32(b[i+1])
			s = s&0xffff + s>>16
		}
		if len(b)%2 == 1 {
			s += uint32(b[len(b)-1]) << 8
			s = s&0xffff + s>>16
		}
	}
	return uint16(s)
}

// netOffset is where the network header of a frame starts.
func netOffset(frame []byte) int {
	at := 14
	for isTag(frame, at-2) {
		at += 4
	}
	return at
}

// isTag tells whether there is a whole VLAN tag at frame[at:].
func isTag(frame []byte, at int) bool {
	if len(frame) < at+6 {
		return false
	}
	t := binary.BigEndian.Uint16(frame[at:])
	return t == cvlan || t == svlan
}

// pseudoSum is the sum of the pseudo header of the n bytes of transport in
// frame, which has no routing header.
func pseudoSum(frame []byte, proto byte, n int) uint16 {
	ip := frame[netOffset(frame):]
	addresses := ip[12:20]
	if ip[0]>>4 == 6 {
		addresses = ip[8:40]
	}
	return fold(addresses, []byte{0, proto, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// tellPseudo puts the true sum of the pseudo header where the checksum goes.
func tellPseudo(h vnet.Header, frame []byte) {
	proto := byte(protoTCP)
	if h.CsumOffset == 6 {
		proto = protoUDP
	}
	sum := pseudoSum(frame, proto, len(frame)-int(h.CsumStart))
	binary.BigEndian.PutUint16(frame[h.CsumStart+h.CsumOffset:], sum)
}

// tagged inserts VLAN tags behind the MAC addresses, the outermost first.
func tagged(h vnet.Header, frame []byte, types ...uint16) (vnet.Header, []byte) {
	out := bytes.Clone(frame[:12])
	for i, t := range types {
		out = binary.BigEndian.AppendUint16(out, t)
		out = binary.BigEndian.AppendUint16(out, uint16(0x6064+i))
	}
	return h.Shift(4 * len(types)), append(out, frame[12:]...)
}

// finish calls Append and cuts the result into frames.
func finish(h vnet.Header, frame []byte) ([][]byte, error) {
	before := bytes.Clone(frame)
	size, n := vnet.Size(h, frame)
	buf, lens := vnet.Append([]byte("front"), []int{1}, h, frame)
	switch {
	case !bytes.Equal(frame, before):
		return nil, fmt.Errorf("Append changed the frame")
	case len(lens) != 1+n || lens[0] != 1:
		return nil, fmt.Errorf("Append made lengths %v, Size told %d", lens, n)
	case slices.Max(lens[1:]) != vnet.WireLen(h, frame):
		return nil, fmt.Errorf("Append made lengths %v, WireLen told %d", lens, vnet.WireLen(h, frame))
	case len(buf) != 5+size || string(buf[:5]) != "front":
		return nil, fmt.Errorf("Append made %d bytes, Size told %d", len(buf)-5, size)
	}
	buf = buf[5:]
	var out [][]byte
	for _, n := range lens[1:] {
		if n < 0 || n > len(buf) {
			return nil, fmt.Errorf("length %d of %d bytes that are left", n, len(buf))
		}
		out, buf = append(out, buf[:n]), buf[n:]
	}
	if len(buf) != 0 {
		return nil, fmt.Errorf("%d bytes belong to no frame", len(buf))
	}
	return out, nil
}
