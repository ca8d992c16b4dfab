package vnet

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// The sum in 64-bit words is the one in 16-bit words.
func TestSum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 4096)
	check := func(b []byte) {
		t.Helper()
		s := uint32(0)
		for i, c := range b {
			s += uint32(c) << (8 * (1 - i%2))
			s = s>>16 + s&0xffff
		}
		var got [2]byte
		store(got[:], sum(b))
		if want := ^uint16(s); binary.BigEndian.Uint16(got[:]) != want {
			t.Fatalf("%d bytes: checksum % x, want %04x", len(b), got, want)
		}
	}
	for n := range 300 {
		for i := range buf {
			buf[i] = byte(random.Uint32())
		}
		check(buf[:n])
		check(buf[n%9:][:1400+n])
		for i := range buf { // all carries
			buf[i] = 0xff
		}
		check(buf[:n])
		buf[random.IntN(n+1)] = byte(n)
		check(buf[:n])
		clear(buf)
		check(buf[:n])
		buf[n] = 1
		check(buf[:n+1])
	}
}

// The carry of the carry of the carry is not lost.
func TestStore(t *testing.T) {
	for s, want := range map[uint64]uint16{
		0:                  0xffff,
		1:                  0xfffe,
		0xffff:             0,
		0xffffffff00010000: 0xfffe,
		0xffffffffffffffff: 0,
	} {
		var got [2]byte
		if store(got[:], s); binary.LittleEndian.Uint16(got[:]) != want {
			t.Errorf("sum %#x: checksum % x, want %#x", s, got, want)
		}
	}
}

func TestAdd16(t *testing.T) {
	for _, c := range []struct{ a, b, sum, difference uint16 }{
		{1, 2, 3, 0xfffe},
		{5, 3, 8, 2},
		{0xffff, 1, 1, 0xfffe},
		{0xffff, 0xffff, 0xffff, 0xffff},
		{0x8000, 0x8000, 1, 0xffff},
	} {
		if got := add16(c.a, c.b); got != c.sum {
			t.Errorf("%#x + %#x is %#x, want %#x", c.a, c.b, got, c.sum)
		}
		if got := sub16(c.a, c.b); got != c.difference {
			t.Errorf("%#x - %#x is %#x, want %#x", c.a, c.b, got, c.difference)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	buf := make([]byte, 1480)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		sum(buf)
	}
}
