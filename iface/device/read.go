package device

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

// burstBytes keeps what is read at once within the processor's cache until it
// is written; minFrame is the length in bytes of an ethernet header.
const (
	burstBytes = 256 << 10
	minFrame   = 14
)

// queue is a descriptor that frames come from.
type queue struct {
	dev  *Device
	fd   int
	loop *loop

	mu sync.Mutex // held while it is served
	// +checklocks:mu
	closed bool
	// +checklocks:mu
	parked *bus.Parked // frames that wait for room: nothing is read meanwhile
	// +checklocks:mu
	burst int // frames to read at once
	// +checklocks:mu
	round int // loop.round when it was last served
}

// close ends what serves the queue; q.mu is held.
//
// +checklocks:q.mu
func (q *queue) close() {
	if !q.closed {
		q.closed = true
		q.loop.unwatch(q)
		if q.parked != nil {
			q.parked.Cancel()
		}
	}
}

// serve reads a burst and sends it.
func (q *queue) serve(l *loop) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.parked != nil {
		return
	}
	b := &l.batch
	got, bytes := 0, 0
	var errno unix.Errno
	asked := q.burst
	if q.dev.kind == Packet {
		got, bytes, errno = q.readPackets(l, asked)
	} else {
		got, bytes, errno = q.readTap(l, asked)
	}
	q.adapt(l, asked, got, bytes)
	if len(b.Frames) > 0 {
		if sent := q.dev.conn.Send(b); sent < len(b.Frames) && !q.dev.conn.Gone() {
			q.park(b, sent)
		}
	}
	b.Reset()
	switch errno {
	case unix.EOPNOTSUPP: // Linux before 5.11 knows no such reads from a tap
		l.ring.broken = true
	case 0, unix.EAGAIN, unix.EINTR, unix.ENETDOWN, unix.ENOBUFS:
	case unix.EINVAL: // a super-frame that no virtio-net header can tell of, such as SCTP's; it is lost
		q.dev.conn.CountDrop(frame.DropMalformed, 0)
	default: // EBADFD: the interface was deleted
		q.dev.fail(errno.Error())
	}
}

// adapt chooses how many frames to read the next time. A burst grows while
// there is as much as was asked for, one time after the other: at low load
// single frames are forwarded at once.
//
// +checklocks:q.mu
func (q *queue) adapt(l *loop, asked, got, bytes int) {
	busy := q.round == l.round-1
	q.round = l.round
	switch {
	case got < asked:
		q.burst = max(1, got)
	case busy:
		q.burst = max(1, min(2*asked, maxBurst, burstBytes*got/max(1, bytes)))
	}
}

// readTap reads up to asked frames from a tap into l.batch.
func (q *queue) readTap(l *loop, asked int) (got, bytes int, errno unix.Errno) {
	if asked == 1 || l.ring == nil || l.ring.broken {
		buf := l.buffer(0)
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(q.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		if errno != 0 {
			return 0, 0, errno
		}
		q.accept(&l.batch, buf[:n])
		return 1, int(n), 0
	}
	for i := range asked {
		buf := l.buffer(i)
		l.ring.add(opRead, q.fd, unsafe.Pointer(&buf[0]), len(buf))
	}
	for i, n := range l.ring.submit() {
		if n <= 0 { // a frame may have come after the read that found none
			errno = unix.Errno(-n)
			continue
		}
		q.accept(&l.batch, l.buffer(i)[:n])
		got++
		bytes += int(n)
	}
	return got, bytes, errno
}

// accept adds a frame with its header to the batch, if it is one that may
// enter the network.
func (q *queue) accept(b *bus.Batch, raw []byte) {
	if len(raw) < vnet.HeaderLen+minFrame {
		q.dev.conn.CountDrop(frame.DropMalformed, max(0, len(raw)-vnet.HeaderLen))
		return
	}
	h, data := vnet.Parse(raw), raw[vnet.HeaderLen:]
	if vnet.Check(h, data) != nil {
		q.dev.conn.CountDrop(frame.DropMalformed, len(data))
		return
	}
	q.add(b, raw, h)
}

// add adds a frame whose header h was checked, if its length fits.
func (q *queue) add(b *bus.Batch, raw []byte, h vnet.Header) {
	data := raw[vnet.HeaderLen:]
	wire := len(data)
	if !h.Plain() {
		wire = vnet.WireLen(h, data)
	}
	if q.fits(wire) {
		b.AddVnet(raw)
	}
}

// fits tells whether a frame of n bytes on the wire may enter the network, and
// counts it if not.
func (q *queue) fits(n int) bool {
	if n > q.dev.conn.Network().MTU() {
		q.dev.conn.CountRefused()
		return false
	}
	return true
}

// park keeps what could not be sent until there is room, and reads nothing
// before: a network that makes senders wait makes the interface's queue fill.
//
// +checklocks:q.mu
func (q *queue) park(b *bus.Batch, sent int) {
	p := &bus.Parked{Conn: q.dev.conn}
	if !p.Take(b, sent) {
		return // for want of memory they are lost
	}
	p.Resume = func(bool) {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.parked = nil
		if !q.closed {
			if err := q.loop.watch(q); err != nil {
				q.dev.fail("cannot be watched: " + err.Error())
			}
		}
	}
	q.parked = p
	q.loop.unwatch(q)
	// Resume takes q.mu: not from within.
	go p.Park()
}
