package vhost

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"ipnfs/bus/fail"
)

// Limits. The guest chooses the size of a ring; a chain is no longer than the
// kernel's vhost takes (UIO_MAXIOV).
const (
	maxRing  = 1 << 15
	maxChain = 1024
)

// Flags of descriptors and of rings (linux/virtio_ring.h).
const (
	descNext     = 1
	descWrite    = 2 // the device writes there; else it reads
	descIndirect = 4

	noNotify    = 1 // of used: the guest need not kick
	noInterrupt = 1 // of avail: the device need not call
)

// descriptor is struct vring_desc.
type descriptor struct {
	addr        uint64 // of the guest
	len         uint32
	flags, next uint16
}

const descriptorLen = 16

// addresses are where the front end says that a ring is, in its own memory.
type addresses struct{ desc, used, avail uint64 }

// ring is a split virtqueue (virtio 1.2, 2.7). The guest may write anything to its
// memory at any time: each word is read once, and checked then.
//
// Go has no atomic operations on 16 bits. An index is read and written together
// with the flags beside it, as a word of 32.
type ring struct {
	kick kick
	call call
	err  call

	mu sync.Mutex // a leaf, held while the guest's memory is used, and for what follows

	// What the front end said.

	size     uint16 // descriptors, a power of two; 0: not yet
	at       addresses
	features uint64
	table    *table
	started  bool
	enabled  bool

	// Where the ring is, while it runs.

	running           bool
	broken            error // why it runs no more
	desc, avail, used unsafe.Pointer
	next              uint16 // chain of avail to take
	seen              uint16 // chains of avail that are known to be there end here
	done, published   uint16 // index of used: with what is not told yet, and as told
	listening         bool   // the guest is asked to kick
	fence             uint32 // see listen
	region            *region
	pieces            []piece // of chains that were taken
}

// piece is a part of a chain, in memory.
type piece struct {
	at  unsafe.Pointer
	len int
}

// bytes are the piece.
func (p *piece) bytes() []byte { return unsafe.Slice((*byte)(p.at), p.len) }

func errRing(format string, args ...any) error { return fail.Errorf(fail.Invalid, format, args...) }

// guarded calls f, which may use the memory of the guest. The ring breaks if the
// front end took that away meanwhile, by making its file shorter: then there is
// SIGBUS.
//
// +checklocks:r.mu
func (r *ring) guarded(f func()) {
	defer r.guard(debug.SetPanicOnFault(true))
	f()
}

// guard is deferred, before anything else, where the memory of the guest is used.
func (r *ring) guard(was bool) {
	debug.SetPanicOnFault(was)
	switch e := recover().(type) {
	case nil:
	case interface{ Addr() uintptr }:
		if !r.table.has(e.Addr()) {
			panic(e)
		}
		r.fail(errRing("the memory of the guest has gone: its file is shorter than it was"))
	default:
		panic(e)
	}
}

// fail breaks the ring: it runs no more before the front end starts it again.
func (r *ring) fail(why error) {
	r.running, r.broken = false, why
	if r.err.fd >= 0 {
		r.err.now()
	}
}

// check breaks the ring if there is an error, and tells whether there is none.
func (r *ring) check(err error) bool {
	if err != nil {
		r.fail(err)
	}
	return err == nil
}

// update lets the ring run, if all is known that it needs, or not. It is called
// when something of that has changed.
//
// +checklocks:r.mu
func (r *ring) update() error {
	was := r.running
	r.running = false
	// Nothing points to where memory was, as that may be Go's own later.
	r.desc, r.avail, r.used, r.region = nil, nil, nil, nil
	clear(r.pieces[:cap(r.pieces)])
	if !r.started || r.broken != nil || r.size == 0 || r.at == (addresses{}) || r.table == nil {
		return nil
	}
	n := uint64(r.size)
	r.desc = r.table.ofUser(r.at.desc, n*descriptorLen)
	r.avail = r.table.ofUser(r.at.avail, 4+2*n+4) // used_event is read as a word
	r.used = r.table.ofUser(r.at.used, 4+8*n+2)
	switch {
	case r.desc == nil || r.avail == nil || r.used == nil:
		return errRing("a ring of %d is not in the memory: its addresses are %#x, %#x and %#x", r.size, r.at.desc, r.at.avail, r.at.used)
	case uintptr(r.desc)%descriptorLen != 0 || uintptr(r.avail)%4 != 0 || uintptr(r.used)%4 != 0:
		return errRing("a ring must lie at multiples of 16, 4 and 4, and not at %#x, %#x and %#x", r.at.desc, r.at.avail, r.at.used)
	}
	r.running = true
	if !was {
		r.guarded(r.begin)
	}
	return r.broken
}

// begin goes on where the guest believes that we are. All that was taken once is
// done, so that is what used says, even if a process of ours ended in between.
func (r *ring) begin() {
	r.done = uint16(atomic.LoadUint32((*uint32)(r.used)) >> 16)
	r.next, r.seen, r.published = r.done, r.done, r.done
	r.listening = true
	r.listen(r.next)
}

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
	if !r.listening {
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
		// What was stored must be seen before what is loaded next is loaded. On
		// arm64 an atomic store and an atomic load are in order, and so is what
		// stands before the store.
		atomic.StoreUint32(&r.fence, 0)
	}
	r.tell()
	return uint16(atomic.LoadUint32((*uint32)(r.avail))>>16) != seen
}

// quiet says that no kick is wanted. With an event index that goes without saying,
// as the one that was asked for is behind.
func (r *ring) quiet() {
	if r.listening {
		r.listening = false
		r.tell()
	}
}

// stop ends the ring's work, and tells where it was.
func (r *ring) stop() (next uint16) {
	r.started, r.running, r.broken = false, false, nil
	return r.next
}

// wake has the ring looked at.
func (r *ring) wake() { r.kick.now() }

// open makes a ring that is not known yet.
func (r *ring) open(ready int, s *signals) error {
	for _, c := range []*call{&r.call, &r.err} {
		c.signals, c.fd = s, -1
		c.set(-1)
	}
	return r.kick.open(ready)
}

// close closes what the ring has.
func (r *ring) close() {
	r.kick.close()
	r.call.set(-1)
	r.err.set(-1)
}
