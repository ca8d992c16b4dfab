package frame

import (
	"encoding/binary"

	"ipnfs/bus/vnet"
)

// LengthPrefix is the size in bytes of the big-endian length that VDE's
// stream form puts in front of a frame.
const LengthPrefix = 2

// MaxPrefixed is the longest frame in bytes that the 2-byte length announces.
const MaxPrefixed = 1<<16 - 1

// Headroom is what every Block keeps free in front of its first frame, in
// bytes: room for a length, or for a virtio-net header and what a cable puts
// before it. In a block that receivers share only copySpan writes there, before
// anybody has it.
const Headroom = 64

// Frame limits in bytes. MaxFrame is the most that one FUSE WRITE carries
// whatever its alignment (255 pages).
const (
	MinMTU     = 60
	DefaultMTU = 65535
	MaxFrame   = 255 * 4096
)

// MaxHops is how many cables a frame may pass whose form counts them (Hops4). One that
// has passed so many goes no further: cables that form a loop carry it for no longer.
const MaxHops = 8

// Frame is one message, a small value. Its bytes belong to a Block, which is
// reference-counted, or, if block is nil, to the caller who lends them until
// the call returns. Nobody changes the bytes after the frame was sent.
type Frame struct {
	raw   []byte // the head, if any, and the data
	form  Form   // says what the head is
	hops  uint8  // cables that it has passed
	block *Block
}

// NewFrame makes a frame of bytes that the caller lends.
func NewFrame(data []byte) Frame { return Frame{raw: data} }

// Data returns the bytes of the frame; they live as long as the frame does.
func (f *Frame) Data() []byte { return f.raw[f.form.HeadLen():] }

// Len returns the length of the frame in bytes.
func (f *Frame) Len() int { return len(f.raw) - f.form.HeadLen() }

// Hops returns how many cables the frame has passed, of those that count it.
func (f *Frame) Hops() uint8 { return f.hops }

// SetHops sets what Hops returns, for who brings a frame by a cable that tells it
// otherwise than by its form.
func (f *Frame) SetHops(n uint8) { f.hops = n }

// In returns the frame with the head of a form in front, and true, if it lies so. In
// front of one that came in Hops4 stands how many cables it had passed then, which is one
// too few for the next.
func (f *Frame) In(form Form) ([]byte, bool) {
	if form == Bare {
		return f.Data(), true
	}
	return f.raw, f.form == form && (form != Hops4 || f.raw[0] == f.hops+1)
}

// Prefixed returns the frame in stream form, its 2-byte length in front, and
// true, if the length lies there already. Frames of one batch then lie one
// behind the other and can leave as one piece.
func (f *Frame) Prefixed() ([]byte, bool) { return f.In(Length2) }

// Vnet returns the frame with the virtio-net header that lies in front of it,
// and true, if it came with one.
func (f *Frame) Vnet() ([]byte, bool) { return f.In(Vnet10) }

// Offload returns the header that says what is left to do to the frame, and
// true, if something is: it is to be cut, or its checksum completed.
func (f *Frame) Offload() (vnet.Header, bool) {
	if !f.form.vnet() {
		return vnet.Header{}, false
	}
	h := vnet.Parse(f.raw)
	return h, !h.Plain()
}

// WireLen is the length in bytes of the longest frame that f is on a wire:
// shorter than Len if f is to be cut.
func (f *Frame) WireLen() int {
	if h, ok := f.Offload(); ok {
		return vnet.WireLen(h, f.Data())
	}
	return f.Len()
}

// WireFrames is how many frames f is on a wire: more than 1 if f is to be cut.
func (f *Frame) WireFrames() int {
	h, ok := f.Offload()
	if !ok {
		return 1
	}
	_, n := vnet.Size(h, f.Data())
	return n
}

// Release gives the reference back. A lent frame has none and stays as it is.
func (f *Frame) Release() {
	if f.block != nil {
		f.block.release()
		*f = Frame{}
	}
}

// PutLength writes the 2-byte length of an n byte frame to dst.
func PutLength(dst []byte, n int) { binary.BigEndian.PutUint16(dst, uint16(n)) }

// Tags is a set of kinds of VLAN tags.
type Tags uint8

// The kinds (IEEE 802.1Q table 9-1).
const (
	CTag Tags = 1 << iota // 0x8100
	STag                  // 0x88a8
)

// Exceeds tells whether f is longer on a wire than so many bytes, if one tag of
// those in free does not count.
func (f *Frame) Exceeds(bytes int, free Tags) bool {
	n := f.WireLen()
	return n > bytes && (n > bytes+tagLen || !free.has(f.Data()))
}

// has tells whether the outermost tag of a frame is one of t.
func (t Tags) has(frame []byte) bool {
	if len(frame) < addrLen+tagLen {
		return false
	}
	switch binary.BigEndian.Uint16(frame[addrLen:]) {
	case 0x8100:
		return t&CTag != 0
	case 0x88a8:
		return t&STag != 0
	}
	return false
}
