package frame

import (
	"bytes"
	"testing"
	"unsafe"

	"ipnfs/bus/vnet"
)

// A frame is copied often: it does not grow for its hops.
func TestFrameSize(t *testing.T) {
	if n := unsafe.Sizeof(Frame{}); n != 40 {
		t.Errorf("a Frame has %d bytes, want 40", n)
	}
}

// super is a super-frame of TCP in IPv4, which is to be cut to several frames.
func super() []byte {
	data := make([]byte, 14+20+20+300)
	copy(data[12:], []byte{8, 0, 0x45, 0, 1, 0x54, 0, 0, 0, 0, 64, 6})
	data[14+20+12] = 5 << 4
	h := vnet.Header{Flags: vnet.NeedsCsum, GSOType: vnet.TCP4, HdrLen: 54, GSOSize: 100, CsumStart: 34, CsumOffset: 16}
	raw := make([]byte, vnet.HeaderLen, vnet.HeaderLen+len(data))
	h.Put(raw)
	return append(raw, data...)
}

// Whatever is made of a frame has passed as many cables.
func TestHops(t *testing.T) {
	const hops = 5
	raw := append([]byte{hops, 0, 0, 60}, bytes.Repeat([]byte{7}, 60)...)
	stream := append(bytes.Clone(raw), raw...)
	scattered := func(b *Batch) {
		b.Reset()
		b.AddIn(Hops4, raw)
		b.AddIn(Hops4, raw)
	}
	cut := func(b *Batch) {
		b.Reset()
		b.AddIn(Vnet10, super())
		b.Frames[0].SetHops(hops)
	}
	kept := func(m *Memory, b *Batch) []Frame {
		f, ok := b.Keep(m, 1)
		if !ok {
			t.Fatal("no memory")
		}
		return []Frame{f}
	}
	for what, made := range map[string]func(m *Memory, b *Batch) []Frame{
		"read in a stream": func(_ *Memory, b *Batch) []Frame {
			b.SetStreamIn(Hops4, stream, 60)
			return b.Frames
		},
		"added": func(_ *Memory, b *Batch) []Frame {
			scattered(b)
			return b.Frames
		},
		"told": func(_ *Memory, b *Batch) []Frame {
			b.SetFrame(raw[4:])
			b.Frames[0].SetHops(hops)
			return b.Frames
		},
		"in a block": func(m *Memory, _ *Batch) []Frame {
			blk := m.Block(len(raw) + 9)
			defer blk.Release()
			copy(blk.Bytes(len(raw) + 9)[9:], raw)
			return []Frame{blk.Frame(Hops4, 9, 60)}
		},
		"added with a reference": func(m *Memory, b *Batch) []Frame {
			scattered(b)
			f := kept(m, b)[0]
			b.Reset()
			b.Add(f)
			return b.Frames
		},
		"kept of a span": func(m *Memory, b *Batch) []Frame {
			b.SetStreamIn(Hops4, stream, 60)
			return kept(m, b)
		},
		"kept bare of a span": func(m *Memory, b *Batch) []Frame {
			b.SetFrame(raw[4:])
			b.Frames[0].SetHops(hops)
			f, _ := b.Keep(m, 0)
			return []Frame{f}
		},
		"kept alone": func(m *Memory, b *Batch) []Frame {
			scattered(b)
			return kept(m, b)
		},
		"taken": func(m *Memory, b *Batch) []Frame {
			var from Batch
			from.SetStreamIn(Hops4, stream, 60)
			b.Take(m, &from, 0)
			from.Reset()
			return b.Frames
		},
		"left when others are discarded": func(_ *Memory, b *Batch) []Frame {
			b.SetStreamIn(Hops4, append([]byte{1, 0, 0, 1, 'x'}, stream...), 60)
			b.Discard(1)
			return b.Frames
		},
		"queued": func(m *Memory, b *Batch) []Frame {
			b.SetStreamIn(Hops4, stream, 60)
			q := Queue{Memory: m}
			defer q.Clear()
			for range 100 { // it grows
				f, _ := b.Keep(m, 0)
				q.Push(f)
			}
			if n := q.Peek(0).Hops(); n != hops {
				t.Errorf("%d hops in a queue", n)
			}
			return []Frame{q.Pop()}
		},
		"with another tag": func(_ *Memory, b *Batch) []Frame {
			scattered(b)
			return b.Variant(0, 2, Edit{Push: 0x81000001}, false).Frames
		},
		"cut": func(_ *Memory, b *Batch) []Frame {
			cut(b)
			return b.Variant(0, 1, Edit{}, true).Frames
		},
		"cut with another tag": func(_ *Memory, b *Batch) []Frame {
			cut(b)
			return b.Variant(0, 1, Edit{Push: 0x81000001}, true).Frames
		},
		"a super-frame with another tag": func(_ *Memory, b *Batch) []Frame {
			cut(b)
			return b.Variant(0, 1, Edit{Push: 0x81000001}, false).Frames
		},
		"finished": func(_ *Memory, b *Batch) []Frame {
			cut(b)
			b.Finish(0)
			return b.Frames
		},
		"copied in any form": func(m *Memory, b *Batch) (list []Frame) {
			scattered(b)
			for _, form := range []Form{Bare, Length2, Length4, Hops4, VXLAN, Vnet10, Vnet12} {
				f, _ := b.Frames[0].CopyIn(m, form, 0)
				list = append(list, f)
			}
			return list
		},
	} {
		m := NewMemory(1 << 20)
		var b Batch
		list := made(m, &b)
		if len(list) == 0 {
			t.Errorf("%s: there are no frames", what)
		}
		for i := range list {
			f := &list[i]
			if f.Hops() != hops {
				t.Errorf("%s: frame %d has %d hops, want %d", what, i, f.Hops(), hops)
			}
			if raw, ok := f.In(Hops4); ok && raw[0] != hops+1 {
				t.Errorf("%s: frame %d lies as one for the next cable, with %d hops", what, i, raw[0])
			}
			if n := f.form.HeadLen(); f.form == Hops4 && int(Hops4.Length(f.raw)) != len(f.raw)-n {
				t.Errorf("%s: frame %d of %d bytes has a head of %d", what, i, len(f.raw)-n, Hops4.Length(f.raw))
			}
		}
	}
}

// The head for the next cable counts that one, and after the last one there is none.
func TestHeadOfHops(t *testing.T) {
	for hops := range 256 {
		f := NewFrame(make([]byte, 0x012345))
		f.SetHops(uint8(hops))
		head := []byte{0xee, 0xee, 0xee, 0xee}
		ok, want := f.PutHead(head, Hops4, 0), []byte{0xee, 0xee, 0xee, 0xee}
		if hops < MaxHops {
			want = []byte{byte(hops + 1), 0x01, 0x23, 0x45}
		}
		if ok != (hops < MaxHops) || !bytes.Equal(head, want) {
			t.Errorf("a frame of %d hops: % x, %v, want % x", hops, head, ok, want)
		}
	}
}
