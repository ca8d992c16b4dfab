package vhost

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"ipnfs/bus/fail"
)

// maxRing is the most descriptors of a ring (virtio 1.2, 2.7).
const maxRing = 1 << 15

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
	region            *region
	pieces            []piece // of chains that were taken
}

// errRing is why a ring breaks, or cannot run.
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
