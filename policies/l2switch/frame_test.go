package l2switch

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// mac is an address on a lan.
type mac [6]byte

func (m mac) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

func (m mac) bytes() []byte { return m[:] }

var (
	toAll   = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	toGroup = mac{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03} // 224.1.2.3
	nobody  = mac{0x02, 0xff, 0, 0, 0, 0}             // a station that does not exist
)

// bridgeGroup is the n-th of the addresses that bridges do not forward (IEEE
// 802.1Q table 8-1).
func bridgeGroup(n byte) mac { return mac{0x01, 0x80, 0xc2, 0, 0, n} }

// macOf is the address of the n-th station.
func macOf(n int) (m mac) {
	binary.BigEndian.PutUint32(m[2:], uint32(n))
	m[0] = 2 // locally administered
	return m
}

// etherType of what the frames carry: for local experiments.
const etherType = 0x88b5

// Where the fields of a tag stand (IEEE 802.1Q 9.6): TPID, PCP, DEI, VID.
const (
	pcpShift = 13
	dei      = 1 << 12
)

// ctag is a customer VLAN tag, stag a service VLAN tag, each with the VLAN and
// the priority bits.
func ctag(vlan int, prio ...int) uint32 { return tagOf(0x8100, vlan, prio) }

func stag(vlan int, prio ...int) uint32 { return tagOf(0x88a8, vlan, prio) }

func tagOf(tpid uint32, vlan int, prio []int) uint32 {
	t := tpid<<16 | uint32(vlan)
	for _, p := range prio {
		t |= uint32(p)
	}
	return t
}

// makeFrame makes a frame with tags, the outer one first.
func makeFrame(dst, src mac, body string, tags ...uint32) []byte {
	f := append(dst[:], src[:]...)
	for _, t := range tags {
		f = binary.BigEndian.AppendUint32(f, t)
	}
	f = binary.BigEndian.AppendUint16(f, etherType)
	return append(f, body...)
}

// bodyOf is what stands behind the addresses, the tags and the type.
func bodyOf(f []byte) string {
	at := 12
	for len(f) >= at+4 && isTPID(binary.BigEndian.Uint16(f[at:])) {
		at += 4
	}
	return string(f[min(at+2, len(f)):])
}

// isBPDU tells whether a frame is one of the spanning tree protocol, with a
// tag or without.
func isBPDU(f []byte) bool {
	return len(f) >= 17 && mac(f) == bridgeGroup(0) && (bytes.HasPrefix(f[14:], llc) || len(f) > 18 && bytes.HasPrefix(f[18:], llc))
}

// llc is the header of a BPDU (IEEE 802.1D 9.3, 7.12.3).
var llc = []byte{0x42, 0x42, 0x03}

func isTPID(v uint16) bool { return v == 0x8100 || v == 0x88a8 }
