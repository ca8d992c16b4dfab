package device

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// fakeTap is a socket whose other end is the queue of a device: whatever is
// written here the device reads, one message as one frame with its header,
// also what no kernel would give it.
type fakeTap struct {
	fd     int
	near   int // the device's
	mu     sync.Mutex
	buf    []byte
	frames [][]byte
}

func newFakeTap(t testing.TB) *fakeTap {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range p {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 200<<10); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { unix.Close(p[1]) })
	return &fakeTap{fd: p[1], near: p[0], buf: make([]byte, 1<<17)}
}

// start joins it to a network until the test ends.
func (f *fakeTap) start(t testing.TB, l *bustest.Lab, c Config) *Device {
	t.Helper()
	c.Fds = []int{f.near}
	return start(t, l, c)
}

// start joins a device until the test ends.
func start(t testing.TB, l *bustest.Lab, c Config) *Device {
	t.Helper()
	d, err := Start(l.Net, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// try lets the device read raw, if it has room.
func (f *fakeTap) try(raw []byte) bool {
	_, err := unix.Write(f.fd, raw)
	return err == nil
}

// bring lets the device read what is raw, one after the other.
func (f *fakeTap) bring(t testing.TB, raws ...[]byte) {
	t.Helper()
	for _, raw := range raws {
		bustest.WaitFor(t, "the device to read", func() bool { return f.try(raw) })
	}
}

// received returns what the device wrote so far.
func (f *fakeTap) received() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		n, err := unix.Read(f.fd, f.buf)
		if err != nil || n == 0 {
			return slices.Clone(f.frames)
		}
		f.frames = append(f.frames, slices.Clone(f.buf[:n]))
	}
}

func (f *fakeTap) await(t testing.TB, n int) [][]byte {
	t.Helper()
	bustest.WaitFor(t, fmt.Sprintf("%d frames to come", n), func() bool { return len(f.received()) >= n })
	return f.received()
}

// hubLab is a network on which all frames go to all.
func hubLab(t testing.TB) *bustest.Lab { return bustest.NewLab(t, "bustest-hub") }

// withAndWithoutRing runs a test on a loop with io_uring, and on one whose
// kernel refuses it.
func withAndWithoutRing(t *testing.T, run func(t *testing.T)) {
	t.Run("ring", run)
	t.Run("calls", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one loop for all
		l, err := acquireLoop()
		if err != nil {
			t.Fatal(err)
		}
		defer l.release()
		if l.ring != nil {
			l.mu.Lock() // as watch does
			l.ring.broken = true
			l.mu.Unlock()
		}
		run(t)
	})
}

// count is one counter of a port.
func count(p *bus.Port, name string) uint64 {
	stats := p.Stats()
	for _, s := range stats.List() {
		if s.Name == name {
			return s.Value
		}
	}
	panic("no such counter: " + name)
}
