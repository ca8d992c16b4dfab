package cable

import (
	"errors"
	"io"
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
	port *lane.Endpoint

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

var _ lane.Rewired = (*line)(nil)

func newLine() (*line, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return &line{idle: fd}, os.NewSyscallError("eventfd", err)
}

func (l *line) source() lane.Source { return lane.Source{FD: l.idle, Driver: l, Bulk: true} }

// Read is lane.Driver's. What ends the link does not end the port: ErrMore has it read
// again, from a line without a link.
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

// HungUp is lane.Rewired's.
func (l *line) HungUp() {
	l.reading.Lock()
	defer l.reading.Unlock()
	if k := l.link; k != nil && !k.over.Load() && hungUp(k.FD) {
		l.broken(k, io.EOF)
	}
}

func hungUp(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0 && poll[0].Revents&unix.POLLHUP != 0
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

// broken ends the link, from within a call of it or from elsewhere. The lane leaves it
// before its supervisor hears of it, who may make another.
func (l *line) broken(k *link, err error) {
	if k.over.CompareAndSwap(false, true) {
		l.leave()
		k.ended <- err
	}
}

// leave takes the lane off the link's descriptors. It cannot fail but where the kernel
// has no memory for a few bytes: then those of the link stay until they are closed.
func (l *line) leave() { _ = l.port.Rewire(l.source()) }

// connect makes k the link.
func (l *line) connect(k *link) {
	l.set(k)
	if err := l.port.Rewire(k.Source); err != nil {
		l.broken(k, err)
	} else if k.over.Load() { // meanwhile
		l.leave()
	}
}

// disconnect takes the link away and closes it. Nobody calls it any more, nor uses what
// it has lent.
func (l *line) disconnect(k *link) {
	k.over.Store(true)
	l.leave()
	l.set(nil)
	l.port.Quiesce()
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
