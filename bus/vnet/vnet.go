// Package vnet knows the virtio-net header, by which a kernel or a virtual
// machine hands over a frame that is not finished: its checksum is missing,
// or it is a super-frame of up to 64 KiB that stands for many (virtio 1.2,
// 5.1.6; linux/virtio_net.h). Who takes such frames may pass them on as they
// are; who sends them to somebody that does not finishes them here.
//
//   - vnet.go: the header.
//   - check.go: which headers may be believed. They come from a peer.
//   - adopt.go: what packet sockets hand over besides: tunnels, BIG TCP,
//     fraglist GRO, SCTP.
//   - append.go: segmentation, as Linux does it in software.
//   - merge.go: its counterpart, as Linux does it when it receives.
//   - unfinished.go: what a tunnel on the same machine hands over.
//   - layers.go: the headers in front of TCP and UDP, those of tunnels too.
//   - hop.go: the hop limit of a packet, which a router lowers.
//   - sum.go: the Internet checksum.
//
// Everything is a pure function of its arguments, allocates nothing, and is
// safe for concurrent use.
package vnet

import (
	"encoding/binary"
	"math"
)

// HeaderLen is the size in bytes of struct virtio_net_hdr: the legacy form,
// without num_buffers, of Linux's taps and packet sockets.
const HeaderLen = 10

// Flags.
const (
	NeedsCsum = 1 // the checksum is to be completed, see CsumStart
	DataValid = 2 // the checksum was verified
)

// Types of super-frames. ECN comes as a bit beside TCP4 or TCP6.
const (
	None  = 0    // no super-frame
	TCP4  = 1    // TCP in IPv4
	UDP   = 3    // one UDP datagram to be fragmented by IP (UFO); Check refuses it
	TCP6  = 4    // TCP in IPv6
	UDPL4 = 5    // UDP datagrams of one size, in IPv4 or IPv6 (USO)
	ECN   = 0x80 // CWR is set, which only the first segment may carry
)

// Header is a virtio-net header. Offsets count bytes from the start of the
// frame; those without a meaning are 0 if a kernel wrote them, and anything
// if another peer did.
type Header struct {
	Flags   uint8
	GSOType uint8
	HdrLen  uint16 // a hint: so much at least is worth having in one piece
	GSOSize uint16 // bytes of payload in each segment but the last
	// The checksum covers all from CsumStart to the end of the frame, and its
	// 16 bits stand CsumOffset bytes behind CsumStart. They hold the sum of the
	// pseudo header (RFC 9293, 3.1), not complemented.
	CsumStart  uint16
	CsumOffset uint16
}

// Parse reads a header from b, which has at least HeaderLen bytes. The legacy
// form is in the byte order of the host.
func Parse(b []byte) Header {
	b = b[:HeaderLen]
	return Header{
		Flags:      b[0],
		GSOType:    b[1],
		HdrLen:     binary.NativeEndian.Uint16(b[2:]),
		GSOSize:    binary.NativeEndian.Uint16(b[4:]),
		CsumStart:  binary.NativeEndian.Uint16(b[6:]),
		CsumOffset: binary.NativeEndian.Uint16(b[8:]),
	}
}

// Put writes h to b, which has at least HeaderLen bytes.
func (h Header) Put(b []byte) {
	b = b[:HeaderLen]
	b[0] = h.Flags
	b[1] = h.GSOType
	binary.NativeEndian.PutUint16(b[2:], h.HdrLen)
	binary.NativeEndian.PutUint16(b[4:], h.GSOSize)
	binary.NativeEndian.PutUint16(b[6:], h.CsumStart)
	binary.NativeEndian.PutUint16(b[8:], h.CsumOffset)
}

// Plain tells that nothing is left to do: the frame is complete as it lies.
func (h Header) Plain() bool { return h.Flags&NeedsCsum == 0 && h.GSOType == None }

// Shift returns the header of the frame after n bytes of VLAN tags were
// inserted behind the MAC addresses, or removed there if n is negative. The
// header has passed Check, so CsumStart lies behind what moves.
func (h Header) Shift(n int) Header {
	if h.HdrLen != 0 {
		h.HdrLen = uint16(min(max(int(h.HdrLen)+n, etherLen), math.MaxUint16))
	}
	if h.Flags&NeedsCsum != 0 {
		h.CsumStart = uint16(int(h.CsumStart) + n)
	}
	return h
}
