package cable

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// line is the driver under the port of a cable, and stays as long as the port does.
type line struct {
	// idle is the descriptor while there is no link: an eventfd that may always be
	// written and never read, so that what waits in the queue is lost at once.
	idle int
	wire func(fd, outFD int) // lane.Endpoint.Rewire

	// Either is held while the link is called, both while it is changed.
	reading, writing sync.Mutex
	link             *link
}

// link is a Link in use.
type link struct {
	*Link
	over  atomic.Bool
	ended chan error // why; one at most
}

func newLink(k *Link) *link { return &link{Link: k, ended: make(chan error, 1)} }

// end says that the link has broken.
func (k *link) end(err error) bool {
	if !k.over.CompareAndSwap(false, true) {
		return false
	}
	k.ended <- err
	return true
}

var _ lane.Driver = (*line)(nil)

func newLine() (*line, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return &line{idle: fd}, os.NewSyscallError("eventfd", err)
}

func (l *line) source() lane.Source { return lane.Source{FD: l.idle, Driver: l, Bulk: true} }

// Read is lane.Driver's. What ends the link does not end the port: ErrMore has it read
// again, from a line without a link, so that a hang-up is not taken for the port's.
func (l *line) Read(t *lane.Turn, room int) (frames int, err error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	k := l.link
	if k == nil || k.over.Load() {
		return 0, unix.EAGAIN
	}
	frames, err = k.Driver.Read(t, room)
	if err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || err == lane.ErrMore {
		return frames, err
	}
	l.broken(k, err)
	return frames, lane.ErrMore
}

// Write is lane.Driver's.
func (l *line) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if k := l.link; k != nil && !k.over.Load() {
		taken, err = k.Driver.Write(t, frames)
		if err == nil || errors.Is(err, unix.EAGAIN) {
			return taken, err
		}
		l.broken(k, err)
	}
	for i := range frames[taken:] {
		t.Lost(&frames[taken+i])
	}
	return len(frames), nil
}

// broken ends the link, from within a call of it or from elsewhere.
func (l *line) broken(k *link, err error) {
	if k.end(err) {
		l.wire(l.idle, 0)
	}
}

// connect makes k the link.
func (l *line) connect(k *link) {
	l.set(k)
	l.wire(k.FD, k.OutFD)
	if k.over.Load() { // meanwhile
		l.wire(l.idle, 0)
	}
}

// disconnect takes the link away and closes it. Nobody calls it any more.
func (l *line) disconnect(k *link) {
	l.wire(l.idle, 0)
	l.set(nil)
	k.Driver.Close()
}

func (l *line) set(k *link) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.link = k
}

// Close is lane.Driver's: the port has ended. The link is its supervisor's.
func (l *line) Close() { _ = unix.Close(l.idle) }
