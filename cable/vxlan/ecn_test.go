package vxlan

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// packets of both families, tagged and not, with a mark.
func packets(ecn uint8) map[string][]byte {
	v4 := []byte{0x45, 0xb8 | ecn, 0, 20, 1, 2, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
	binary.BigEndian.PutUint16(v4[10:], ^fold(v4))
	v6 := append([]byte{0x6b, 0x81 | ecn<<4, 2, 3, 0, 0, 59, 64}, make([]byte, 32)...)
	macs := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	tag := []byte{0x88, 0xa8, 0, 5, 0x81, 0, 0, 9}
	return map[string][]byte{
		"IPv4":        slices.Concat(macs, []byte{8, 0}, v4),
		"IPv6":        slices.Concat(macs, []byte{0x86, 0xdd}, v6),
		"tagged IPv4": slices.Concat(macs, tag, []byte{8, 0}, v4),
		"tagged IPv6": slices.Concat(macs, tag, []byte{0x86, 0xdd}, v6),
	}
}

// fold is the sum of 16-bit words (RFC 1071).
func fold(b []byte) uint16 {
	s := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return uint16(s + s>>16)
}

// The marks are those of RFC 6040, figure 4.
func TestDecapsulate(t *testing.T) {
	const drop = 9
	want := [4][4]uint8{ // by inner, outer
		notECT: {notECT: notECT, ect0: notECT, ect1: notECT, ce: drop},
		ect0:   {notECT: ect0, ect0: ect0, ect1: ect1, ce: ce},
		ect1:   {notECT: ect1, ect0: ect1, ect1: ect1, ce: ce},
		ce:     {notECT: ce, ect0: ce, ect1: ce, ce: ce},
	}
	for inner := range uint8(4) {
		for outer := range uint8(4) {
			for name, data := range packets(inner) {
				if got := ecnOf(data); got != inner {
					t.Errorf("%s marked %d is marked %d outside", name, inner, got)
				}
				before := bytes.Clone(data)
				ok := decapsulate(data, outer|0xb8)
				if ok == (want[inner][outer] == drop) {
					t.Errorf("%s marked %d in %d: goes on: %v", name, inner, outer, ok)
				}
				if !ok {
					continue
				}
				if wanted := packets(want[inner][outer])[name]; !bytes.Equal(data, wanted) {
					t.Errorf("%s marked %d in %d: % x becomes % x", name, inner, outer, before, data)
				}
			}
		}
	}
}

// What is no IP has no marks.
func TestDecapsulateOther(t *testing.T) {
	arp := append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 6}, make([]byte, 46)...)
	short := []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 1}
	for _, data := range [][]byte{arp, short} {
		before := bytes.Clone(data)
		if ecnOf(data) != 0 || !decapsulate(data, ce) || !bytes.Equal(before, data) {
			t.Errorf("% x has a mark", before)
		}
	}
}
