package frame

import (
	"slices"

	"ipnfs/bus/vnet"
)

// variants are the other shapes of a run of frames: edited, or complete, for
// receivers that take no super-frames. Each is made once for all receivers that
// want it.
type variants struct {
	list []*variant
	used int
}

type variant struct {
	edit  Edit
	plain bool
	batch Batch
	buf   []byte // what the frames that differ from the original lie in
	lens  []int
}

// ReleaseVariants forgets what Variant has made; its memory stays for the next run.
func (b *Batch) ReleaseVariants() {
	vs := &b.variants
	for _, v := range vs.list[:vs.used] {
		v.batch.Reset()
	}
	vs.used = 0
}

// Variant returns frames i to j of b with other tags and, if plain, complete. It
// lives until ReleaseVariants; until then i and j must be the same at each call.
func (b *Batch) Variant(i, j int, edit Edit, plain bool) *Batch {
	vs := &b.variants
	for _, v := range vs.list[:vs.used] {
		if v.edit == edit && v.plain == plain {
			return &v.batch
		}
	}
	if vs.used == len(vs.list) {
		vs.list = append(vs.list, &variant{})
	}
	v := vs.list[vs.used]
	vs.used++
	v.edit, v.plain = edit, plain
	v.batch.Reset()
	v.make(b.Frames[i:j])
	v.batch.Scratch, v.batch.Onward = b.Scratch, b.Onward
	return &v.batch
}

// make fills v.batch. The room is taken before, so that it does not move.
func (v *variant) make(frames []Frame) {
	room := 0
	for k := range frames {
		room += len(frames[k].raw) + tagLen
		if h, ok := frames[k].Offload(); ok && v.plain {
			bytes, n := vnet.Size(h, frames[k].Data())
			room += bytes + n*tagLen
		}
	}
	v.buf = slices.Grow(v.buf[:0], room)
	v.batch.scattered = true
	for k := range frames {
		from := frames[k]
		from.block = nil // lent
		if v.edit != (Edit{}) {
			v.change(&from)
		}
		if h, unfinished := from.Offload(); unfinished {
			if v.plain {
				v.cut(h, &from)
				continue
			}
			v.batch.offloads = true
		}
		v.batch.Frames = append(v.batch.Frames, from)
	}
}

// cut adds the complete frames of a super-frame.
func (v *variant) cut(h vnet.Header, f *Frame) {
	at := len(v.buf)
	v.buf, v.lens = vnet.Append(v.buf, v.lens[:0], h, f.Data())
	for _, n := range v.lens {
		v.batch.Frames = append(v.batch.Frames, Frame{raw: v.buf[at:][:n], hops: f.hops})
		at += n
	}
}

// tagLen is the length of a VLAN tag, and addrLen of what stands in front of
// it: the two MAC addresses.
const (
	tagLen  = 4
	addrLen = 12
)

// change makes a frame a copy of it, edited.
func (v *variant) change(from *Frame) {
	data := from.Data()
	strip := int(v.edit.Strip) * tagLen
	if len(data) < addrLen+strip {
		return
	}
	at, shift := len(v.buf), -strip
	v.buf = append(v.buf, from.raw[:from.form.HeadLen()]...)
	v.buf = append(v.buf, data[:addrLen]...)
	if tag := v.edit.Push; tag != 0 {
		v.buf = append(v.buf, byte(tag>>24), byte(tag>>16), byte(tag>>8), byte(tag))
		shift += tagLen
	}
	v.buf = append(v.buf, data[addrLen+strip:]...)
	raw := v.buf[at:]
	if r := v.edit.Rewrite; r != nil {
		r.apply(raw[from.form.HeadLen():])
	}
	switch from.form {
	case Vnet10, Vnet12:
		vnet.Parse(raw).Shift(shift).Put(raw)
	case Length2, Length4, Hops4:
		n := len(data) + shift
		if from.form == Length2 && n > MaxPrefixed {
			raw, from.form = raw[LengthPrefix:], Bare
		} else {
			from.form.putLength(raw, n)
		}
	}
	from.raw = raw
}

// Finish makes the frames of b from the i-th on complete, which were carried to
// nobody yet. It is for networks where senders wait, as what they have sent is
// counted in frames, and for a policy that wants to see each.
func (b *Batch) Finish(i int) {
	if b.whole == nil {
		b.whole = &variant{plain: true}
	}
	b.whole.batch.Reset()
	b.whole.make(b.Frames[i:])
	for _, f := range b.Frames[i:] {
		if f.block != nil {
			b.replaced = append(b.replaced, f)
		}
	}
	b.Frames = append(b.Frames[:i], b.whole.batch.Frames...)
	b.offloads = i > 0
}
