package bustest

import (
	"bytes"
	"encoding/binary"
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

// Super describes a frame whose checksum is left to do, and that is to be cut
// if Size is not 0: TCP in IPv4, or what the fields say.
type Super struct {
	To      byte     // the first byte: see Fake
	V6, UDP bool     // IPv6 instead of IPv4, UDP instead of TCP
	Tags    []uint32 // VLAN tags, TPID<<16 | TCI, the outer one first
	Size    int      // bytes of payload in each segment; 0: it is not to be cut
	Payload int      // bytes
}

// Build makes the frame as a kernel would hand it over, and its header.
func (s Super) Build() (vnet.Header, []byte) {
	be := binary.BigEndian
	frame := []byte{s.To, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for _, tag := range s.Tags {
		frame = be.AppendUint32(frame, tag)
	}
	proto, csum, gso := byte(6), 16, uint8(vnet.TCP4)
	transport := make([]byte, 20)
	transport[12] = 5 << 4
	if s.UDP {
		proto, csum, gso = 17, 6, vnet.UDPL4
		transport = transport[:8]
		be.PutUint16(transport[4:], uint16(8+s.Payload))
	}
	headers := len(transport)
	for i := range s.Payload {
		transport = append(transport, byte(i*7+i>>8))
	}
	var ip []byte
	if s.V6 {
		if !s.UDP {
			gso = vnet.TCP6
		}
		ip = make([]byte, 40)
		ip[0], ip[6], ip[7], ip[8], ip[24] = 0x60, proto, 64, 0xfd, 0xfd
		be.PutUint16(ip[4:], uint16(len(transport)))
		frame = be.AppendUint16(frame, 0x86dd)
	} else {
		ip = make([]byte, 20)
		ip[0], ip[8], ip[9], ip[12], ip[16] = 0x45, 64, proto, 10, 10
		be.PutUint16(ip[2:], uint16(len(ip)+len(transport)))
		frame = be.AppendUint16(frame, 0x0800)
	}
	frame = append(frame, ip...)
	h := vnet.Header{Flags: vnet.NeedsCsum, CsumStart: uint16(len(frame)), CsumOffset: uint16(csum)}
	if s.Size != 0 {
		h.GSOType, h.GSOSize, h.HdrLen = gso, uint16(s.Size), uint16(len(frame)+headers)
	}
	return h, append(frame, transport...)
}

// Raw is what Build makes, the header in front.
func (s Super) Raw() []byte { return WithHeader(s.Build()) }

// WithHeader puts a virtio-net header in front of a frame.
func WithHeader(h vnet.Header, frame []byte) []byte {
	raw := make([]byte, vnet.HeaderLen, vnet.HeaderLen+len(frame))
	h.Put(raw)
	return append(raw, frame...)
}

// Complete returns the frames that one with a virtio-net header in front
// stands for.
func Complete(raw []byte) (frames [][]byte) {
	h, frame := vnet.Parse(raw), raw[vnet.HeaderLen:]
	buf, lens := vnet.Append(nil, nil, h, frame)
	for _, n := range lens {
		frames = append(frames, buf[:n:n])
		buf = buf[n:]
	}
	return frames
}

// SendVnet sends frames that have a virtio-net header in front as one batch,
// from buffers that are overwritten afterwards, and tells how many went. That
// is more than there are, if senders wait on the network or the policy splits
// super-frames: see policy.Egress.
func SendVnet(c *bus.Conn, raws ...[]byte) int {
	var b bus.Batch
	lent := SetVnet(&b, raws...)
	n := c.Send(&b)
	b.Reset()
	for _, raw := range lent {
		poison(raw)
	}
	return n
}

// SetVnet makes b a batch of copies of such frames and returns the copies,
// which b lends.
func SetVnet(b *bus.Batch, raws ...[]byte) (lent [][]byte) {
	b.Reset()
	for _, raw := range raws {
		lent = append(lent, bytes.Clone(raw))
		b.AddVnet(lent[len(lent)-1])
	}
	return lent
}

// Shape is a frame as an endpoint saw it.
type Shape struct {
	Data   []byte
	Header []byte // its virtio-net header; nil: none
	Length []byte // its length in stream form; nil: none
}

func shapeOf(f *frame.Frame) Shape {
	s := Shape{Data: bytes.Clone(f.Data())}
	if raw, ok := f.Vnet(); ok {
		s.Header = bytes.Clone(raw[:vnet.HeaderLen])
	}
	if raw, ok := f.Prefixed(); ok {
		s.Length = bytes.Clone(raw[:frame.LengthPrefix])
	}
	return s
}

// Taper is an endpoint that keeps the shapes of frames. It takes a number of
// them at once; the others queue until Take.
type Taper struct {
	attached
	mu     sync.Mutex // taken after the Conn's lock, where both are
	left   int
	shapes []Shape
}

var _ bus.Endpoint = (*Taper)(nil)

// NewTaper makes one that takes n frames at once; below 0: all.
func NewTaper(n int) *Taper { return &Taper{left: n} }

// Claim takes what is left to take at once.
func (t *Taper) Claim(_ *frame.Batch, i, j int) (int, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left < 0 {
		return j - i, 0
	}
	n := min(t.left, j-i)
	t.left -= n
	return n, 0
}

// Emit keeps copies.
func (t *Taper) Emit(b *frame.Batch, i, j int, _ uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := i; k < j; k++ {
		t.shapes = append(t.shapes, shapeOf(&b.Frames[k]))
	}
}

// Take receives up to n of the frames that wait; below 0: all.
func (t *Taper) Take(n int) {
	c := t.Conn()
	c.Lock()
	defer c.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; n != 0 && c.QueuedLocked() > 0; n-- {
		f := c.PopLocked()
		t.shapes = append(t.shapes, shapeOf(&f))
		f.Release()
	}
}

// Queued tells how many frames wait.
func (t *Taper) Queued() int {
	c := t.Conn()
	c.Lock()
	defer c.Unlock()
	return c.QueuedLocked()
}

// Shapes returns what came so far, in order.
func (t *Taper) Shapes() []Shape {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Shape(nil), t.shapes...)
}

// Frames returns the bytes of what came so far.
func (t *Taper) Frames() (frames [][]byte) {
	for _, s := range t.Shapes() {
		frames = append(frames, s.Data)
	}
	return frames
}
