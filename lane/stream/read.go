package stream

import (
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// maxAsk is the most bytes that are received at once: a super-frame and its head, and
// no more than what a block of that class holds. firstAsk is how many are expected of a
// frame before there was one.
const (
	maxAsk   = 67 << 10
	firstAsk = 2048
)

// input is what has come and is in no batch yet.
type input struct {
	head  [maxHead]byte // less than a head is kept here
	block *frame.Block  // and else here; it is charged to the network
	span  []byte        // what came, in head or block
	at    int           // where span begins in the block
	need  int           // length with its head of the frame that span begins; 0: it is there, and maybe more

	iov [2]unix.Iovec
}

// reset forgets what is kept.
func (in *input) reset() {
	if in.block != nil {
		in.block.Release()
	}
	in.block, in.span, in.at, in.need = nil, nil, 0, 0
}

// Read is lane.Driver's. It receives about as much as room frames take. What is cut at
// the end, or too many, is copied once to a block, and the rest of a frame received to
// where its beginning lies.
func (d *Driver) Read(t *lane.Turn, room int) (frames int, err error) {
	in := &d.input
	if in.block != nil && in.need == 0 {
		return d.parseBlock(t, room)
	}
	span, missing, err := d.receive(t, room)
	switch {
	case err != nil:
		return 0, err
	case missing > 0:
		return 0, lane.ErrMore
	case in.need > 0:
		t.Batch.Add(in.block.Frame(d.form, 0, in.need-d.form.HeadLen()))
		d.parser.expect(in.need)
		frames = 1
	}
	in.reset()
	more, err := d.parse(t, span, room-frames, nil)
	if frames += more; frames == 0 && err == nil {
		err = lane.ErrMore // or a lane would take it for the end of who has hung up
	}
	return frames, err
}

// receive returns what came behind the frame whose beginning is kept, if one is, of
// which so many bytes are missing still.
func (d *Driver) receive(t *lane.Turn, room int) (span []byte, missing int, err error) {
	in, buf := &d.input, t.Buffer(0)
	have := 0
	if in.need > 0 {
		missing = in.need - len(in.span)
		in.iov[0] = unix.Iovec{Base: &in.block.Bytes(in.need)[len(in.span)], Len: uint64(missing)}
	} else {
		have = copy(buf, in.span)
	}
	ask := min(maxAsk, max(room*(d.parser.typical/8), d.parser.skip))
	in.iov[1] = unix.Iovec{Base: &buf[have], Len: uint64(ask)}
	pieces := in.iov[:]
	if missing == 0 {
		pieces = in.iov[1:]
	}
	r, _, errno := unix.RawSyscall(unix.SYS_READV, uintptr(d.in), uintptr(unsafe.Pointer(&pieces[0])), uintptr(len(pieces)))
	in.iov[0] = unix.Iovec{}
	switch n := int(r); {
	case errno != 0:
		return nil, 0, errno
	case n == 0:
		return nil, 0, io.EOF
	case n < missing:
		in.span = in.block.Bytes(len(in.span) + n)
		return nil, missing - n, nil
	default:
		return buf[:have+n-missing], 0, nil
	}
}

// parseBlock is parse for what is kept.
func (d *Driver) parseBlock(t *lane.Turn, room int) (frames int, err error) {
	in, from := &d.input, d.input.block
	in.block = nil
	frames, err = d.parse(t, in.span, room, from)
	if in.block != from {
		from.Release()
	}
	return frames, err
}

// parse adds frames that lie in span, which is lent, or of the block from. It keeps
// what is left.
func (d *Driver) parse(t *lane.Turn, span []byte, room int, from *frame.Block) (frames int, err error) {
	in := &d.input
	end := in.at + len(span)
	for {
		n, used, err := d.parser.parse(t, span, room-frames, from, end-len(span))
		frames += n
		span = span[used:]
		size := d.parser.Size(span)
		switch {
		case err != nil:
			in.span, in.need = nil, 0
			return frames, err
		case size == 0:
			in.span, in.at, in.need = in.head[:copy(in.head[:], span)], 0, 0
			return frames, nil
		case len(span) >= size && d.keep(span, len(span), from, end-len(span)):
			in.need = 0
			return frames, lane.ErrMore
		case len(span) < size && d.keep(span, size, nil, 0):
			in.need = size
			return frames, nil
		}
		d.parser.GiveUp(t, span)
		frames++
	}
}

// keep keeps span where it lies in a block, or copies it to a new one of so many bytes.
// It is false if the network has no memory.
func (d *Driver) keep(span []byte, bytes int, from *frame.Block, at int) bool {
	if from == nil {
		if from, at = d.block(bytes), 0; from == nil {
			return false
		}
		span = from.Bytes(bytes)[:copy(from.Bytes(bytes), span)]
	}
	d.input.block, d.input.span, d.input.at = from, span, at
	return true
}
