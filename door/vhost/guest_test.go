package vhost

import (
	"encoding/binary"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guestRing is a ring as the guest uses it.
type guestRing struct {
	f          *front
	index, at  int
	size       int
	kick, call int
	avail      uint16 // index of avail
	used       uint16 // what of used was seen
}

// start sets the ring up and starts it.
func (r *guestRing) start() {
	r.f.tb.Helper()
	f, i := r.f, uint32(r.index)
	clear(f.memory[r.at : r.at+ringSpace])
	r.avail, r.used = 0, 0
	f.say(8, body(i, uint32(r.size)))
	f.say(10, body(i, uint32(0)))
	f.say(9, r.addresses())
	f.say(13, u64(uint64(i)), r.call)
	f.say(12, u64(uint64(i)), r.kick)
	f.say(18, body(i, uint32(1)))
	if r.index == rxQueue {
		r.postAll()
	}
}

// addresses is the body of SET_VRING_ADDR.
func (r *guestRing) addresses() []byte {
	at := uint64(userBase + r.at)
	return body(uint32(r.index), uint32(0), at+descAt, at+usedAt, at+availAt, uint64(0))
}

// stop stops it, and tells where it is.
func (r *guestRing) stop() uint16 {
	r.f.tb.Helper()
	return uint16(r.f.ask(11, body(uint32(r.index), uint32(0))) >> 32)
}

func (r *guestRing) word(at int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.f.memory[r.at+at]))
}

// desc writes a descriptor.
func (r *guestRing) desc(i int, addr uint64, length uint32, flags, next uint16) {
	*(*descriptor)(unsafe.Pointer(&r.f.memory[r.at+descAt+descriptorLen*i])) = descriptor{addr, length, flags, next}
}

// offer makes a chain available, and does not kick.
func (r *guestRing) offer(head uint16) {
	*(*uint16)(unsafe.Pointer(&r.f.memory[r.at+availAt+4+2*(int(r.avail)&(r.size-1))])) = head
	r.avail++
	flags := atomic.LoadUint32(r.word(availAt)) & 0xffff
	atomic.StoreUint32(r.word(availAt), flags|uint32(r.avail)<<16)
}

// notify kicks if the device wants it, after chains were offered from was on.
func (r *guestRing) notify(was uint16) (kicked bool) {
	word := atomic.LoadUint32(r.word(usedAt))
	if r.f.features&featEventIndex != 0 {
		event := uint16(atomic.LoadUint32(r.word(usedAt + 4 + 8*r.size)))
		kicked = r.avail-event-1 < r.avail-was
	} else {
		kicked = word&noNotify == 0
	}
	if kicked {
		r.kickNow()
	}
	return kicked
}

func (r *guestRing) kickNow() {
	one := [8]byte{1}
	_, _ = unix.Write(r.kick, one[:])
}

// usedIndex is what the device has published.
func (r *guestRing) usedIndex() uint16 { return uint16(atomic.LoadUint32(r.word(usedAt)) >> 16) }

// element returns what the device says of a chain that was used.
func (r *guestRing) element(i uint16) (head, length uint32) {
	at := r.at + usedAt + 4 + 8*(int(i)&(r.size-1))
	e := *(*[2]uint32)(unsafe.Pointer(&r.f.memory[at]))
	return e[0], e[1]
}

// called takes what calls have come.
func (r *guestRing) called() uint64 {
	var b [8]byte
	if _, err := unix.Read(r.call, b[:]); err != nil {
		return 0
	}
	return binary.NativeEndian.Uint64(b[:])
}

// slot is where the i-th place for a frame of the ring is.
func (r *guestRing) slot(i int) int { return placesAt + (r.index*r.size+i)*r.f.place }

// postAll makes a buffer of each place available.
func (r *guestRing) postAll() {
	was := r.avail
	for i := range r.size {
		r.desc(i, uint64(guestBase+r.slot(i)), uint32(r.f.place), descWrite, 0)
		r.offer(uint16(i))
	}
	r.notify(was)
}

// wantNoCall has the guest ask for no calls.
func (r *guestRing) wantNoCall() {
	if r.f.features&featEventIndex != 0 {
		atomic.StoreUint32(r.word(availAt+4+2*r.size), uint32(r.usedIndex()-1)) // long ago
		return
	}
	atomic.StoreUint32(r.word(availAt), noInterrupt|uint32(r.avail)<<16)
}
