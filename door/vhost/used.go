package vhost

import (
	"sync/atomic"
	"unsafe"
)

// Flags of rings (linux/virtio_ring.h).
const (
	noNotify    = 1 // of used: the guest need not kick
	noInterrupt = 1 // of avail: the device need not call
)

// use notes that the i-th chain that is not told of yet was used, and how many bytes
// were written to it.
func (r *ring) use(i, head uint16, bytes int) {
	at := unsafe.Add(r.used, 4+8*uintptr((r.done+i)&(r.size-1)))
	*(*[2]uint32)(at) = [2]uint32{uint32(head), uint32(bytes)}
}

// publish tells the guest what was used, and calls it if it wants that.
func (r *ring) publish() {
	if r.done == r.published {
		return
	}
	was := r.published
	r.published = r.done
	r.tell()
	wanted := false
	if r.features&featEventIndex != 0 {
		at := 4 + 2*uintptr(r.size)
		word := atomic.LoadUint32((*uint32)(unsafe.Add(r.avail, at&^3)))
		event := uint16(word >> (8 * (at & 3)))
		wanted = r.done-event-1 < r.done-was // vring_need_event
	} else {
		wanted = atomic.LoadUint32((*uint32)(r.avail))&noInterrupt == 0
	}
	if wanted && r.call.fd >= 0 {
		r.call.now()
	}
}

// tell writes used's index, and whether kicks are wanted. All that was written
// before the guest sees then, too.
func (r *ring) tell() {
	word := uint32(r.published) << 16
	if !r.listening && r.features&featEventIndex == 0 {
		word |= noNotify
	}
	atomic.StoreUint32((*uint32)(r.used), word)
}

// listen asks the guest for a kick when there are chains behind seen, and tells
// whether there are some already.
func (r *ring) listen(seen uint16) (more bool) {
	r.listening = true
	if r.features&featEventIndex != 0 {
		*(*uint16)(unsafe.Add(r.used, 4+8*uintptr(r.size))) = seen
	}
	// The guest must see this before what it did is looked at. An atomic store and
	// an atomic load are in order, and so is what stands before the store: on amd64
	// it is a full barrier, on arm64 they are STLR and LDAR.
	r.tell()
	return uint16(atomic.LoadUint32((*uint32)(r.avail))>>16) != seen
}

// quiet says that no kick is wanted. With an event index that goes without saying,
// as the one that was asked for is behind.
func (r *ring) quiet() {
	if !r.listening {
		return
	}
	if r.listening = false; r.features&featEventIndex == 0 {
		r.tell()
	}
}
