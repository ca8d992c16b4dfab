package frame

import "ipnfs/bus/vnet"

// MaxBatch is the most frames one Batch carries; a longer call is several.
const MaxBatch = 1024

// Batch is the frames that one call brings or takes. It belongs to the thread
// that fills it and is used again, so that sending allocates nothing. The zero
// Batch is ready.
//
// Frames in a batch are lent: they lie in one span of bytes (the request
// buffer) that stays the caller's. The first receiver that has to queue makes
// the batch copy the span once, into one Block that all receivers share.
type Batch struct {
	Frames []Frame

	// Scratch is for endpoints of one kind, who alone look at it: what the
	// thread that fills the batch has at hand for those who take from it.
	Scratch any

	// Onward is how many copies may still be made, at once, by endpoints that send on
	// into other networks what they take: one count for a batch and all that comes of
	// it. nil: none.
	Onward *int

	span []byte // what the lent frames are pieces of
	// scattered: the frames lie anywhere, there is no span; one that is kept
	// is copied alone, and the batch then holds a reference of its block.
	scattered bool
	offloads  bool // some frame is not complete as it lies: see Frame.Offload

	// kept is the copy of the span from frame keptFrom on; the batch holds
	// one reference until Reset.
	kept     *Block
	keptFrom int
	keptBase int // offset in span of what stands at Headroom in kept

	variants variants
	whole    *variant // what Finish has made
	replaced []Frame  // by it: references that are held until Reset
}

// SetFrame makes b a batch of the one frame data, lent by the caller.
func (b *Batch) SetFrame(data []byte) {
	b.Reset()
	b.span = data
	b.Frames = append(b.Frames, Frame{raw: data})
}

// SetStream parses span, which is lent, as frames each behind a 2-byte length
// (VDE's stream form) and makes b a batch of the whole frames in it, at most
// MaxBatch. Lengths of 0 are skipped, as vde_plug does. It stops in front of
// a frame longer than mtu bytes and says so. used is the number of bytes
// parsed: what follows is the beginning of a frame, an over-long one, or more.
func (b *Batch) SetStream(span []byte, mtu int) (used int, tooLong bool) {
	return b.SetStreamIn(Length2, span, mtu)
}

// SetStreamIn is SetStream for frames in a form with a length: Length2, Length4 or
// Hops4.
func (b *Batch) SetStreamIn(form Form, span []byte, mtu int) (used int, tooLong bool) {
	b.Reset()
	b.span = span
	head := form.HeadLen()
	for len(b.Frames) < MaxBatch && len(span)-used >= head {
		length := form.Length(span[used:])
		if length > uint32(mtu) {
			tooLong = true
			break
		}
		n := head + int(length)
		if len(span)-used < n {
			break
		}
		if n > head {
			b.Frames = append(b.Frames, Frame{raw: span[used:][:n], form: form})
		}
		used += n
	}
	for i := 0; form == Hops4 && i < len(b.Frames); i++ {
		b.Frames[i].hops = form.hops(b.Frames[i].raw)
	}
	return used, tooLong
}

// Reset empties b. Frames and their span are no longer used after it.
func (b *Batch) Reset() {
	if b.kept != nil {
		b.kept.release()
		b.kept = nil
	}
	b.releaseFrames(len(b.Frames))
	clear(b.Frames)
	b.Frames = b.Frames[:0]
	for i := range b.replaced {
		b.replaced[i].Release()
	}
	b.replaced = b.replaced[:0]
	b.span, b.scattered, b.offloads = nil, false, false
}

// releaseFrames gives back what the batch holds of its first n frames.
func (b *Batch) releaseFrames(n int) {
	if b.scattered {
		for i := range n {
			b.Frames[i].Release()
		}
	}
}

// AddIn adds a frame that lies anywhere, with the head of a form in front.
// raw is lent, and has the head at least. The caller has checked a virtio-net
// header (vnet.Check) and a length. All frames of the batch must be added so.
func (b *Batch) AddIn(form Form, raw []byte) {
	b.scattered = true
	b.offloads = b.offloads || form.vnet() && !vnet.Parse(raw).Plain()
	b.Frames = append(b.Frames, Frame{raw: raw, form: form, hops: form.hops(raw)})
}

// AddVnet is AddIn for a frame with a virtio-net header of 10 bytes in front.
func (b *Batch) AddVnet(raw []byte) { b.AddIn(Vnet10, raw) }

// AddPlain is AddIn for a complete frame without a head.
func (b *Batch) AddPlain(data []byte) { b.AddIn(Bare, data) }

// Add adds a frame that has a reference of its own, which the batch takes over,
// to a batch of frames that were added so.
func (b *Batch) Add(f Frame) {
	b.scattered = true
	if _, offload := f.Offload(); offload {
		b.offloads = true
	}
	b.Frames = append(b.Frames, f)
}

// Offset tells where in the span that SetStream was given frame i begins, its
// length included.
func (b *Batch) Offset(i int) int { return b.offset(b.Frames[i].raw) }

// Take makes b a batch of the frames of from from the i-th on, each with a
// reference of its own, for a sender whose memory does not stay. It returns how many
// it could not take, as m is at its cap.
func (b *Batch) Take(m *Memory, from *Batch, i int) (lost int) {
	b.Reset()
	b.scattered, b.offloads = true, from.offloads
	for ; i < len(from.Frames); i++ {
		f, ok := from.Keep(m, i)
		if !ok {
			return len(from.Frames) - i
		}
		b.Frames = append(b.Frames, f)
	}
	return 0
}

// Lend makes b a batch of frames i to j of from, for an endpoint that sends on what it
// is lent, before from changes. Who keeps one of them copies it, even if from has a
// reference: each network pays for what waits in it.
func (b *Batch) Lend(from *Batch, i, j int) {
	b.Reset()
	b.Scratch, b.Onward = from.Scratch, from.Onward
	b.span, b.scattered, b.offloads = from.span, from.scattered, from.offloads
	b.Frames = append(b.Frames, from.Frames[i:j]...)
	for k := range b.Frames {
		b.Frames[k].block = nil
	}
}

// Offloads tells whether some frame is not complete as it lies: see
// Frame.Offload.
func (b *Batch) Offloads() bool { return b.offloads }

// Keep returns frame i as one that may outlive the call, with a reference of
// its own, or false if memory is at its cap.
func (b *Batch) Keep(m *Memory, i int) (Frame, bool) {
	if b.scattered {
		return b.keepAlone(m, i)
	}
	f := b.Frames[i]
	if f.block == nil {
		if (b.kept == nil || i < b.keptFrom) && !b.copySpan(m, i) {
			return Frame{}, false
		}
		f = b.keptFrame(i)
	}
	f.block.retain()
	return f, true
}

// keepAlone is Keep for a scattered batch.
func (b *Batch) keepAlone(m *Memory, i int) (Frame, bool) {
	f := &b.Frames[i]
	if f.block == nil {
		blk := newBlock(m, len(f.raw))
		if blk == nil {
			return Frame{}, false
		}
		f.raw, f.block = blk.buf[Headroom:][:copy(blk.buf[Headroom:], f.raw)], blk
	}
	f.block.retain()
	return *f, true
}

// copySpan copies the span from frame i to the end into a new block, with the
// first frame's length in front if the span has it not.
func (b *Batch) copySpan(m *Memory, i int) bool {
	first, last := b.Frames[i].raw, b.Frames[len(b.Frames)-1].raw
	from, to := b.offset(first), b.offset(last)+len(last)
	blk := newBlock(m, to-from)
	if blk == nil {
		return false
	}
	PutLength(blk.buf[Headroom-LengthPrefix:], len(first))
	copy(blk.buf[Headroom:], b.span[from:to])
	if b.kept != nil {
		b.kept.release()
	}
	b.kept, b.keptFrom, b.keptBase = blk, i, from
	return true
}

// keptFrame is frame i, which is lent, where it lies in kept.
func (b *Batch) keptFrame(i int) Frame {
	f := b.Frames[i]
	at := Headroom + b.offset(f.raw) - b.keptBase
	end := at + len(f.raw)
	if f.form == Bare && at == Headroom && len(f.raw) <= MaxPrefixed {
		f.form = Length2
		at -= LengthPrefix
	}
	f.raw, f.block = b.kept.buf[at:end], b.kept
	return f
}

// offset tells where in the span raw starts. raw is cut from the span without
// limiting its capacity, so the capacities tell.
func (b *Batch) offset(raw []byte) int { return cap(b.span) - cap(raw) }

// Discard makes the first n frames gone; the span stays.
func (b *Batch) Discard(n int) {
	b.releaseFrames(n)
	rest := copy(b.Frames, b.Frames[n:])
	clear(b.Frames[rest:])
	b.Frames = b.Frames[:rest]
	b.keptFrom = max(0, b.keptFrom-n)
}
