package vhost

import (
	"sync/atomic"
	"unsafe"
)

// maxChain is the most descriptors of a chain: what the kernel's vhost takes
// (UIO_MAXIOV).
const maxChain = 1024

// Flags of descriptors (linux/virtio_ring.h).
const (
	descNext     = 1
	descWrite    = 2 // the device writes there; else it reads
	descIndirect = 4
)

// descriptor is struct vring_desc.
type descriptor struct {
	addr        uint64 // of the guest
	len         uint32
	flags, next uint16
}

const descriptorLen = 16

// piece is a part of a chain, in memory.
type piece struct {
	at  unsafe.Pointer
	len int
}

// bytes are the piece.
func (p *piece) bytes() []byte { return unsafe.Slice((*byte)(p.at), p.len) }

// available learns which chains are there.
func (r *ring) available() error {
	r.seen = uint16(atomic.LoadUint32((*uint32)(r.avail)) >> 16)
	if r.seen-r.next > r.size {
		return errRing("the guest has made %d chains available in a ring of %d", r.seen-r.next, r.size)
	}
	return nil
}

// head returns the first descriptor of the next chain.
func (r *ring) head() uint16 {
	return *(*uint16)(unsafe.Add(r.avail, 4+2*uintptr(r.next&(r.size-1))))
}

// chain adds the pieces of a chain to r.pieces, up to so many bytes, and tells how
// many those are. All must be for the device to write (descWrite), or to read (0).
func (r *ring) chain(head, way uint16, most int) (bytes int, err error) {
	list, n, i, indirect := r.desc, uint32(r.size), uint32(head), false
	for range maxChain {
		if i >= n {
			return 0, errRing("a chain has descriptor %d of %d", i, n)
		}
		d := *(*descriptor)(unsafe.Add(list, uintptr(i)*descriptorLen))
		if d.flags&descIndirect != 0 {
			if indirect || d.flags&descNext != 0 || r.features&featIndirect == 0 {
				return 0, errRing("a chain has an indirect table where none may be")
			}
			if list, n = r.indirect(&d); list == nil {
				return 0, errRing("an indirect table of %d bytes at %#x cannot be", d.len, d.addr)
			}
			i, indirect = 0, true
			continue
		}
		if d.len == 0 { // nobody's, and a long way for nothing
			return 0, errRing("a chain has a descriptor of no bytes")
		}
		if d.flags&descWrite != way {
			return 0, errRing("a chain of this ring has a descriptor with flags %#x", d.flags)
		}
		if bytes < most {
			if d.len = uint32(min(int64(d.len), int64(most-bytes))); !r.add(d.addr, d.len) {
				return 0, errRing("a descriptor of %d bytes at %#x is not in the memory", d.len, d.addr)
			}
			bytes += int(d.len)
		}
		if d.flags&descNext == 0 {
			return bytes, nil
		}
		i = uint32(d.next)
	}
	return 0, errRing("a chain has more than %d descriptors, or does not end", maxChain)
}

// indirect returns the table that a descriptor tells of, and how long it is.
func (r *ring) indirect(d *descriptor) (list unsafe.Pointer, n uint32) {
	if n = d.len / descriptorLen; d.len%descriptorLen != 0 || n > maxChain {
		return nil, 0
	}
	reg := r.find(d.addr)
	if reg == nil || uint64(d.len) > reg.size-(d.addr-reg.guest) {
		return nil, 0
	}
	return unsafe.Add(reg.base, d.addr-reg.guest), n
}

// add adds what the guest has at an address, which may lie in regions behind each
// other.
func (r *ring) add(guest uint64, length uint32) bool {
	for length > 0 {
		reg := r.find(guest)
		if reg == nil || len(r.pieces) == 2*maxChain {
			return false
		}
		at := guest - reg.guest
		n := uint32(min(uint64(length), reg.size-at))
		r.pieces = append(r.pieces, piece{unsafe.Add(reg.base, at), int(n)})
		guest += uint64(n)
		length -= n
	}
	return true
}

// find is table.find, which looks at the last one first.
func (r *ring) find(guest uint64) *region {
	if reg := r.region; reg != nil && guest >= reg.guest && guest-reg.guest < reg.size {
		return reg
	}
	reg := r.table.find(guest)
	if reg != nil {
		r.region = reg
	}
	return reg
}
