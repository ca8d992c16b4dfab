package frame

import (
	"encoding/binary"

	"ipnfs/bus/vnet"
)

// Form says what lies in front of a frame: its head. Who takes frames in a
// form passes one that lies so as it is, in one piece (Frame.In), and puts the
// head in front of another (Frame.PutHead).
//
// N receivers share one frame, and nobody changes a byte of it, so it lies in
// one form, for all of them: the one it came in, or Length2 if it came bare and
// was the first to be kept of its batch. Who wants it otherwise writes the head
// elsewhere, as a piece of its own or before a copy (Frame.CopyIn): never into
// the Headroom of a Block that others have, too.
type Form uint16

// The forms. The lower byte is the length of the head, so that the path of a frame
// looks it up nowhere.
const (
	Bare    Form = 0                     // no head
	Length2 Form = 1<<8 | LengthPrefix   // VDE's stream: the length in 2 bytes, big-endian
	Length4 Form = 2<<8 | 4              // QEMU's stream sockets (net/stream.c): the length in 4 bytes, big-endian
	Hops4   Form = 3<<8 | 4              // our cables' stream: Frame.Hops in a byte, the length in 3, big-endian
	VXLAN   Form = 4<<8 | 8              // the header of RFC 7348, section 5, with a network identifier
	Vnet10  Form = 5<<8 | vnet.HeaderLen // vnet.Header: the legacy one, of Linux's taps and packet sockets
	// Vnet12 is vnet.Header and num_buffers, in the host's byte order: that of
	// vhost-user, and of all devices by virtio 1 (VIRTIO_NET_F_MRG_RXBUF or
	// VIRTIO_F_VERSION_1; virtio 1.2, 5.1.6). Guests send any num_buffers and must
	// get the right one: who brings a frame of theirs makes it 1.
	Vnet12 Form = 6<<8 | (vnet.HeaderLen + 2)
)

// HeadLen is the length of the head in bytes, at most Headroom.
func (f Form) HeadLen() int { return int(uint8(f)) }

// vnet tells whether the head begins with a virtio-net header.
func (f Form) vnet() bool { return f >= Vnet10 }

// vxlanVNI is the flag of a VXLAN header that says that it has an identifier.
const vxlanVNI = 0x08

// PutHead writes to dst, of form.HeadLen() bytes or more, what must stand in
// front of f in a form, and tells whether f can have that form: a length of 2
// bytes tells no more than MaxPrefixed, what has passed MaxHops cables passes no
// other (Hops4, which counts that one), and what is left to do to a frame (Offload)
// only a virtio-net header can say. If not, dst is as it was. vni is for VXLAN, and
// of 24 bits.
func (f *Frame) PutHead(dst []byte, form Form, vni uint32) bool {
	h, unfinished := f.Offload()
	if unfinished && !form.vnet() || form == Length2 && f.Len() > MaxPrefixed || form == Hops4 && f.hops >= MaxHops {
		return false
	}
	switch form {
	case Length2, Length4:
		form.putLength(dst, f.Len())
	case Hops4:
		dst[0] = f.hops + 1
		form.putLength(dst, f.Len())
	case VXLAN:
		binary.BigEndian.PutUint32(dst, vxlanVNI<<24)
		binary.BigEndian.PutUint32(dst[4:], vni<<8)
	case Vnet10, Vnet12:
		h.Put(dst)
		if form == Vnet12 {
			PutBuffers(dst)
		}
	}
	return true
}

// PutBuffers writes the num_buffers of a frame in one piece to a head of Vnet12.
func PutBuffers(head []byte) { binary.NativeEndian.PutUint16(head[vnet.HeaderLen:], 1) }

// CopyIn returns a copy of f in a form, in one piece, for a driver that needs
// it so; the caller owns its reference. It is false if f cannot have that form, as
// in PutHead, or m is at its cap.
func (f *Frame) CopyIn(m *Memory, form Form, vni uint32) (Frame, bool) {
	blk := newBlock(m, f.Len())
	if blk == nil {
		return Frame{}, false
	}
	from := Headroom - form.HeadLen()
	if !f.PutHead(blk.buf[from:Headroom], form, vni) {
		blk.release()
		return Frame{}, false
	}
	raw := blk.buf[from : Headroom+copy(blk.buf[Headroom:], f.Data())]
	return Frame{raw: raw, form: form, hops: f.hops, block: blk}, true
}

// putLength writes the length of an n byte frame to dst, as a form has it.
func (f Form) putLength(dst []byte, n int) {
	switch f {
	case Length4:
		binary.BigEndian.PutUint32(dst, uint32(n))
	case Hops4: // the first byte is another's
		dst[1], dst[2], dst[3] = byte(n>>16), byte(n>>8), byte(n)
	default:
		PutLength(dst, n)
	}
}

// hops reads Frame.Hops from a head.
func (f Form) hops(head []byte) uint8 {
	if f == Hops4 {
		return head[0]
	}
	return 0
}

// Length reads the length of a frame in bytes from a head of a form that tells it.
func (f Form) Length(head []byte) uint32 {
	switch f {
	case Length2:
		return uint32(binary.BigEndian.Uint16(head))
	case Hops4:
		return binary.BigEndian.Uint32(head) & 0xffffff
	}
	return binary.BigEndian.Uint32(head)
}

// ParseVXLAN reads the identifier from the VXLAN header that a datagram starts
// with; what follows it is the frame. ok is false if there is none. Reserved
// bits are ignored, as RFC 7348, section 5 wants it.
func ParseVXLAN(datagram []byte) (vni uint32, ok bool) {
	if len(datagram) < VXLAN.HeadLen() || datagram[0]&vxlanVNI == 0 {
		return 0, false
	}
	return binary.BigEndian.Uint32(datagram[4:]) >> 8, true
}
