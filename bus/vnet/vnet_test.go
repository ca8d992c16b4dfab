package vnet_test

import (
	"encoding/binary"
	"testing"

	"ipnfs/bus/vnet"
)

func TestHeaderIsInTheHostsOrder(t *testing.T) {
	h := vnet.Header{Flags: 1, GSOType: 0x81, HdrLen: 0x0203, GSOSize: 0x0405, CsumStart: 0x0607, CsumOffset: 0x0809}
	want := []byte{1, 0x81}
	for _, v := range []uint16{0x0203, 0x0405, 0x0607, 0x0809} {
		want = binary.NativeEndian.AppendUint16(want, v)
	}
	b := make([]byte, vnet.HeaderLen)
	h.Put(b)
	if string(b) != string(want) {
		t.Errorf("Put wrote % x, want % x", b, want)
	}
	if got := vnet.Parse(b); got != h {
		t.Errorf("Parse read %+v, want %+v", got, h)
	}
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		h    vnet.Header
		want bool
	}{
		{vnet.Header{}, true},
		{vnet.Header{Flags: vnet.DataValid}, true},
		{vnet.Header{CsumStart: 34, HdrLen: 60}, true},
		{vnet.Header{Flags: vnet.NeedsCsum}, false},
		{vnet.Header{GSOType: vnet.TCP4}, false},
	} {
		if got := c.h.Plain(); got != c.want {
			t.Errorf("%+v: Plain is %v", c.h, got)
		}
	}
}

func TestShift(t *testing.T) {
	for _, c := range []struct {
		what string
		h    vnet.Header
		n    int
		want vnet.Header
	}{
		{"nothing is set", vnet.Header{}, 4, vnet.Header{}},
		{"no checksum to complete", vnet.Header{CsumStart: 34}, 4, vnet.Header{CsumStart: 34}},
		{"a tag in", vnet.Header{Flags: 1, GSOType: 1, HdrLen: 66, GSOSize: 1448, CsumStart: 34, CsumOffset: 16}, 4,
			vnet.Header{Flags: 1, GSOType: 1, HdrLen: 70, GSOSize: 1448, CsumStart: 38, CsumOffset: 16}},
		{"two tags out", vnet.Header{Flags: 1, HdrLen: 74, CsumStart: 42, CsumOffset: 6}, -8,
			vnet.Header{Flags: 1, HdrLen: 66, CsumStart: 34, CsumOffset: 6}},
		{"a hint of less than an ethernet header", vnet.Header{HdrLen: 16}, -4, vnet.Header{HdrLen: 14}},
		{"a hint of all 16 bits", vnet.Header{HdrLen: 65535}, 4, vnet.Header{HdrLen: 65535}},
	} {
		if got := c.h.Shift(c.n); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}
