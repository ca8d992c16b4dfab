package vnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"ipnfs/bus/vnet"
)

// outer is what a tunnel puts around a frame. The tests make it for each
// segment anew, as a sender would that cuts before.
type outer struct {
	v6    bool
	csum  bool   // UDP and GRE have a checksum
	proto byte   // UDP, GRE, or that of an IP header next to it
	shim  []byte // between that and the inner frame: VXLAN's header, and so on
	bare  bool   // the inner frame is an IP packet: its ethernet header is left out
	tags  []uint16
}

// wrap puts the n-th segment into the tunnel. Of a super-frame the checksum of
// UDP is the sum of the pseudo header, as Linux has it.
func (o outer) wrap(inner []byte, n int, super bool) []byte {
	be := binary.BigEndian
	frame := []byte{2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 9, 2}
	for _, t := range o.tags {
		frame = append(be.AppendUint16(frame, t), 0, 7)
	}
	if o.bare {
		inner = inner[netOffset(inner):]
	}
	body := append(bytes.Clone(o.shim), inner...)
	addresses := []byte{10, 9, 0, 1, 10, 9, 0, 2}
	if o.v6 {
		addresses = append(bytes.Repeat([]byte{0xfd}, 16), bytes.Repeat([]byte{0xfc}, 16)...)
	}
	switch o.proto {
	case protoUDP:
		udp := append(make([]byte, 8), body...)
		be.PutUint16(udp[0:], 50000)
		be.PutUint16(udp[2:], 4789)
		be.PutUint16(udp[4:], uint16(len(udp)))
		if o.csum {
			sum := fold(addresses, []byte{0, protoUDP, byte(len(udp) >> 8), byte(len(udp))})
			be.PutUint16(udp[6:], sum)
			if !super {
				if sum = ^fold(udp); sum == 0 {
					sum = 0xffff
				}
				be.PutUint16(udp[6:], sum)
			}
		}
		body = udp
	case 47:
		if o.csum {
			be.PutUint16(body[4:], 0)
			be.PutUint16(body[4:], ^fold(body))
		}
	}
	if o.v6 {
		ip := append([]byte{0x60, 0, 0, 0, 0, 0, o.proto, 64}, addresses...)
		be.PutUint16(ip[4:], uint16(len(body)))
		return slices.Concat(frame, []byte{0x86, 0xdd}, ip, body)
	}
	ip := append([]byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, o.proto, 0, 0}, addresses...)
	be.PutUint16(ip[2:], uint16(20+len(body)))
	be.PutUint16(ip[4:], uint16(0xfffe+n))
	be.PutUint16(ip[10:], ^fold(ip))
	return slices.Concat(frame, []byte{0x08, 0}, ip, body)
}

var outers = map[string]outer{
	"VXLAN":                  {proto: protoUDP, shim: []byte{8, 0, 0, 0, 0, 0, 7, 0}},
	"VXLAN with a checksum":  {proto: protoUDP, csum: true, shim: []byte{8, 0, 0, 0, 0, 0, 7, 0}},
	"VXLAN in IPv6":          {v6: true, proto: protoUDP, csum: true, shim: []byte{8, 0, 0, 0, 0, 0, 7, 0}},
	"VXLAN in a VLAN":        {proto: protoUDP, csum: true, tags: []uint16{svlan, cvlan}, shim: []byte{8, 0, 0, 0, 0, 0, 7, 0}},
	"Geneve with an option":  {proto: protoUDP, csum: true, shim: []byte{2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 0, 0, 0, 4}},
	"FOU":                    {proto: protoUDP, bare: true},
	"GRE of ethernet":        {proto: 47, shim: []byte{0, 0, 0x65, 0x58}},
	"GRE with a key":         {proto: 47, bare: true, shim: []byte{0x20, 0, 8, 0, 1, 2, 3, 4}},
	"GRE with a checksum":    {proto: 47, csum: true, shim: []byte{0x80, 0, 0x65, 0x58, 0, 0, 0, 0}},
	"GRE in IPv6":            {v6: true, proto: 47, shim: []byte{0, 0, 0x65, 0x58}},
	"IP in IP":               {proto: 4, bare: true},
	"IP in IPv6":             {v6: true, proto: 4, bare: true},
	"MPLS in UDP (RFC 7510)": {proto: protoUDP, bare: true, shim: []byte{0, 1, 0x61, 64}},
}

var inners = []packet{
	{size: 1398, payload: 20000, id: 0xfff0, flags: 0x18},
	{size: 1398, payload: 20000, flags: 0x99, tcpOptions: bytes.Repeat([]byte{1}, 12)},
	{size: 1398, payload: 20000, ipOptions: []byte{1, 1, 1, 1}, tags: []uint16{cvlan}},
	{size: 1398, payload: 900, flags: 0x19}, // one segment
	{size: 1378, payload: 20000, v6: true, flags: 0x18},
	{size: 1378, payload: 20000, v6: true, extension: 60, extensions: []byte{6, 0, 1, 4, 0, 0, 0, 0}},
	{size: 1400, payload: 20000, udp: true, id: 7},
	{size: 1380, payload: 20001, udp: true, v6: true},
}

// A super-frame of a tunnel is cut to what its sender would have sent without
// segmentation offload.
func TestAdoptTunnels(t *testing.T) {
	for name, o := range outers {
		for i, p := range inners {
			ipv6 := p.v6
			if o.bare && (ipv6 != (o.proto == 41) && o.proto == 4 || len(p.tags) > 0) || o.bare && o.proto == 47 && ipv6 {
				continue
			}
			h, inner := p.build()
			segments, err := finish(h, inner)
			if err != nil {
				t.Fatal(err)
			}
			frame := o.wrap(inner, 0, true)
			added := len(frame) - len(inner)
			h.CsumStart += uint16(added)
			h.HdrLen = 0
			got, rest, way := vnet.Adopt(h, bytes.Clone(frame))
			if way != vnet.ToBeCut || !bytes.Equal(rest, frame) {
				t.Errorf("%s, inner %d: way %d", name, i, way)
				continue
			}
			out, err := finish(got, rest)
			if err != nil || len(out) != len(segments) {
				t.Errorf("%s, inner %d: %d segments, want %d: %v", name, i, len(out), len(segments), err)
				continue
			}
			for k := range out {
				if want := o.wrap(segments[k], k, false); !bytes.Equal(out[k], want) {
					n := min(len(want), len(out[k]), 140)
					t.Errorf("%s, inner %d: segment %d is\n% x, want\n% x", name, i, k, out[k][:n], want[:n])
					break
				}
			}
		}
	}
}

// complete makes a super-frame one of fraglist GRO: with the checksum of its
// first segment, and without NEEDS_CSUM.
func fraglist(t *testing.T, p packet) (h vnet.Header, frame []byte, want [][]byte) {
	h, frame = p.build()
	want, err := finish(h, frame)
	if err != nil {
		t.Fatal(err)
	}
	at := int(h.CsumStart) + int(h.CsumOffset)
	copy(frame[at:at+2], want[0][at:])
	return vnet.Header{Flags: vnet.DataValid, GSOType: h.GSOType, GSOSize: h.GSOSize, HdrLen: h.HdrLen}, frame, want
}

func TestAdoptFraglist(t *testing.T) {
	for i, p := range inners {
		for _, flags := range []uint8{0, vnet.DataValid} {
			h, frame, want := fraglist(t, p)
			h.Flags = flags
			got, frame, way := vnet.Adopt(h, frame)
			if way != vnet.AsItIs || vnet.Check(got, frame) != nil || got.GSOType != h.GSOType {
				t.Errorf("frame %d, flags %d: way %d, header %+v: %v", i, flags, way, got, vnet.Check(got, frame))
				continue
			}
			if out, err := finish(got, frame); err != nil || !slices.EqualFunc(out, want, bytes.Equal) {
				t.Errorf("frame %d, flags %d: other segments (%v)", i, flags, err)
			}
		}
	}
}

// Datagrams without a checksum stay without.
func TestAdoptNoChecksum(t *testing.T) {
	h, frame, want := fraglist(t, packet{udp: true, size: 1000, payload: 4500})
	clear(frame[40:42])
	got, frame, way := vnet.Adopt(h, frame)
	if way != vnet.ToBeCut {
		t.Fatalf("way %d", way)
	}
	out, err := finish(got, frame)
	for i := range want {
		clear(want[i][40:42])
	}
	if err != nil || !slices.EqualFunc(out, want, bytes.Equal) {
		t.Errorf("other segments (%v)", err)
	}
}

// jumbo gives a packet of IPv6 the option that says how long it is.
func jumbo(h vnet.Header, frame []byte) (vnet.Header, []byte) {
	ip := netOffset(frame)
	next := frame[ip+6]
	length := uint32(len(frame) - ip - 40 + 8)
	option := binary.BigEndian.AppendUint32([]byte{next, 0, 0xc2, 4}, length)
	frame = slices.Concat(frame[:ip+40], option, frame[ip+40:])
	frame[ip+6] = 0
	binary.BigEndian.PutUint16(frame[ip+4:], 0)
	h.CsumStart += 8
	h.HdrLen += 8
	return h, frame
}

// BIG TCP becomes super-frames that everybody takes, and in the end the same
// segments.
func TestAdoptBigTCP(t *testing.T) {
	for _, payload := range []int{65536, 100_000, 524_000} {
		for _, p := range []packet{
			{size: 1448, flags: 0x19, id: 65000},
			{size: 1448, flags: 0x99, tags: []uint16{cvlan}},
			{size: 8948, v6: true, flags: 0x18},
			{size: 500, v6: true, flags: 0x18, tcpOptions: bytes.Repeat([]byte{1}, 12)},
		} {
			p.payload = payload
			h, frame := p.build()
			want, err := finish(h, frame)
			if err != nil {
				t.Fatal(err)
			}
			forms := []func(vnet.Header, []byte) (vnet.Header, []byte){func(h vnet.Header, f []byte) (vnet.Header, []byte) { return h, bytes.Clone(f) }}
			if p.v6 {
				forms = append(forms, jumbo)
			}
			for i, form := range forms {
				what := fmt.Sprintf("%d bytes, %+v, form %d", payload, p, i)
				got, rest, way := vnet.Adopt(form(h, frame))
				if way != vnet.ToBeParted {
					t.Fatalf("%s: way %d", what, way)
				}
				buf, lens := vnet.Divide(nil, nil, got, rest)
				var out [][]byte
				for _, n := range lens {
					piece := buf[:n]
					buf = buf[n:]
					ph, pf := vnet.Parse(piece), piece[vnet.HeaderLen:]
					if err := vnet.Check(ph, pf); err != nil {
						t.Fatalf("%s: %+v of %d bytes: %v", what, ph, len(pf), err)
					}
					segments, err := finish(ph, pf)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, segments...)
				}
				if !slices.EqualFunc(out, want, bytes.Equal) {
					t.Errorf("%s: other segments", what)
				}
			}
		}
	}
}

func TestAdoptSCTP(t *testing.T) {
	frame := slices.Concat(make([]byte, 12), []byte{8, 0, 0x45, 0, 0, 52, 0, 0, 0, 0, 64, 132}, make([]byte, 10), data(32))
	clear(frame[34+8 : 34+12])
	want := bytes.Clone(frame)
	binary.LittleEndian.PutUint32(want[42:], crc32.Checksum(want[34:], crc32.MakeTable(crc32.Castagnoli)))
	for what, junk := range map[string][]byte{"empty": {0, 0, 0, 0}, "a pseudo header's": {1, 2, 3, 4}} {
		in := bytes.Clone(frame)
		copy(in[42:], junk)
		h, got, way := vnet.Adopt(vnet.Header{Flags: vnet.NeedsCsum, CsumStart: 34, CsumOffset: 8}, in)
		if way != vnet.AsItIs || !h.Plain() || !bytes.Equal(got, want) {
			t.Errorf("%s: way %d, %+v\n% x, want\n% x", what, way, h, got, want)
		}
	}
	// Of TCP, these are no CRC's.
	frame[23] = protoTCP
	h, got, _ := vnet.Adopt(vnet.Header{Flags: vnet.NeedsCsum, CsumStart: 34, CsumOffset: 8}, bytes.Clone(frame))
	if h.Plain() || !bytes.Equal(got, frame) {
		t.Errorf("TCP: %+v", h)
	}
}

// What is not understood is the frame that it is.
func TestAdoptPlain(t *testing.T) {
	h, frame := packet{size: 1448, payload: 5000}.build()
	for what, change := range map[string]func(h *vnet.Header, f []byte){
		"an unknown type":    func(h *vnet.Header, _ []byte) { h.GSOType = 77 },
		"another version":    func(h *vnet.Header, _ []byte) { h.GSOType = vnet.TCP6 },
		"no segment":         func(h *vnet.Header, _ []byte) { h.GSOSize = 0 },
		"no IP":              func(_ *vnet.Header, f []byte) { f[12], f[14] = 0x77, 0 },
		"a checksum nowhere": func(h *vnet.Header, _ []byte) { h.CsumStart = 65535 },
		"a fragment":         func(_ *vnet.Header, f []byte) { f[20] = 0x20 },
		"an ESP packet":      func(_ *vnet.Header, f []byte) { f[23] = 50 },
	} {
		h, in := h, bytes.Clone(frame)
		change(&h, in)
		before := bytes.Clone(in)
		got, out, way := vnet.Adopt(h, in)
		if way != vnet.AsItIs || got != (vnet.Header{}) || len(out) != len(frame) {
			t.Errorf("%s: way %d, %+v, %d bytes", what, way, got, len(out))
		}
		if h.CsumStart < 65535 {
			before[50], before[51] = out[50], out[51] // the checksum
		}
		if !bytes.Equal(out, before) {
			t.Errorf("%s: it was changed", what)
		}
	}
}

// FuzzAdopt takes anything: it becomes what Check passes, or what Append and
// Divide make frames of that are no longer than they may be.
func FuzzAdopt(f *testing.F) {
	seed := func(h vnet.Header, frame []byte) {
		raw := make([]byte, vnet.HeaderLen)
		h.Put(raw)
		f.Add(append(raw, frame...))
	}
	for _, o := range outers {
		h, inner := packet{size: 100, payload: 500}.build()
		frame := o.wrap(inner, 0, true)
		h.CsumStart += uint16(len(frame) - len(inner))
		seed(h, frame)
	}
	h, frame := packet{size: 100, payload: 500, v6: true}.build()
	seed(jumbo(h, frame))
	seed(vnet.Header{Flags: vnet.DataValid, GSOType: vnet.TCP6, GSOSize: 100}, frame)
	seed(vnet.Header{Flags: vnet.NeedsCsum, CsumStart: 34, CsumOffset: 8}, make([]byte, 60))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < vnet.HeaderLen+14 {
			return
		}
		in := raw[vnet.HeaderLen:]
		h, frame, way := vnet.Adopt(vnet.Parse(raw), in)
		if len(frame) > len(in) || len(frame) < 14 || &frame[len(frame)-1] != &in[len(in)-1] {
			t.Fatalf("%d bytes of %d are no end of it", len(frame), len(in))
		}
		switch way {
		case vnet.AsItIs:
			if err := vnet.Check(h, frame); err != nil {
				t.Errorf("%+v: %v", h, err)
			}
		case vnet.ToBeCut:
			out, err := finish(h, frame)
			if err != nil {
				t.Error(err)
			}
			if n := len(slices.Concat(out...)); n > vnet.MaxAppend {
				t.Errorf("it is cut to %d bytes", n)
			}
		case vnet.ToBeParted:
			buf, lens := vnet.Divide(nil, nil, h, frame)
			for _, n := range lens {
				if err := vnet.Check(vnet.Parse(buf), buf[vnet.HeaderLen:n]); err != nil {
					t.Errorf("a part of %d bytes: %v", n, err)
				}
				buf = buf[n:]
			}
		}
	})
}

func TestAdoptAllocates(t *testing.T) {
	h, inner := packet{size: 1398, payload: 20000}.build()
	frame := outers["VXLAN with a checksum"].wrap(inner, 0, true)
	h.CsumStart += uint16(len(frame) - len(inner))
	dst, lens := make([]byte, 0, 1<<17), make([]int, 0, 100)
	if n := testing.AllocsPerRun(100, func() {
		h, frame, _ := vnet.Adopt(h, frame)
		_, _ = vnet.Append(dst, lens, h, frame)
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}
