package seq

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// first is what the first message of a peer may bring: one descriptor. Read hands it to
// serve, which looks at it: to close a descriptor of a file that is not ours may take
// as long as that file's server likes.
type first struct {
	came    bool        // Read's own
	late    atomic.Bool // who waited for it has gone
	control [24]byte    // CMSG_SPACE of one descriptor

	descriptors chan descriptor // of one place; closed at the end
}

// descriptor is what a first message brought.
type descriptor struct {
	fd   int // -1: none
	more bool
}

var rightsLen = unix.CmsgLen(4)

// prepare makes room for one descriptor with the next message, if that is the first.
func (f *first) prepare(h *unix.Msghdr) {
	if !f.came && !f.late.Load() {
		h.Control = &f.control[0]
		h.SetControllen(rightsLen)
	}
}

// arrived looks at the first message, and tells whether it brought a descriptor.
func (f *first) arrived(h *unix.Msghdr) bool {
	f.came = true
	d := descriptor{-1, h.Flags&unix.MSG_CTRUNC != 0}
	if h.Control != nil && int(h.Controllen) >= rightsLen {
		if messages, err := unix.ParseSocketControlMessage(f.control[:rightsLen]); err == nil {
			if fds, err := unix.ParseUnixRights(&messages[0]); err == nil {
				d.fd = fds[0]
			}
		}
	}
	f.descriptors <- d
	return d.fd >= 0
}

// await waits for the first message, and returns what descriptor it brought, -1 for
// none.
func (f *first) await(patience time.Duration) (fd int, err error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	d, ok := descriptor{fd: -1}, true
	select {
	case d, ok = <-f.descriptors:
	case <-timer.C:
		f.late.Store(true)
		select {
		case d, ok = <-f.descriptors:
		default:
		}
	}
	switch {
	case !ok || d.fd < 0:
		return -1, nil
	case d.more:
		return d.fd, fail.Errorf(fail.Invalid, "the first message brought several descriptors: one, of a tap, is all that it may bring")
	}
	return d.fd, nil
}

// close is the end: nothing is read any more.
func (f *first) close() {
	select {
	case d := <-f.descriptors:
		if d.fd >= 0 {
			_ = unix.Close(d.fd)
		}
	default:
	}
	close(f.descriptors)
}
