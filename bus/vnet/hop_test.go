package vnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"ipnfs/bus/vnet"
)

// lowered is what a router makes of a frame with an IP packet at at, written
// plainly: the checksum of IPv4 is made anew.
func lowered(frame []byte, at int) []byte {
	out := bytes.Clone(frame)
	ip := out[at:]
	if ip[0]>>4 == 6 {
		ip[7]--
		return out
	}
	ip[8]--
	ip[10], ip[11] = 0, 0
	binary.BigEndian.PutUint16(ip[10:], ^fold(ip[:4*int(ip[0]&0xf)]))
	return out
}

// withHops is a frame of a shape whose packet has so many hops left.
func withHops(p packet, left byte) []byte {
	_, frame := p.build()
	if p.v6 {
		frame[netOffset(frame)+7] = left
		return frame
	}
	frame[netOffset(frame)+8] = left + 1
	return lowered(frame, netOffset(frame))
}

func TestLowerHopLimit(t *testing.T) {
	for name, p := range map[string]packet{
		"IPv4":                    {payload: 100},
		"IPv4, options":           {payload: 100, ipOptions: bytes.Repeat([]byte{1, 7, 0, 9}, 10)},
		"IPv4, a fragment":        {payload: 100, fragment: 0x2010},
		"IPv4, 802.1Q":            {payload: 100, tags: []uint16{cvlan}},
		"IPv4, QinQ":              {payload: 100, tags: []uint16{svlan, cvlan}},
		"IPv4, 7 tags":            {payload: 100, tags: []uint16{svlan, svlan, svlan, cvlan, cvlan, cvlan, cvlan}},
		"IPv6":                    {payload: 100, v6: true},
		"IPv6, extension headers": {payload: 100, v6: true, extension: 60, extensions: hopByHop(protoTCP)},
		"IPv6, 802.1Q":            {payload: 100, v6: true, tags: []uint16{cvlan}},
		"IPv6, QinQ":              {payload: 100, v6: true, tags: []uint16{svlan, cvlan}},
	} {
		for left := range 256 {
			frame := withHops(p, byte(left))
			want := bytes.Clone(frame)
			if left > 0 {
				want = lowered(frame, netOffset(frame))
			}
			if got, ok := vnet.HopLimit(frame); !ok || int(got) != left {
				t.Fatalf("%s: %d hops are left, %v, want %d", name, got, ok, left)
			}
			if vnet.LowerHopLimit(frame); !bytes.Equal(frame, want) {
				t.Fatalf("%s, %d hops left: it becomes\n% x, want\n% x", name, left, frame[:80], want[:80])
			}
		}
	}
}

// The checksum may be any.
func TestLowerHopLimitSums(t *testing.T) {
	seen := map[uint16]bool{}
	for id := range 1 << 16 {
		frame := withHops(packet{id: uint16(id)}, 64)
		before := binary.BigEndian.Uint16(frame[24:])
		want := lowered(frame, 14)
		if vnet.LowerHopLimit(frame); !bytes.Equal(frame, want) {
			t.Fatalf("checksum %#x becomes % x, want % x", before, frame[24:26], want[24:26])
		}
		seen[before] = true
	}
	if !seen[0] || !seen[0xfeff] || seen[0xffff] || len(seen) != 0xffff {
		t.Errorf("%d of 65535 checksums were there", len(seen))
	}

	// One that is wrong is wrong by the same afterwards (RFC 1624, (3)).
	for before, want := range map[uint16]uint16{0xffff: 0x0100, 0: 0x0100, 0xfeff: 0, 0xff00: 1, 0xfefe: 0xfffe} {
		frame := withHops(packet{}, 64)
		binary.BigEndian.PutUint16(frame[24:], before)
		vnet.LowerHopLimit(frame)
		if got := binary.BigEndian.Uint16(frame[24:]); got != want {
			t.Errorf("checksum %#x becomes %#x, want %#x", before, got, want)
		}
	}
}

// What is no IP packet, or not the whole header of one, stays.
func TestNoHopLimit(t *testing.T) {
	v4, v6 := withHops(packet{payload: 10, ipOptions: []byte{1, 1, 1, 0}}, 64), withHops(packet{payload: 10, v6: true, tags: []uint16{cvlan}}, 64)
	change := func(frame []byte, at int, to ...byte) []byte {
		out := bytes.Clone(frame)
		copy(out[at:], to)
		return out
	}
	eight := append(bytes.Clone(v4[:12]), bytes.Repeat([]byte{0x81, 0, 0, 1}, 8)...)
	frames := map[string][]byte{
		"ARP":                      change(v4, 12, 8, 6),
		"MPLS":                     change(v4, 12, 0x88, 0x47),
		"a length, as of BPDUs":    change(v4, 12, 0, 46),
		"IPv6 that says IPv4":      change(v6, 16, 8, 0),
		"IPv4 that says IPv6":      change(v4, 12, 0x86, 0xdd),
		"version 5":                change(v4, 14, 0x55),
		"a header of 16 bytes":     change(v4, 14, 0x44),
		"8 tags":                   append(eight, v4[12:]...),
		"a header that ends early": change(v4[:14+32], 14, 0x4f),
	}
	for n := range 14 + 24 {
		frames[fmt.Sprintf("%d bytes of IPv4", n)] = v4[:n:n]
	}
	for n := range 18 + 40 {
		frames[fmt.Sprintf("%d bytes of IPv6", n)] = v6[:n:n]
	}
	for what, frame := range frames {
		frame = slices.Clip(bytes.Clone(frame))
		before := bytes.Clone(frame)
		if left, ok := vnet.HopLimit(frame); ok {
			t.Errorf("%s: %d hops are left", what, left)
		}
		if vnet.LowerHopLimit(frame); !bytes.Equal(frame, before) {
			t.Errorf("%s: it becomes\n% x, was\n% x", what, frame, before)
		}
	}
	for what, frame := range map[string][]byte{"IPv4": v4[:14+24], "IPv6": v6[:18+40]} {
		if left, ok := vnet.HopLimit(frame); !ok || left != 64 {
			t.Errorf("%s, the header alone: %d hops are left, %v", what, left, ok)
		}
	}
}

// lowersEach checks that a super-frame with a hop less is one whose segments
// each have a hop less.
func lowersEach(t *testing.T, h vnet.Header, frame []byte) {
	t.Helper()
	want, err := finish(h, frame)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i] = bytes.Clone(want[i])
		vnet.LowerHopLimit(want[i])
	}
	less := bytes.Clone(frame)
	vnet.LowerHopLimit(less)
	got, err := finish(h, less)
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("%+v, %v: segments of one with a hop less are\n% x, want\n% x", h, err, got, want)
	}
}

func TestLowerHopLimitOfSuperFrames(t *testing.T) {
	for name, p := range shapes {
		h, frame := p.build()
		before := bytes.Clone(frame)
		lowersEach(t, h, frame)
		if vnet.LowerHopLimit(frame); bytes.Equal(frame, before) {
			t.Errorf("%s: it has no hop less", name)
		}
	}
}

// FuzzLowerHopLimit takes a hop off any bytes.
func FuzzLowerHopLimit(f *testing.F) {
	for _, p := range shapes {
		_, frame := p.build()
		f.Add(frame[:min(len(frame), 120)])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		frame = slices.Clip(frame)
		before := bytes.Clone(frame)
		left, ok := vnet.HopLimit(frame)
		vnet.LowerHopLimit(frame)
		if !ok || left == 0 {
			if !bytes.Equal(frame, before) {
				t.Errorf("% x becomes % x", before, frame)
			}
			return
		}
		at := netOffset(before)
		want := bytes.Clone(before)
		if before[at]>>4 == 6 {
			want[at+7]--
		} else {
			want[at+8]--
			copy(want[at+10:at+12], frame[at+10:])
			header := 4 * int(before[at]&0xf)
			if was, is := fold(before[at:][:header]), fold(frame[at:][:header]); was != is {
				t.Errorf("the sum of the header was %#x, is %#x", was, is)
			}
		}
		if !bytes.Equal(frame, want) {
			t.Errorf("% x becomes\n% x, want\n% x", before, frame, want)
		}
	})
}
