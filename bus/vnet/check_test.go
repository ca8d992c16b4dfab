package vnet_test

import (
	"testing"

	"ipnfs/bus/vnet"
)

// Every refusal, by the least change of a good super-frame that causes it,
// and what lies just on the good side of each limit.
func TestCheck(t *testing.T) {
	tcp4 := packet{size: 1000, payload: 5000}
	tcp6 := packet{v6: true, size: 1000, payload: 5000}
	udp4 := packet{udp: true, size: 1000, payload: 5000}
	udp6 := packet{v6: true, udp: true, size: 1000, payload: 5000}
	none := packet{payload: 100}
	eight := []uint16{svlan, svlan, svlan, svlan, cvlan, cvlan, cvlan, cvlan}
	type change = func(h *vnet.Header, frame []byte) []byte
	set := func(at int, v byte) change {
		return func(_ *vnet.Header, frame []byte) []byte { frame[at] = v; return frame }
	}
	header := func(f func(*vnet.Header)) change {
		return func(h *vnet.Header, frame []byte) []byte { f(h); return frame }
	}
	keep := func(n int) change {
		return func(_ *vnet.Header, frame []byte) []byte { return frame[:n] }
	}

	for _, c := range []struct {
		what   string
		p      packet
		change change
		want   error
	}{
		{"13 bytes", none, func(h *vnet.Header, f []byte) []byte { *h = vnet.Header{}; return f[:13] }, vnet.ErrRunt},
		{"no bytes", none, func(h *vnet.Header, _ []byte) []byte { *h = vnet.Header{}; return nil }, vnet.ErrRunt},
		{"14 bytes", none, func(h *vnet.Header, f []byte) []byte { *h = vnet.Header{}; return f[:14] }, nil},
		{"14 bytes that end in a tag", packet{tags: []uint16{cvlan}}, func(h *vnet.Header, f []byte) []byte { *h = vnet.Header{}; return f[:14] }, nil},

		{"verified and yet to do", tcp4, header(func(h *vnet.Header) { h.Flags = 3 }), nil},
		{"RSC_INFO", tcp4, header(func(h *vnet.Header) { h.Flags |= 4 }), vnet.ErrFlags},
		{"UDP_TUNNEL_CSUM", none, header(func(h *vnet.Header) { h.Flags |= 8 }), vnet.ErrFlags},

		{"hdr_len of 13", none, header(func(h *vnet.Header) { h.HdrLen = 13 }), vnet.ErrHdrLen},
		{"hdr_len of 14", none, header(func(h *vnet.Header) { h.HdrLen = 14 }), nil},
		{"hdr_len of all", none, header(func(h *vnet.Header) { h.HdrLen = 154 }), nil},
		{"hdr_len of more", none, header(func(h *vnet.Header) { h.HdrLen = 155 }), vnet.ErrHdrLen},

		{"csum_start in IPv4", none, header(func(h *vnet.Header) { h.CsumStart-- }), vnet.ErrCsum},
		{"csum_start in a tag", packet{tags: []uint16{svlan, cvlan}}, header(func(h *vnet.Header) { h.CsumStart = 34 }), vnet.ErrCsum},
		{"csum_start behind 7 of 8 tags", packet{tags: eight, payload: 100}, header(func(h *vnet.Header) { h.CsumStart = 42 + 20 }), nil},
		{"csum_start before that", packet{tags: eight, payload: 100}, header(func(h *vnet.Header) { h.CsumStart = 42 + 19 }), vnet.ErrCsum},
		{"the last csum_offset", none, header(func(h *vnet.Header) { h.CsumOffset = 118 }), nil},
		{"csum_offset behind the frame", none, header(func(h *vnet.Header) { h.CsumOffset = 119 }), vnet.ErrCsum},
		{"csum_offset of 65535", none, header(func(h *vnet.Header) { h.CsumOffset = 65535 }), vnet.ErrCsum},
		{"csum_start behind the frame", none, header(func(h *vnet.Header) { h.CsumStart = 65535 }), vnet.ErrCsum},
		{"the last csum_start", packet{payload: 70000}, header(func(h *vnet.Header) { h.CsumStart = 65535 - 1024 }), nil},
		{"csum_start too far", packet{payload: 70000}, header(func(h *vnet.Header) { h.CsumStart = 65536 - 1024 }), vnet.ErrCsum},
		{"no checksum, so no matter", none, header(func(h *vnet.Header) { h.Flags, h.CsumStart = 0, 9 }), nil},

		{"ECN alone", none, header(func(h *vnet.Header) { h.GSOType, h.GSOSize = vnet.ECN, 9 }), vnet.ErrGSOType},
		{"ECN with UDP", udp4, header(func(h *vnet.Header) { h.GSOType |= vnet.ECN }), vnet.ErrGSOType},
		{"UFO", udp4, header(func(h *vnet.Header) { h.GSOType = vnet.UDP }), vnet.ErrGSOType},
		{"UDP_TUNNEL_IPV4", tcp4, header(func(h *vnet.Header) { h.GSOType |= 0x20 }), vnet.ErrGSOType},
		{"type 2", tcp4, header(func(h *vnet.Header) { h.GSOType = 2 }), vnet.ErrGSOType},
		{"ECN with TCP4", tcp4, header(func(h *vnet.Header) { h.GSOType |= vnet.ECN }), nil},
		{"ECN with TCP6", tcp6, header(func(h *vnet.Header) { h.GSOType |= vnet.ECN }), nil},

		{"gso_size of 0", tcp4, header(func(h *vnet.Header) { h.GSOSize = 0 }), vnet.ErrGSOSize},
		{"GSO_BY_FRAGS", tcp4, header(func(h *vnet.Header) { h.GSOSize = 65535 }), vnet.ErrGSOSize},
		{"gso_size of more than there is", tcp4, header(func(h *vnet.Header) { h.GSOSize = 65534 }), nil},

		{"no NEEDS_CSUM", tcp4, header(func(h *vnet.Header) { h.Flags = 0 }), vnet.ErrGSOCsum},
		{"csum_offset of UDP in TCP", tcp4, header(func(h *vnet.Header) { h.CsumOffset = 6 }), vnet.ErrGSOCsum},
		{"csum_offset of TCP in UDP", udp6, header(func(h *vnet.Header) { h.CsumOffset = 16 }), vnet.ErrGSOCsum},

		{"TCP4 in IPv6", tcp6, header(func(h *vnet.Header) { h.GSOType = vnet.TCP4 }), vnet.ErrNetwork},
		{"TCP6 in IPv4", tcp4, header(func(h *vnet.Header) { h.GSOType = vnet.TCP6 }), vnet.ErrNetwork},
		{"ARP", tcp4, set(13, 6), vnet.ErrNetwork},
		{"version 5 of IPv4", tcp4, set(14, 0x55), vnet.ErrNetwork},
		{"version 5 of IPv6", tcp6, set(14, 0x55), vnet.ErrNetwork},
		{"16 bytes of IPv4 header", tcp4, set(14, 0x44), vnet.ErrNetwork},
		{"first fragment", packet{size: 1000, payload: 5000, fragment: 0x2000}, nil, vnet.ErrNetwork},
		{"last fragment", packet{size: 1000, payload: 5000, fragment: 0x0001}, nil, vnet.ErrNetwork},
		{"DF and the evil bit", packet{size: 1000, payload: 5000, fragment: 0xc000}, nil, nil},
		{"5 tags", packet{size: 1000, payload: 5000, tags: []uint16{svlan, svlan, svlan, svlan, cvlan}}, nil, nil},
		{"6 tags", packet{size: 1000, payload: 5000, tags: []uint16{svlan, svlan, svlan, svlan, svlan, cvlan}}, nil, vnet.ErrNetwork},
		{"csum_start in IPv6", tcp6, header(func(h *vnet.Header) { h.CsumStart-- }), vnet.ErrNetwork},

		{"options of IPv4 that csum_start skips", tcp4, set(14, 0x46), vnet.ErrProto},
		{"csum_start behind TCP", tcp4, header(func(h *vnet.Header) { h.CsumStart++ }), vnet.ErrProto},
		{"UDP as TCP", tcp4, set(23, protoUDP), vnet.ErrProto},
		{"TCP as UDP", udp4, set(23, protoTCP), vnet.ErrProto},
		{"TCP as UDP in IPv6", udp6, set(20, protoTCP), vnet.ErrProto},
		{"csum_start behind UDP in IPv6", udp6, header(func(h *vnet.Header) { h.CsumStart += 8 }), vnet.ErrProto},
		{"a fragment header of IPv6", packet{v6: true, size: 1000, payload: 5000, extension: 44, extensions: hopByHop(protoTCP)}, nil, vnet.ErrProto},
		{"an extension header that is too long", packet{v6: true, size: 1000, payload: 5000, extension: 60, extensions: []byte{6, 1, 1, 4, 0, 0, 0, 0}}, nil, vnet.ErrProto},
		{"extension headers beyond the frame", packet{v6: true, size: 1000, payload: 100, extension: 60, extensions: hopByHop(60)},
			func(_ *vnet.Header, f []byte) []byte { f[62], f[63] = 60, 255; return f }, vnet.ErrProto},
		{"routing, hop by hop and destination", packet{v6: true, size: 1000, payload: 5000, extension: 43,
			extensions: append(append(hopByHop(0), hopByHop(60)...), hopByHop(6)...)}, nil, nil},

		{"a TCP header of 16 bytes", tcp4, set(46, 0x40), vnet.ErrTCP},
		{"TCP options behind the frame", packet{size: 1000, tcpOptions: timestamps}, func(h *vnet.Header, f []byte) []byte { h.HdrLen = 0; return f[:len(f)-1] }, vnet.ErrTCP},
		{"TCP header and no payload", packet{size: 1000, tcpOptions: timestamps}, nil, nil},
		{"UDP header and no payload", packet{udp: true, size: 1000}, nil, nil},
		{"the frame ends behind the checksum of TCP", tcp4, func(h *vnet.Header, f []byte) []byte { h.HdrLen = 0; return f[:52] }, vnet.ErrTCP},
		{"the frame ends before it", tcp4, func(h *vnet.Header, f []byte) []byte { h.HdrLen = 0; return f[:51] }, vnet.ErrCsum},
		{"a frame of headers only", udp4, keep(42), nil},

		{"64 KiB of IPv4", packet{size: 1448, payload: 65535 - 40}, nil, nil},
		{"1 byte more", packet{size: 1448, payload: 65536 - 40}, nil, vnet.ErrTooLong},
		{"64 KiB in IPv6", packet{v6: true, size: 1448, payload: 65535 - 20}, nil, nil},
		{"1 byte more in IPv6", packet{v6: true, size: 1448, payload: 65536 - 20}, nil, vnet.ErrTooLong},
		{"128 datagrams", packet{udp: true, size: 10, payload: 1280}, nil, nil},
		{"129 datagrams", packet{udp: true, size: 10, payload: 1281}, nil, vnet.ErrTooMany},
		{"1 MiB of segments", packet{size: 4, payload: 65535 - 40}, nil, nil},
		{"more than 1 MiB", packet{size: 3, payload: 65535 - 40}, nil, vnet.ErrTooMany},
	} {
		h, frame := c.p.build()
		if c.change != nil {
			frame = c.change(&h, frame)
		}
		if got := vnet.Check(h, frame); got != c.want {
			t.Errorf("%s: %v, want %v", c.what, got, c.want)
		}
	}
}

// A header that passes passes with tags, too.
func TestCheckAfterShift(t *testing.T) {
	for name, p := range shapes {
		h, frame := p.build()
		if vnet.Check(h, frame) != nil {
			continue
		}
		shifted, long := tagged(h, frame, svlan, cvlan)
		if err := vnet.Check(shifted, long); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if back := shifted.Shift(-8); back != h {
			t.Errorf("%s: %+v there and back is %+v", name, h, back)
		}
	}
}
