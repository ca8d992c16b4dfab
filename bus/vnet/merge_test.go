package vnet_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ipnfs/bus/vnet"
	"ipnfs/test/harness"
)

// mergeAll merges frames, one super-frame after the other, and checks that Append makes
// the frames again. It returns how many frames went into each.
func mergeAll(frames [][]byte) (taken []int, err error) {
	before := slices.Clone(frames)
	for i := range before {
		before[i] = bytes.Clone(before[i])
	}
	for at := 0; at < len(frames); {
		dst, n := vnet.Merge([]byte("front"), frames[at:])
		switch {
		case n < 1 || at+n > len(frames):
			return nil, fmt.Errorf("Merge took %d of %d frames", n, len(frames)-at)
		case string(dst[:5]) != "front":
			return nil, fmt.Errorf("Merge changed what was there")
		case n == 1 && len(dst) > 5:
			return nil, fmt.Errorf("Merge appended %d bytes for one frame", len(dst)-5)
		case n > 1:
			h, super := vnet.Parse(dst[5:]), dst[5+vnet.HeaderLen:]
			if err := vnet.Check(h, super); err != nil {
				return nil, fmt.Errorf("%+v: %v", h, err)
			}
			back, err := finish(h, super)
			if err != nil {
				return nil, err
			}
			for i, f := range before[at:][:n] {
				if i >= len(back) || !bytes.Equal(back[i], finished(f)) {
					return nil, fmt.Errorf("frame %d of %d is another one:\n% x, was\n% x", i, n, back[min(i, len(back)-1)], f)
				}
			}
			if len(back) != n {
				return nil, fmt.Errorf("%d frames became %d", n, len(back))
			}
		}
		taken = append(taken, n)
		at += n
	}
	if !slices.EqualFunc(frames, before, bytes.Equal) {
		return nil, fmt.Errorf("Merge changed the frames")
	}
	return taken, nil
}

// finished completes the checksum of a frame if the sum of the pseudo header stands
// there.
func finished(frame []byte) []byte {
	if h, ok := vnet.Unfinished(frame, len(frame), 0); ok {
		frame, _ = vnet.Append(nil, nil, h, frame)
	}
	return frame
}

// segmentsOf are the frames that a packet stands for.
func segmentsOf(tb testing.TB, p packet) [][]byte {
	tb.Helper()
	out, err := finish(p.build())
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// mergeable are super-frames that Merge makes again of their segments, but for their
// length.
var mergeable = map[string]packet{
	"TCP4":                   {size: 1448, payload: 14480, tcpOptions: timestamps, flags: 0x18, fragment: 0x4000},
	"TCP4, last one short":   {size: 1448, payload: 14481, flags: 0x10},
	"TCP4, odd size":         {size: 77, payload: 1000, flags: 0x10},
	"TCP4, numbers wrap":     {size: 100, payload: 1000, id: 0xfffc, seq: 0xfffffe00, flags: 0x10},
	"TCP4, ECE":              {size: 500, payload: 5000, flags: 0x50},
	"TCP4, 802.1Q":           {size: 1448, payload: 9000, tags: []uint16{cvlan}, flags: 0x18},
	"TCP4, five tags":        {size: 1448, payload: 9000, tags: []uint16{svlan, svlan, svlan, cvlan, cvlan}, flags: 0x18},
	"TCP4, the longest":      {size: 1448, payload: 65535 - 40, flags: 0x10},
	"TCP4, many tiny ones":   {size: 1, payload: 64, flags: 0x10},
	"TCP6":                   {v6: true, size: 1428, payload: 60000, tcpOptions: timestamps, flags: 0x18},
	"TCP6, QinQ":             {v6: true, size: 1400, payload: 3000, tags: []uint16{svlan, cvlan}, flags: 0x10},
	"UDP4":                   {udp: true, size: 1472, payload: 20000},
	"UDP4, 64 datagrams":     {udp: true, size: 10, payload: 640, id: 0xffff},
	"UDP6":                   {v6: true, udp: true, size: 1452, payload: 20001},
	"UDP6, odd, 802.1Q":      {v6: true, udp: true, size: 1001, payload: 3000, tags: []uint16{cvlan}},
	"TCP6, numbers wrap":     {v6: true, size: 1000, payload: 60000, seq: 0xffff0000, flags: 0x10},
	"UDP4, two and a little": {udp: true, size: 1000, payload: 2001},
}

func TestMerge(t *testing.T) {
	for name, p := range mergeable {
		h, super := p.build()
		frames := segmentsOf(t, p)
		merged, n := vnet.Merge(nil, frames)
		if n != len(frames) {
			t.Errorf("%s: %d of %d frames", name, n, len(frames))
			continue
		}
		if got := vnet.Parse(merged); got != h {
			t.Errorf("%s: header %+v, want %+v", name, got, h)
		}
		if got := merged[vnet.HeaderLen:]; !bytes.Equal(got, super) {
			t.Errorf("%s: headers\n% x, want\n% x", name, got[:min(len(got), 120)], super[:min(len(super), 120)])
		}
		if _, err := mergeAll(frames); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A frame that is not as the one before it begins anew, and one that cannot be a segment
// is alone.
func TestMergeParts(t *testing.T) {
	v4 := packet{size: 100, payload: 1000, tcpOptions: timestamps, flags: 0x10, fragment: 0x4000, tags: []uint16{cvlan}}
	v6 := v4
	v6.v6 = true
	udp := packet{size: 100, payload: 1000, udp: true}
	const ip, tcp4, tcp6, udp4 = 18, 38, 58, 34
	// The 4th of 10 segments, number 3, is edited, and its checksums made right again.
	for name, c := range map[string]struct {
		p    packet
		edit func(f []byte) []byte
		want []int
	}{
		"nothing":              {v4, func(f []byte) []byte { return f }, []int{10}},
		"destination":          {v4, func(f []byte) []byte { f[5]++; return f }, []int{3, 1, 6}},
		"source":               {v4, func(f []byte) []byte { f[11]++; return f }, []int{3, 1, 6}},
		"VLAN":                 {v4, func(f []byte) []byte { f[15]++; return f }, []int{3, 1, 6}},
		"TOS":                  {v4, func(f []byte) []byte { f[ip+1] ^= 1; return f }, []int{3, 1, 6}},
		"identification":       {v4, func(f []byte) []byte { f[ip+5]++; return f }, []int{3, 1, 6}},
		"DF":                   {v4, func(f []byte) []byte { f[ip+6] ^= 0x40; return f }, []int{3, 1, 6}},
		"a fragment":           {v4, func(f []byte) []byte { f[ip+6] |= 0x20; return f }, []int{3, 1, 6}},
		"another fragment":     {v4, func(f []byte) []byte { f[ip+7]++; return f }, []int{3, 1, 6}},
		"TTL":                  {v4, func(f []byte) []byte { f[ip+8]--; return f }, []int{3, 1, 6}},
		"protocol":             {v4, func(f []byte) []byte { f[ip+9]++; return f }, []int{3, 1, 6}},
		"address":              {v4, func(f []byte) []byte { f[ip+15]++; return f }, []int{3, 1, 6}},
		"other address":        {v4, func(f []byte) []byte { f[ip+19]++; return f }, []int{3, 1, 6}},
		"port":                 {v4, func(f []byte) []byte { f[tcp4+1]++; return f }, []int{3, 1, 6}},
		"other port":           {v4, func(f []byte) []byte { f[tcp4+3]++; return f }, []int{3, 1, 6}},
		"sequence number":      {v4, func(f []byte) []byte { f[tcp4+7]++; return f }, []int{3, 1, 6}},
		"acknowledgement":      {v4, func(f []byte) []byte { f[tcp4+11]++; return f }, []int{3, 1, 6}},
		"reserved bits":        {v4, func(f []byte) []byte { f[tcp4+12]++; return f }, []int{3, 1, 6}},
		"window":               {v4, func(f []byte) []byte { f[tcp4+15]++; return f }, []int{3, 1, 6}},
		"urgent pointer":       {v4, func(f []byte) []byte { f[tcp4+19]++; return f }, []int{3, 1, 6}},
		"timestamp":            {v4, func(f []byte) []byte { f[tcp4+31]++; return f }, []int{3, 1, 6}},
		"PSH":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 8; return f }, []int{4, 6}},
		"FIN":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 1; return f }, []int{3, 1, 6}},
		"SYN":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 2; return f }, []int{3, 1, 6}},
		"RST":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 4; return f }, []int{3, 1, 6}},
		"URG":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 0x20; return f }, []int{3, 1, 6}},
		"CWR":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 0x80; return f }, []int{3, 1, 6}},
		"ECE":                  {v4, func(f []byte) []byte { f[tcp4+13] |= 0x40; return f }, []int{3, 1, 6}},
		"shorter":              {v4, func(f []byte) []byte { return f[:len(f)-1] }, []int{4, 6}},
		"longer":               {v4, func(f []byte) []byte { return append(slices.Clip(f), 7) }, []int{3, 1, 6}},
		"without payload":      {v4, func(f []byte) []byte { return f[:tcp4+32] }, []int{3, 1, 6}},
		"cut off":              {v4, func(f []byte) []byte { return f[:tcp4+9] }, []int{3, 1, 6}},
		"nearly nothing":       {v4, func(f []byte) []byte { return f[:14] }, []int{3, 1, 6}},
		"traffic class":        {v6, func(f []byte) []byte { f[ip+1] ^= 0x10; return f }, []int{3, 1, 6}},
		"flow label":           {v6, func(f []byte) []byte { f[ip+3]++; return f }, []int{3, 1, 6}},
		"hop limit":            {v6, func(f []byte) []byte { f[ip+7]--; return f }, []int{3, 1, 6}},
		"IPv6 address":         {v6, func(f []byte) []byte { f[ip+39]++; return f }, []int{3, 1, 6}},
		"IPv6 sequence number": {v6, func(f []byte) []byte { f[tcp6+5]++; return f }, []int{3, 1, 6}},
		"another header":       {v6, func(f []byte) []byte { f[ip+6] = 0; return f }, []int{3, 1, 6}},
		"UDP":                  {udp, func(f []byte) []byte { return f }, []int{10}},
		"UDP port":             {udp, func(f []byte) []byte { f[udp4]++; return f }, []int{3, 1, 6}},
		"UDP, shorter":         {udp, func(f []byte) []byte { return f[:len(f)-9] }, []int{4, 6}},
	} {
		frames := segmentsOf(t, c.p)
		frames[3] = right(c.edit(frames[3]))
		taken, err := mergeAll(frames)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(taken, c.want) {
			t.Errorf("%s: %v, want %v", name, taken, c.want)
		}
	}
}

// No super-frame is longer than IP can tell, of more frames than a kernel takes, or has
// more tags than Check passes.
func TestMergeLimits(t *testing.T) {
	for name, c := range map[string]struct {
		p    packet
		want []int
	}{
		"64 KiB":         {packet{size: 1448, payload: 100 * 1448, flags: 0x10}, []int{45, 45, 10}},
		"64 KiB of IPv6": {packet{size: 1448, payload: 100 * 1448, flags: 0x10, v6: true}, []int{45, 45, 10}},
		"frames":         {packet{size: 10, payload: 1000, flags: 0x10}, []int{64, 36}},
		"SYN":            {packet{size: 10, payload: 30, flags: 0x12}, []int{1, 1, 1}},
		"CWR":            {packet{size: 10, payload: 30, flags: 0x90}, []int{1, 2}},
		"datagrams":      {packet{size: 10, payload: 1000, udp: true}, []int{64, 36}},
		"six tags":       {packet{size: 10, payload: 20, flags: 0x10, tags: slices.Repeat([]uint16{cvlan}, 6)}, []int{1, 1}},
		"options of IP":  {packet{size: 10, payload: 20, flags: 0x10, ipOptions: []byte{1, 1, 1, 1}}, []int{1, 1}},
		"more headers":   {packet{size: 10, payload: 20, flags: 0x10, v6: true, extension: 60, extensions: hopByHop(protoTCP)}, []int{1, 1}},
	} {
		if taken, err := mergeAll(segmentsOf(t, c.p)); err != nil || !slices.Equal(taken, c.want) {
			t.Errorf("%s: %v, want %v (%v)", name, taken, c.want, err)
		}
	}
}

// right makes lengths and checksums of a frame right that a test has changed, as far as it
// has some.
func right(f []byte) []byte {
	be := binary.BigEndian
	ip := netOffset(f)
	at, proto := ip+20, 9
	if be.Uint16(f[ip-2:]) == etherIPv6 {
		at, proto = ip+40, 6
	}
	if len(f) < at+20 {
		return f
	}
	if proto == 6 {
		be.PutUint16(f[ip+4:], uint16(len(f)-at))
	} else {
		be.PutUint16(f[ip+2:], uint16(len(f)-ip))
		clear(f[ip+10 : ip+12])
		be.PutUint16(f[ip+10:], ^fold(f[ip:at]))
	}
	csum := at + 16
	if f[ip+proto] == protoUDP {
		csum = at + 6
		be.PutUint16(f[at+4:], uint16(len(f)-at))
	}
	clear(f[csum : csum+2])
	pseudo := pseudoSum(f, f[ip+proto], len(f)-at)
	be.PutUint16(f[csum:], ^fold([]byte{byte(pseudo >> 8), byte(pseudo)}, f[at:]))
	return f
}

// A frame that is damaged anywhere stays alone.
func TestMergeDamage(t *testing.T) {
	for _, p := range []packet{
		{size: 40, payload: 400, tcpOptions: timestamps, flags: 0x10, fragment: 0x4000},
		{size: 40, payload: 400, flags: 0x10, v6: true, tags: []uint16{cvlan}},
		{size: 40, payload: 400, udp: true},
		{size: 40, payload: 400, udp: true, v6: true},
	} {
		frames := segmentsOf(t, p)
		for damaged, want := range map[int][]int{0: {1, 9}, 3: {3, 1, 6}, 9: {9, 1}} {
			for bit := range 8 * len(frames[0]) {
				frames[damaged][bit/8] ^= 1 << (bit % 8)
				taken, err := mergeAll(frames)
				if err != nil || !slices.Equal(taken, want) {
					t.Errorf("%+v: bit %d of frame %d: %v %v", p, bit, damaged, taken, err)
				}
				frames[damaged][bit/8] ^= 1 << (bit % 8)
			}
		}
	}
}

// Checksums that are right, and others than Append's, stay what they are.
func TestMergeOtherZero(t *testing.T) {
	for _, c := range zeros {
		if c.p.size == 0 {
			continue
		}
		c.p.flags = 0x10
		h, frame := zeroed(t, c.p)
		frames, err := finish(h, frame)
		if err != nil {
			t.Fatal(err)
		}
		field := frames[0][h.CsumStart+h.CsumOffset:][:2]
		field[0], field[1] = ^field[0], ^field[1]
		if taken, err := mergeAll(frames); err != nil || !slices.Equal(taken, []int{1, 1}) {
			t.Errorf("%+v: %v %v", c.p, taken, err)
		}
	}
}

// Frames whose checksums are still to be made merge with each other and with finished
// ones.
func TestMergeUnfinished(t *testing.T) {
	for name, p := range mergeable {
		frames := segmentsOf(t, p)
		h, _ := p.build()
		for i := range frames {
			if i%3 != 0 {
				tellPseudo(h, frames[i])
			}
		}
		if taken, err := mergeAll(frames); err != nil || !slices.Equal(taken, []int{len(frames)}) {
			t.Errorf("%s: %v %v", name, taken, err)
		}
	}
}

// Flows of all kinds, mixed as a network does, come out as they went in.
func TestMergeRandom(t *testing.T) {
	merged := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		frames := randomFrames(t, random)
		taken, err := mergeAll(frames)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		merged += len(frames) - len(taken)
	}
	if merged < 1000 {
		t.Errorf("only %d frames were merged", merged)
	}
}

// randomFrames are segments of a few flows, in order, some damaged, lost or edited.
func randomFrames(tb testing.TB, random *rand.Rand) (frames [][]byte) {
	var flows [][][]byte
	for range 1 + random.IntN(4) {
		p := packet{v6: random.IntN(2) == 0, udp: random.IntN(3) == 0, seq: random.Uint32(), id: uint16(random.Uint32()),
			size: 1 + random.IntN(1460), payload: 1 + random.IntN(30000), flags: []byte{0x10, 0x18, 0x19, 0x99, 2}[random.IntN(5)], fragment: 0x4000}
		p.payload = min(p.payload, 60*p.size)
		if random.IntN(2) == 0 {
			p.tcpOptions = timestamps
		}
		if random.IntN(4) == 0 {
			p.tags = []uint16{cvlan}
		}
		flows = append(flows, segmentsOf(tb, p))
	}
	for len(flows) > 0 {
		i := random.IntN(len(flows))
		n := 1 + random.IntN(len(flows[i]))
		for _, f := range flows[i][:n] {
			switch random.IntN(40) {
			case 0:
				continue
			case 1:
				f[random.IntN(len(f))] ^= 1 << random.IntN(8)
			case 2:
				f[random.IntN(len(f))] ^= 1 << random.IntN(8)
				if whole(f) {
					f = right(f)
				}
			case 3:
				f = f[:14+random.IntN(len(f)-13)]
			}
			frames = append(frames, f)
		}
		if flows[i] = flows[i][n:]; len(flows[i]) == 0 {
			flows = slices.Delete(flows, i, i+1)
		}
	}
	return frames
}

// whole tells whether a frame is IP still, with a transport header.
func whole(f []byte) bool {
	if len(f) < 14 {
		return false
	}
	ip := netOffset(f)
	switch binary.BigEndian.Uint16(f[ip-2:]) {
	case etherIPv4:
		return len(f) > ip+40
	case etherIPv6:
		return len(f) > ip+60
	}
	return false
}

func TestMergeAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	for name, p := range mergeable {
		frames, dst := segmentsOf(t, p), make([]byte, 0, 1<<17)
		if n := testing.AllocsPerRun(100, func() { vnet.Merge(dst, frames) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// What a Linux tunnel leaves to be done is found, as the segments tell.
func TestUnfinished(t *testing.T) {
	for name, p := range shapes {
		if len(p.ipOptions) > 0 || len(p.tags) > 5 {
			continue
		}
		h, frame := p.build()
		want, err := finish(h, frame)
		if err != nil {
			t.Fatal(err)
		}
		datagram := 0
		if p.udp {
			datagram = p.size
		}
		most := vnet.WireLen(h, frame)
		got, ok := vnet.Unfinished(frame, most, datagram)
		if !ok {
			t.Errorf("%s: it is finished", name)
			continue
		}
		out, err := finish(got, frame)
		if err != nil || !slices.EqualFunc(out, want, bytes.Equal) {
			t.Errorf("%s: %+v makes other frames, want %+v's (%v)", name, got, h, err)
		}
		for i, f := range want {
			if h, ok := vnet.Unfinished(f, len(f), 0); ok {
				t.Errorf("%s: segment %d is finished, and not by %+v", name, i, h)
			}
		}
	}
}

func FuzzMerge(f *testing.F) {
	for _, p := range mergeable {
		p.payload = min(p.payload, 3*p.size+1)
		frames := segmentsOf(f, p)
		f.Add(slices.Concat(frames...), uint16(len(frames[0])))
	}
	f.Fuzz(func(t *testing.T, span []byte, size uint16) {
		if size == 0 || len(span)/int(size) > 200 {
			return
		}
		frames := slices.Collect(slices.Chunk(span, int(size)))
		if len(frames) == 0 {
			return
		}
		if _, err := mergeAll(frames); err != nil {
			t.Error(err)
		}
		for i := range frames {
			if whole(frames[i]) {
				frames[i] = right(bytes.Clone(frames[i]))
			}
			if h, ok := vnet.Unfinished(frames[i], int(size)/2, i); ok {
				tryAppend(t, h, frames[i])
			}
		}
		if _, err := mergeAll(frames); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkMerge(b *testing.B) {
	for _, udp := range []bool{false, true} {
		p := packet{udp: udp, size: 1396, payload: 44 * 1396, flags: 0x10}
		frames, dst := segmentsOf(b, p), make([]byte, 0, 1<<17)
		b.Run(fmt.Sprintf("udp=%v", udp), func(b *testing.B) {
			b.SetBytes(int64(len(frames) * len(frames[0])))
			for b.Loop() {
				if _, n := vnet.Merge(dst, frames); n != len(frames) {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(frames)), "ns/frame")
		})
	}
}
