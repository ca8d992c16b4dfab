package vnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"ipnfs/bus/vnet"
	"ipnfs/test/harness"
)

// hopByHop is one extension header with the option PadN; the protocol behind
// it is n.
func hopByHop(n byte) []byte { return []byte{n, 0, 1, 4, 0, 0, 0, 0} }

// shapes are super-frames of all kinds.
var shapes = map[string]packet{
	"TCP4":                    {size: 1448, payload: 14480, tcpOptions: timestamps, flags: 0x18, fragment: 0x4000},
	"TCP4, last one short":    {size: 1448, payload: 14481, flags: 0x19},
	"TCP4, odd size":          {size: 77, payload: 1000, flags: 0x10},
	"TCP4, CWR":               {size: 500, payload: 2000, flags: 0x99},
	"TCP4, numbers wrap":      {size: 100, payload: 1000, id: 0xfffc, seq: 0xfffffe00},
	"TCP4, IP options":        {size: 1000, payload: 5000, ipOptions: []byte{1, 1, 1, 0}, flags: 0x10},
	"TCP4, 802.1Q":            {size: 1448, payload: 9000, tags: []uint16{cvlan}},
	"TCP4, QinQ":              {size: 1448, payload: 9000, tags: []uint16{svlan, cvlan}},
	"TCP4, seven tags":        {size: 1448, payload: 9000, tags: []uint16{svlan, svlan, svlan, cvlan, cvlan, cvlan, cvlan}},
	"TCP4, one segment":       {size: 1448, payload: 1448},
	"TCP4, no payload":        {size: 1448},
	"TCP4, the longest":       {size: 1448, payload: 65535 - 40},
	"TCP6":                    {v6: true, size: 1428, payload: 60000, tcpOptions: timestamps, flags: 0x19},
	"TCP6, CWR":               {v6: true, size: 1000, payload: 3000, flags: 0xd9},
	"TCP6, extension headers": {v6: true, size: 1400, payload: 3000, extension: 0, extensions: append(hopByHop(60), hopByHop(protoTCP)...)},
	"TCP6, QinQ":              {v6: true, size: 1400, payload: 3000, tags: []uint16{svlan, cvlan}},
	"TCP6, the longest":       {v6: true, size: 1428, payload: 65535 - 20},
	"UDP4":                    {udp: true, size: 1472, payload: 20000},
	"UDP4, 128 datagrams":     {udp: true, size: 10, payload: 1280, id: 0xffff},
	"UDP4, 802.1Q":            {udp: true, size: 1001, payload: 3000, tags: []uint16{cvlan}},
	"UDP6":                    {v6: true, udp: true, size: 1452, payload: 20001},
	"UDP6, extension header":  {v6: true, udp: true, size: 1000, payload: 3000, extension: 60, extensions: hopByHop(protoUDP)},
	"no super-frame, TCP4":    {payload: 1000},
	"no super-frame, UDP4":    {udp: true, payload: 999, tags: []uint16{cvlan}},
	"no super-frame, UDP6":    {v6: true, udp: true, payload: 0},
}

// timestamps are the usual options of TCP.
var timestamps = []byte{1, 1, 8, 10, 0, 1, 2, 3, 4, 5, 6, 7}

func TestAppend(t *testing.T) {
	for name, p := range shapes {
		t.Run(name, func(t *testing.T) {
			h, frame := p.build()
			if err := vnet.Check(h, frame); err != nil && len(p.tags) < 7 {
				t.Fatalf("Check: %v", err)
			}
			out, err := finish(h, frame)
			if err == nil {
				err = verify(h, frame, out)
			}
			if err != nil {
				t.Fatal(err)
			}
			want := 1
			if p.size != 0 && p.payload > 0 {
				want = (p.payload + p.size - 1) / p.size
			}
			if len(out) != want {
				t.Errorf("%d frames, want %d", len(out), want)
			}
			// As every receiver does, and not by what the sender's sum was.
			proto := byte(protoTCP)
			if p.udp {
				proto = protoUDP
			}
			for i, f := range out {
				l4 := f[h.CsumStart:]
				pseudo := pseudoSum(f, proto, len(l4))
				if s := fold([]byte{byte(pseudo >> 8), byte(pseudo)}, l4); s != 0xffff {
					t.Errorf("frame %d: the sum is %#x", i, s)
				}
			}
		})
	}
}

// zeros are frames whose first checksum is made 0, and what becomes of that.
var zeros = []struct {
	p    packet
	want uint16
}{
	{packet{payload: 100}, 0xffff},
	{packet{udp: true, payload: 100}, 0xffff},
	{packet{udp: true, size: 50, payload: 100}, 0xffff},
	{packet{v6: true, udp: true, size: 50, payload: 100}, 0xffff},
	{packet{size: 50, payload: 100}, 0},
	{packet{v6: true, size: 50, payload: 100}, 0},
}

// A checksum of 0 becomes 0xffff, except in segments of TCP.
func TestAppendChecksumOfZero(t *testing.T) {
	for _, c := range zeros {
		h, frame := zeroed(t, c.p)
		out, err := finish(h, frame)
		if err != nil {
			t.Fatal(err)
		}
		field := int(h.CsumStart) + int(h.CsumOffset)
		if got := binary.BigEndian.Uint16(out[0][field:]); got != c.want {
			t.Errorf("%+v: %#x, want %#x", c.p, got, c.want)
		}
	}
}

// zeroed builds a frame with such last 2 bytes of the first segment that its
// checksum is 0.
func zeroed(t *testing.T, p packet) (vnet.Header, []byte) {
	t.Helper()
	h, frame := p.build()
	_, n := vnet.Size(h, frame)
	at := len(frame) - p.payload + p.payload/n - 2
	clear(frame[at : at+2])
	out, err := finish(h, frame)
	if err != nil {
		t.Fatal(err)
	}
	// The checksum without these bytes is what they have to be for 0.
	copy(frame[at:], out[0][int(h.CsumStart)+int(h.CsumOffset):][:2])
	return h, frame
}

// Lengths in IP and UDP that lie are replaced.
func TestAppendReplacesLengths(t *testing.T) {
	for name, p := range shapes {
		if p.size == 0 {
			continue
		}
		h, frame := p.build()
		lying := bytes.Clone(frame)
		ip := netOffset(frame)
		if p.v6 {
			lying[ip+4] ^= 0x55
		} else {
			lying[ip+2] ^= 0x55
		}
		if p.udp { // the sum of the pseudo header lies as well
			binary.BigEndian.PutUint16(lying[h.CsumStart+4:], 8)
			binary.BigEndian.PutUint16(lying[h.CsumStart+6:], pseudoSum(frame, protoUDP, 8))
		}
		want, err := finish(h, frame)
		if err != nil || len(want) == 1 {
			continue
		}
		got, err := finish(h, lying)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%s: the frames differ", name)
		}
	}
}

// What Append makes of a tagged frame is what it makes of the untagged one,
// tagged.
func TestAppendAfterShift(t *testing.T) {
	for name, p := range shapes {
		h, frame := p.build()
		plain, err := finish(h, frame)
		if err != nil {
			t.Fatal(err)
		}
		for _, tags := range [][]uint16{{cvlan}, {svlan, cvlan}} {
			if len(p.tags)+len(tags) > 7 {
				continue
			}
			out, err := finish(tagged(h, frame, tags...))
			if err != nil {
				t.Fatal(err)
			}
			for i := range out {
				if _, want := tagged(h, plain[i], tags...); !bytes.Equal(out[i], want) {
					t.Errorf("%s, tags %x: segment %d differs", name, tags, i)
				}
			}
		}
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	for name, p := range shapes {
		h, frame := p.build()
		size, n := vnet.Size(h, frame)
		dst, lens := make([]byte, 0, size), make([]int, 0, n)
		if n := testing.AllocsPerRun(100, func() {
			if vnet.Check(h, frame) == nil {
				vnet.Append(dst, lens, h, frame)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1448, 8948} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h, frame := packet{size: size, payload: 45 * 1448, tcpOptions: timestamps, flags: 0x10}.build()
			bytes, n := vnet.Size(h, frame)
			dst, lens := make([]byte, 0, bytes), make([]int, 0, n)
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if vnet.Check(h, frame) == nil {
					vnet.Append(dst, lens, h, frame)
				}
			}
		})
	}
}
