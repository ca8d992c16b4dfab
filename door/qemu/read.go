package qemu

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// maxLength is the longest frame in bytes that is skipped for being over the mtu. What
// announces a longer one is no such stream.
const maxLength = 1 << 20

// maxAsk is the most bytes that are received at once: a super-frame and its head, and
// no more than what a block of that class holds. firstAsk is how many are expected of a
// frame before there was one.
const (
	maxAsk   = 67 << 10
	firstAsk = 2048
)

// errGarbage ends a connection.
var errGarbage = errors.New("it announced a frame of more than 1 MiB: that is no stream of frames behind 4-byte lengths")

// input is what has come and is in no batch yet.
type input struct {
	head  [headLen]byte // less than a head is kept here
	block *frame.Block  // and else here; it is charged to the network
	span  []byte        // what came, in head or block
	at    int           // where span begins in the block
	need  int           // length with its head of the frame that span begins; 0: it is there, and maybe more
	skip  int           // bytes still to come of a frame that was given up

	typical int // eighths of the bytes that a frame takes, as the last ones did
	iov     [2]unix.Iovec
}

// reset forgets what is kept.
func (in *input) reset() {
	if in.block != nil {
		in.block.Release()
	}
	in.block, in.span, in.at, in.need = nil, nil, 0, 0
}

// expect notes how many bytes a frame took.
func (in *input) expect(bytes int) { in.typical += bytes - in.typical/8 }

// Read is lane.Driver's. It receives about as much as room frames take. What is cut at
// the end, or too many, is copied once to a block, and the rest of a frame received to
// where its beginning lies.
func (p *peer) Read(t *lane.Turn, room int) (frames int, err error) {
	in := &p.in
	if in.block != nil && in.need == 0 {
		return p.parseBlock(t, room)
	}
	span, missing, err := p.receive(t, room)
	switch {
	case err != nil:
		return 0, err
	case missing > 0:
		return 0, lane.ErrMore
	case in.need > 0:
		t.Batch.Add(in.block.Frame(frame.Length4, 0, in.need-headLen))
		in.expect(in.need)
		frames = 1
	}
	in.reset()
	more, err := p.parse(t, span, room-frames, nil)
	if frames += more; frames == 0 && err == nil {
		err = lane.ErrMore // or a lane would take it for the end of who has hung up
	}
	return frames, err
}

// receive returns what came behind the frame whose beginning is kept, if one is, of
// which so many bytes are missing still.
func (p *peer) receive(t *lane.Turn, room int) (span []byte, missing int, err error) {
	in, buf := &p.in, t.Buffer(0)
	have := 0
	if in.need > 0 {
		missing = in.need - len(in.span)
		in.iov[0] = unix.Iovec{Base: &in.block.Bytes(in.need)[len(in.span)], Len: uint64(missing)}
	} else {
		have = copy(buf, in.span)
	}
	ask := min(maxAsk, max(room*(in.typical/8), in.skip))
	in.iov[1] = unix.Iovec{Base: &buf[have], Len: uint64(ask)}
	pieces := in.iov[:]
	if missing == 0 {
		pieces = in.iov[1:]
	}
	r, _, errno := unix.RawSyscall(unix.SYS_READV, uintptr(p.fd), uintptr(unsafe.Pointer(&pieces[0])), uintptr(len(pieces)))
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
func (p *peer) parseBlock(t *lane.Turn, room int) (frames int, err error) {
	in, from := &p.in, p.in.block
	in.block = nil
	frames, err = p.parse(t, in.span, room, from)
	if in.block != from {
		from.Release()
	}
	return frames, err
}

// parse adds frames that lie in span, which is lent, or of the block from. It keeps
// what is left.
func (p *peer) parse(t *lane.Turn, span []byte, room int, from *frame.Block) (frames int, err error) {
	in, mtu := &p.in, p.net.MTU()
	end := in.at + len(span)
	for {
		n := min(in.skip, len(span))
		in.skip -= n
		span = span[n:]
		if len(span) < headLen {
			in.span, in.at, in.need = in.head[:copy(in.head[:], span)], 0, 0
			return frames, nil
		}
		length := int(binary.BigEndian.Uint32(span))
		size := headLen + length
		whole := len(span) >= size
		switch {
		case length > maxLength:
			in.skip, in.span, in.need = math.MaxInt, nil, 0 // until it has ended
			return frames, errGarbage
		case length == 0:
			in.skip = size
			continue
		case p.mute:
			t.Drop(frame.DropFiltered, length)
		case length > mtu:
			t.Refused()
		case whole && frames < room && from == nil:
			t.Batch.AddIn(frame.Length4, span[:size])
			in.expect(size)
		case whole && frames < room:
			t.Batch.Add(from.Frame(frame.Length4, end-len(span), length))
			in.expect(size)
		case whole && p.keep(span, len(span), from, end-len(span)):
			in.need = 0
			return frames, lane.ErrMore
		case !whole && p.keep(span, size, nil, 0):
			in.need = size
			return frames, nil
		default:
			t.NoMemory(length)
		}
		frames++
		in.skip = size
	}
}

// keep keeps span where it lies in a block, or copies it to a new one of so many bytes.
// It is false if the network has no memory.
func (p *peer) keep(span []byte, bytes int, from *frame.Block, at int) bool {
	if from == nil {
		if from, at = p.block(bytes), 0; from == nil {
			return false
		}
		span = from.Bytes(bytes)[:copy(from.Bytes(bytes), span)]
	}
	p.in.block, p.in.span, p.in.at = from, span, at
	return true
}
