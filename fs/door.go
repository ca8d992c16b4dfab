package fs

import (
	"encoding/binary"
	"slices"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/fs/devfuse"
)

// joined is a door that was opened: an endpoint of the bus on one side, a hot
// handle of the device on the other.
type joined interface {
	bus.Endpoint
	devfuse.Handle
}

// answerer is the part of reading that differs.
type answerer interface {
	// answer gives r what it can of what is queued, of which there is
	// something. It is called with the connection locked, and unlocks it.
	answer(r devfuse.Reply, size int)
}

// door is what port and stream share. The connection's lock guards all
// fields below self. It is kept small: a mount may have ten thousand.
type door struct {
	fs   *FS
	conn *bus.Conn
	self answerer // the port or stream that this is the door of

	// +checklocks:conn.mu
	waiters waiters // READs; none while frames are queued
	// rest is a frame of which a reader with a small buffer got the first
	// used bytes (of its stream form, in a stream).
	// +checklocks:conn.mu
	rest *rest
	// A poller sleeps: NotifyPoll(kh), once.
	// +checklocks:conn.mu
	armed bool
	// +checklocks:conn.mu
	closed bool // of a stream: Release has been called
	// +checklocks:conn.mu
	kh uint64
	// sends are WRITEs that wait, oldest first.
	// +checklocks:conn.mu
	sends []*send
}

type rest struct {
	frame frame.Frame
	used  int
}

// Attach notes the connection.
func (d *door) Attach(c *bus.Conn) { d.conn = c }

// Read answers from what is queued, or waits.
//
// +checklocksignore: the call of answer ends with the lock given up
func (d *door) Read(r devfuse.Reply, size int, nonblock bool) {
	c := d.conn
	c.Lock()
	switch {
	case d.readableLocked():
		d.self.answer(r, size)
	case c.Gone():
		c.Unlock()
		r.Error(0)
	case nonblock:
		c.Unlock()
		r.Error(unix.EAGAIN)
	default:
		d.waiters.add(waiter{r.Unique(), size})
		c.Unlock()
	}
}

// Wake serves the READs that wait from the queue, and wakes a poller.
func (d *door) Wake() {
	d.conn.Lock()
	for len(d.waiters) > 0 && d.readableLocked() {
		w := d.waiters.pop()
		d.self.answer(d.fs.dev.Reply(w.unique), w.size)
		d.conn.Lock() // +checklocksforce: answer gave it up
	}
	d.wakePoller()
}

// Gone serves what is queued to those who wait, and the end of file to the
// others.
func (d *door) Gone() {
	d.Wake()
	d.end()
}

// claim takes the oldest waiter out, if it has room for size bytes.
//
// +checklocks:d.conn.mu
func (d *door) claim(size int) (token uint64, ok bool) {
	if len(d.waiters) == 0 || d.waiters[0].size < size {
		return 0, false
	}
	return d.waiters.pop().unique, true
}

// readableLocked tells whether a read would give something now.
//
// +checklocks:d.conn.mu
func (d *door) readableLocked() bool { return d.rest != nil || d.conn.QueuedLocked() > 0 }

// wakePoller wakes who sleeps in poll, and unlocks.
//
// +checklocksrelease:d.conn.mu
func (d *door) wakePoller() {
	kh, wake := d.kh, d.armed
	d.armed = false
	d.conn.Unlock()
	if wake {
		d.fs.dev.NotifyPoll(kh)
	}
}

// end answers all who still wait with the end of file.
func (d *door) end() {
	d.conn.Lock()
	waiters := d.waiters
	d.waiters = nil
	for _, w := range waiters {
		d.fs.dev.Reply(w.unique).Error(0)
	}
	d.wakePoller()
}

// Poll tells what a read and a write would do.
func (d *door) Poll(r devfuse.Reply, events uint32, kh uint64, schedule bool) {
	c := d.conn
	c.Lock()
	if schedule {
		d.armed, d.kh = true, kh
	}
	ready := d.readableLocked()
	c.Unlock()
	var revents uint32
	switch {
	case c.Gone():
		revents = devfuse.PollHup | devfuse.PollIn
	case c.CanSend() && events&devfuse.PollOut != 0 && !d.blocked(schedule):
		revents = devfuse.PollOut
	}
	if ready && c.CanReceive() {
		revents |= devfuse.PollIn
	}
	r.Poll(revents & (events | devfuse.PollHup))
}

// blocked tells whether a send would wait now; if watch is set, Wake follows
// when that may have changed.
func (d *door) blocked(watch bool) bool {
	if !d.conn.Blocked() {
		return false
	}
	if watch {
		d.conn.WantOut()
		return d.conn.Blocked() // it may have changed before we asked
	}
	return true
}

// again is called before a send that would have to wait is answered EAGAIN. A
// poller that goes by edges asked when there was room, and not since.
func (d *door) again() {
	d.conn.Lock()
	armed := d.armed
	d.conn.Unlock()
	if armed && !d.blocked(true) {
		d.Wake()
	}
}

// Interrupt ends the waiting of a READ or WRITE whose caller has a signal.
func (d *door) Interrupt(unique uint64) bool {
	d.conn.Lock()
	waited := d.waiters.remove(unique)
	j := slices.IndexFunc(d.sends, func(s *send) bool { return s.reply.Unique() == unique })
	var s *send
	if j >= 0 {
		s = d.sends[j]
	}
	d.conn.Unlock()
	switch {
	case waited:
		d.fs.dev.Reply(unique).Error(unix.EINTR)
	case s != nil:
		s.interrupt()
	}
	return waited || s != nil
}

// Release ends the connection.
func (d *door) Release() {
	d.conn.Lock()
	sends := slices.Clone(d.sends)
	if d.rest != nil {
		d.rest.frame.Release()
		d.rest = nil
	}
	d.conn.Unlock()
	for _, s := range sends {
		s.interrupt()
	}
	d.conn.Leave()
	d.end()
}

// portNumberIoctl is _IOR('I', 1, __u32): the caller's own port number.
const portNumberIoctl = 0x80044901

// Ioctl answers on doors which port number they have.
func (f *FS) Ioctl(_ <-chan struct{}, in *fuse.IoctlIn, _ []byte, _ *fuse.IoctlOut, out []byte) fuse.Status {
	h, ok := f.dev.Handle(in.Fh).(interface{ number() int })
	if !ok || in.Cmd != portNumberIoctl || len(out) < 4 {
		return fuse.Status(unix.ENOTTY)
	}
	binary.NativeEndian.PutUint32(out, uint32(h.number()))
	return fuse.OK
}

func (d *door) number() int { return d.conn.Port().Number() }
