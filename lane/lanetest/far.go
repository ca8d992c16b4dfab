package lanetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
)

// Far is a socket whose other end is a source's: what is written here the source
// reads, one message as one frame, whatever it is.
type Far struct {
	FD   int
	Near int // the source's

	mu     sync.Mutex
	buf    []byte
	frames [][]byte
}

// NewFar makes one until the test ends. The near end is closed by the source.
func NewFar(tb testing.TB) *Far {
	tb.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	for _, fd := range p {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 200<<10); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() { unix.Close(p[1]) })
	return &Far{FD: p[1], Near: p[0], buf: make([]byte, 1<<17)}
}

// Try lets the source read raw, if there is room.
func (f *Far) Try(raw []byte) bool {
	_, err := unix.Write(f.FD, raw)
	return err == nil
}

// Bring lets the source read what is raw, one after the other.
func (f *Far) Bring(tb testing.TB, raws ...[]byte) {
	tb.Helper()
	for _, raw := range raws {
		bustest.WaitFor(tb, "the source to read", func() bool { return f.Try(raw) })
	}
}

// FillUp brings frames until the source reads no more of them, and returns how
// many there were.
func (f *Far) FillUp(tb testing.TB, frame func(i int) []byte) (n int) {
	tb.Helper()
	f.Bring(tb, frame(0))
	for n = 1; f.Try(frame(n)); n++ {
		if n > 1e6 {
			tb.Fatal("the source reads and reads")
		}
	}
	return n
}

// Received returns what the source wrote so far.
func (f *Far) Received() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		n, err := unix.Read(f.FD, f.buf)
		if err != nil || n == 0 {
			return slices.Clone(f.frames)
		}
		f.frames = append(f.frames, slices.Clone(f.buf[:n]))
	}
}

// Taken returns what Received did before.
func (f *Far) Taken() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.frames)
}

// Drain reads what the source wrote, and forgets it.
func (f *Far) Drain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if n, err := unix.Read(f.FD, f.buf); err != nil || n == 0 {
			return
		}
	}
}

// Await waits until the source wrote n frames.
func (f *Far) Await(tb testing.TB, n int) [][]byte {
	tb.Helper()
	bustest.WaitFor(tb, fmt.Sprintf("%d frames to come", n), func() bool { return len(f.Received()) >= n })
	return f.Received()
}

// Waits tells whether something lies unread at the source.
func (f *Far) Waits() bool {
	n, err := unix.IoctlGetInt(f.Near, unix.TIOCINQ)
	return err == nil && n > 0
}

// Closed tells whether nothing is at the other end any more.
func (f *Far) Closed() bool {
	poll := []unix.PollFd{{Fd: int32(f.FD)}}
	_, err := unix.Poll(poll, 0)
	return err == nil && poll[0].Revents&unix.POLLHUP != 0
}
