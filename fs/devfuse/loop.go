package devfuse

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/lane"
)

// Sizes in bytes of what passes the device in one request. MaxWrite is the
// kernel's limit of 256 pages.
const (
	MaxWrite   = 1 << 20
	bufferSize = MaxWrite + 4096
)

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
//
// The device has a thread of its own, on which it blocks in read(2), and is no
// source of a lane: to ask epoll first costs a call a request, a tenth of a
// write(2) or read(2) on a port.
func (d *Device) Serve() error {
	buf := make([]byte, bufferSize)
	var err error
	lane.Run(func() (more bool) {
		var n int
		n, err = unix.Read(d.fd, buf)
		switch {
		case err == nil && n == 0: // never from /dev/fuse: the other end of a test
			return false
		case err == nil:
			if !d.dispatch(buf[:n]) {
				d.serveCold(buf[:n])
			}
			return true
		}
		// ENOENT: the request was taken back while it was read.
		return errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOENT)
	})
	d.finish()
	if errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ECONNABORTED) {
		return nil
	}
	return err
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
