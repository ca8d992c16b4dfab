package qemu

import (
	"encoding/binary"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is the far end of a connection: a QEMU.
type guest struct {
	fd   int
	left atomic.Int64 // calls of Visitor.Left

	mu     sync.Mutex
	buf    []byte
	bytes  []byte // received, and no frame yet
	frames [][]byte
}

// pair makes a guest and the visitor that he is. Both rights are his.
func pair(tb testing.TB, n *bus.Network) (*guest, *bus.Visitor) {
	tb.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	g := &guest{fd: p[1], buf: make([]byte, 1<<18)}
	tb.Cleanup(func() { unix.Close(g.fd) })
	return g, &bus.Visitor{Network: n, FD: p[0], Recv: true, Send: true, Left: func() { g.left.Add(1) }}
}

// connect makes a guest a port.
func connect(tb testing.TB, l *bustest.Lab, change ...func(v *bus.Visitor)) *guest {
	tb.Helper()
	g, v := pair(tb, l.Net)
	for _, f := range change {
		f(v)
	}
	if err := serve(v); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { g.hangUp(tb) })
	return g
}

// hangUp ends the connection and waits until nothing is left of it.
func (g *guest) hangUp(tb testing.TB) {
	tb.Helper()
	_ = unix.Shutdown(g.fd, unix.SHUT_RDWR)
	bustest.WaitFor(tb, "the port to end", func() bool { return g.left.Load() == 1 })
}

// wire is frames as the stream has them.
func wire(frames ...[]byte) (stream []byte) {
	for _, f := range frames {
		stream = binary.BigEndian.AppendUint32(stream, uint32(len(f)))
		stream = append(stream, f...)
	}
	return stream
}

// write sends bytes to the last.
func (g *guest) write(tb testing.TB, stream []byte) {
	tb.Helper()
	bustest.WaitFor(tb, "the port to read", func() bool {
		n, err := unix.Write(g.fd, stream)
		if err == nil {
			stream = stream[n:]
		}
		return len(stream) == 0 || err != nil && err != unix.EAGAIN
	})
}

// received returns the frames that came so far.
func (g *guest) received() [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		n, err := unix.Read(g.fd, g.buf)
		if err != nil || n == 0 {
			return slices.Clone(g.frames)
		}
		g.bytes = append(g.bytes, g.buf[:n]...)
		for len(g.bytes) >= headLen {
			size := headLen + int(binary.BigEndian.Uint32(g.bytes))
			if len(g.bytes) < size {
				break
			}
			g.frames = append(g.frames, slices.Clone(g.bytes[headLen:size]))
			g.bytes = g.bytes[size:]
		}
	}
}

// taken returns what received did before.
func (g *guest) taken() [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.frames)
}

// drain reads what is there, and forgets it.
func (g *guest) drain() {
	for {
		if n, err := unix.Read(g.fd, g.buf); err != nil || n == 0 {
			return
		}
	}
}

// port is the one of that number.
func port(tb testing.TB, l *bustest.Lab, number int) *bus.Port {
	tb.Helper()
	p := l.Net.Port(number)
	if p == nil {
		tb.Fatalf("there is no port %d", number)
	}
	return p
}

func yieldUntil(ok func() bool) {
	for !ok() {
		runtime.Gosched()
	}
}
