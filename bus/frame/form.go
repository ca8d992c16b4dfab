package frame

import (
	"slices"

	"ipnfs/bus/vnet"
)

// forms are the other shapes of a run of frames: edited, or
// complete, for receivers that take no super-frames. Each is made once for all
// receivers that want it.
type forms struct {
	list []*form
	used int
}

type form struct {
	edit  Edit
	plain bool
	batch Batch
	buf   []byte // what the frames that differ from the original lie in
	lens  []int
}

// ReleaseForms forgets what Form has made; its memory stays for the next run.
func (b *Batch) ReleaseForms() {
	fs := &b.forms
	for _, f := range fs.list[:fs.used] {
		f.batch.Reset()
	}
	fs.used = 0
}

// Form returns frames i to j of b with other tags and, if plain, complete. It
// lives until ReleaseForms; until then i and j must be the same at each call.
func (b *Batch) Form(i, j int, edit Edit, plain bool) *Batch {
	fs := &b.forms
	for _, f := range fs.list[:fs.used] {
		if f.edit == edit && f.plain == plain {
			return &f.batch
		}
	}
	if fs.used == len(fs.list) {
		fs.list = append(fs.list, &form{})
	}
	f := fs.list[fs.used]
	fs.used++
	f.edit, f.plain = edit, plain
	f.batch.Reset()
	f.make(b.Frames[i:j])
	f.batch.Scratch = b.Scratch
	return &f.batch
}

// make fills f.batch. The room is taken before, so that it does not move.
func (f *form) make(frames []Frame) {
	room := 0
	for k := range frames {
		room += len(frames[k].raw) + tagLen
		if h, ok := frames[k].Offload(); ok && f.plain {
			bytes, n := vnet.Size(h, frames[k].Data())
			room += bytes + n*tagLen
		}
	}
	f.buf = slices.Grow(f.buf[:0], room)
	f.batch.scattered = true
	for k := range frames {
		from := frames[k]
		from.block = nil // lent
		if f.edit != (Edit{}) {
			f.change(&from)
		}
		if h, unfinished := from.Offload(); unfinished {
			if f.plain {
				f.cut(h, from.Data())
				continue
			}
			f.batch.offloads = true
		}
		f.batch.Frames = append(f.batch.Frames, from)
	}
}

// cut adds the complete frames of a super-frame.
func (f *form) cut(h vnet.Header, data []byte) {
	at := len(f.buf)
	f.buf, f.lens = vnet.Append(f.buf, f.lens[:0], h, data)
	for _, n := range f.lens {
		f.batch.Frames = append(f.batch.Frames, Frame{raw: f.buf[at:][:n]})
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
func (f *form) change(from *Frame) {
	data := from.Data()
	strip := int(f.edit.Strip) * tagLen
	if len(data) < addrLen+strip {
		return
	}
	at, shift := len(f.buf), -strip
	f.buf = append(f.buf, from.raw[:from.form.HeadLen()]...)
	f.buf = append(f.buf, data[:addrLen]...)
	if tag := f.edit.Push; tag != 0 {
		f.buf = append(f.buf, byte(tag>>24), byte(tag>>16), byte(tag>>8), byte(tag))
		shift += tagLen
	}
	f.buf = append(f.buf, data[addrLen+strip:]...)
	raw := f.buf[at:]
	if r := f.edit.Rewrite; r != nil {
		r.apply(raw[from.form.HeadLen():])
	}
	switch from.form {
	case Vnet10, Vnet12:
		vnet.Parse(raw).Shift(shift).Put(raw)
	case Length2, Length4:
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
		b.whole = &form{plain: true}
	}
	b.whole.batch.Reset()
	b.whole.make(b.Frames[i:])
	b.Frames = append(b.Frames[:i], b.whole.batch.Frames...)
	b.offloads = i > 0
}
