package devfuse

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Sizes in bytes of what passes the device in one request. MaxWrite is the
// kernel's limit of 256 pages.
const (
	MaxWrite   = 1 << 20
	bufferSize = MaxWrite + 4096
)

// yieldEvery is after how many requests Serve gives way to the scheduler.
// A goroutine that never does so looks to Go's monitor thread like one that
// has run for too long: every 20 us it wakes to preempt it, which cost 5 % of
// the operations and made the slowest percent ten times slower.
const yieldEvery = 128

// coldPatience is how long the end waits for requests that the tree still serves.
// An attach may hang for ever in a file system that does not answer.
const coldPatience = 3 * time.Second

// Device is a connection to the kernel by /dev/fuse.
type Device struct {
	fd      int
	handles table
	waits   waits
	current atomic.Uint64 // the READ or WRITE that is served now; 0: it is answered

	tree   fuse.RawFileSystem
	server *fuse.ProtocolServer
	cold   sync.WaitGroup
}

// NewDevice makes a Device of an open /dev/fuse, which it owns from now on.
// What is not hot goes to tree.
func NewDevice(fd int, tree fuse.RawFileSystem) *Device {
	return &Device{fd: fd, tree: tree, server: fuse.NewProtocolServer(tree, options())}
}

// Open makes f a hot handle and returns the number to answer OPEN with.
func (d *Device) Open(f Handle) uint64 { return d.handles.add(f) }

// Handle returns the hot handle of that number, or nil.
func (d *Device) Handle(fh uint64) Handle { return d.handles.get(fh) }

// Serve answers requests until the file system is unmounted or the connection
// is aborted, which is no error. Then every handle is released.
func (d *Device) Serve() error {
	buf := make([]byte, bufferSize)
	for served := 0; ; served++ {
		if served%yieldEvery == 0 {
			runtime.Gosched()
		}
		n, err := unix.Read(d.fd, buf)
		switch {
		case err == nil && n == 0: // never from /dev/fuse: the other end of a test
			d.finish()
			return nil
		case err == nil:
			if !d.dispatch(buf[:n]) {
				d.serveCold(buf[:n])
			}
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOENT):
			// ENOENT: the request was taken back while it was read.
		case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ECONNABORTED):
			d.finish()
			return nil
		default:
			d.finish()
			return err
		}
	}
}

// Do serves one request, which is lent, and returns when its work is done: for
// tests that play the kernel while Serve does not run.
func (d *Device) Do(request []byte) {
	if !d.dispatch(request) {
		d.answerCold(coldRequest(request))
	}
}

// finish releases what clients can no longer release. What the tree opens later,
// it releases itself, as the answer cannot be delivered (answerCold).
func (d *Device) finish() {
	served := make(chan struct{})
	go func() {
		d.cold.Wait()
		close(served)
	}()
	select {
	case <-served:
	case <-time.After(coldPatience):
	}
	d.handles.each(func(fh uint64, _ Handle) bool {
		d.release(fh)
		return true
	})
}

// Close closes the device; what is still mounted then fails with ENOTCONN.
func (d *Device) Close() error { return unix.Close(d.fd) }
