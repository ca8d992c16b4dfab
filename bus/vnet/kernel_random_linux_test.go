package vnet_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"ipnfs/bus/vnet"
)

// Headers and frames with random faults: what passes Check is taken by packet
// sockets and taps, and the kernel makes of it what Append does.
func TestWhatPassesIsTheKernels(t *testing.T) {
	k := newKernel(t)
	random := rand.New(rand.NewPCG(3, 4))
	names := slices.Sorted(maps.Keys(shapes))
	compared := map[bool]int{}
	for i := 0; i < 20000 && !t.Failed(); i++ {
		name := names[random.IntN(len(names))]
		h, frame := spoil(random, shapes[name])
		if vnet.Check(h, frame) != nil {
			continue
		}
		if err := k.receive(h, frame); err != nil {
			t.Errorf("%s, spoilt: a tap refuses %+v: %v", name, h, err)
		}
		if dropped(h, frame) {
			if _, err := k.finish(t, h, frame); err != nil {
				t.Errorf("%s, spoilt: the kernel refuses %+v: %v", name, h, err)
			}
			continue
		}
		_, n := vnet.Size(h, frame)
		compared[n > 1]++
		compare(t, k, name+", spoilt", h, frame)
	}
	if compared[true] < 1000 || compared[false] < 1000 {
		t.Errorf("only %v have passed of those with (true) and without several segments", compared)
	}
}

// dropped tells of a super-frame that Linux takes and drops later: it is more
// than one segment only if the options of TCP count as payload.
func dropped(h vnet.Header, frame []byte) bool {
	tcp := h.GSOType != vnet.None && h.GSOType != vnet.UDPL4
	size := int(h.GSOSize)
	return tcp && len(frame)-int(h.CsumStart)-20 > size && len(frame)-headerLen(h, frame) <= size
}

// spoil builds a frame with some things changed in it and in its header.
func spoil(random *rand.Rand, p packet) (vnet.Header, []byte) {
	p.payload = min(p.payload, 3*p.size+random.IntN(100))
	h, frame := p.build()
	word := func(old uint16) uint16 {
		switch random.IntN(4) {
		case 0:
			return uint16(random.Uint32())
		case 1:
			return uint16(random.IntN(100))
		default:
			return old + uint16(random.IntN(9)) - 4
		}
	}
	for range random.IntN(4) {
		switch random.IntN(12) {
		case 0:
			h.Flags = uint8(random.IntN(5))
		case 1:
			h.GSOType = []uint8{0, 1, 2, 3, 4, 5, 0x80, 0x81, 0x84, 0x85, 0x21}[random.IntN(11)]
		case 2:
			h.HdrLen = word(h.HdrLen)
		case 3:
			h.GSOSize = word(h.GSOSize)
		case 4:
			h.CsumStart = word(h.CsumStart)
		case 5:
			h.CsumOffset = word(h.CsumOffset)
		case 6:
			if n := random.IntN(len(frame)); n >= 14 {
				frame = frame[:n]
			}
		case 7:
			frame = append(frame, data(random.IntN(50))...)
		default: // a byte of the headers, also one that says nothing false
			at := 12 + random.IntN(min(len(frame)-12, 100))
			frame[at] = byte(random.Uint32())
		}
	}
	return h, frame
}
