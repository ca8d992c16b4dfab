package vnet

import (
	"encoding/binary"
	"math/bits"
)

// sum returns the ones' complement sum of the 16-bit words of b (RFC 1071) as
// one of 64-bit words. These are taken as little endian whatever the host is:
// the sum does not depend on it but for the order of its bytes, which store
// knows (RFC 1071, section 2 (B)).
func sum(b []byte) uint64 {
	var s, t, carries uint64 // of two chains, which a processor adds at once
	for len(b) >= 128 {
		var c uint64
		w := (*[128]byte)(b)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[0:]), 0)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[24:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[32:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[40:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[48:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(w[56:]), c)
		carries += c
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[64:]), 0)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[72:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[80:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[88:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[96:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[104:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[112:]), c)
		t, c = bits.Add64(t, binary.LittleEndian.Uint64(w[120:]), c)
		carries += c
		b = b[128:]
	}
	s, c := bits.Add64(s, t, 0)
	s, c = bits.Add64(s, carries, c)
	for len(b) >= 8 {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		b = b[8:]
	}
	var rest [8]byte // what is missing of the last word counts as 0
	copy(rest[:], b)
	s, c = bits.Add64(s, binary.LittleEndian.Uint64(rest[:]), c)
	s, c = bits.Add64(s, c, 0)
	return s + c
}

// store writes the complement of a sum to the 2 bytes at b: the checksum.
func store(b []byte, s uint64) { binary.LittleEndian.PutUint16(b, ^reduce(s)) }

// reduce makes a sum one of 16 bits, in the order of bytes that sum has.
func reduce(s uint64) uint16 {
	s = s>>32 + s&0xffffffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	s = s>>16 + s&0xffff
	return uint16(s)
}

// fold makes a sum one of 16 bits in network byte order.
func fold(s uint64) uint16 { return bits.ReverseBytes16(reduce(s)) }

// add16 returns the ones' complement sum of two words.
func add16(a, b uint16) uint16 {
	s := uint32(a) + uint32(b)
	return uint16(s) + uint16(s>>16)
}

// sub16 returns the ones' complement difference.
func sub16(a, b uint16) uint16 { return add16(a, ^b) }

// fold32 is the sum of the two words of a length.
func fold32(n int) uint16 { return add16(uint16(n>>16), uint16(n)) }
