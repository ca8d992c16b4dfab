package device

import (
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTap is the far end of the queue of a tap: whatever is written here the
// device reads, one message as one frame with its header, also what no kernel would
// give it.
type fakeTap struct{ *lanetest.Far }

func newFakeTap(t testing.TB) *fakeTap {
	t.Helper()
	return &fakeTap{lanetest.NewFar(t)}
}

// start joins it to a network until the test ends.
func (f *fakeTap) start(t testing.TB, l *bustest.Lab, c Config) *Device {
	t.Helper()
	c.Fds = []int{f.Near}
	return startTap(t, l, c)
}

// startTap joins a tap until the test ends.
func startTap(t testing.TB, l *bustest.Lab, c Config) *Device {
	t.Helper()
	sources := tapSources(c.Fds, c.Shared)
	for _, s := range sources {
		s.Driver.(*tapQueue).noRing.Store(noRing)
	}
	return started(t, l, c, tapFits, sources)
}

// startPacket joins a packet socket until the test ends.
func startPacket(t testing.TB, l *bustest.Lab, c Config) *Device {
	t.Helper()
	return started(t, l, c, packetFits, packetSources(c.Fds))
}

func started(t testing.TB, l *bustest.Lab, c Config, f fits, sources []lane.Source) *Device {
	t.Helper()
	d, err := join(l.Net, c, f, sources)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// noRing has taps that are started do without io_uring.
var noRing bool

// withAndWithoutRing runs a test with io_uring, and as if the kernel knew no such
// calls on such descriptors.
func withAndWithoutRing(t *testing.T, run func(t *testing.T)) {
	t.Run("ring", run)
	t.Run("calls", func(t *testing.T) {
		noRing = true
		defer func() { noRing = false }()
		run(t)
	})
}

// marked is the seq-th frame of a sender, complete, with a virtio-net header.
func marked(sender, seq int) []byte {
	return bustest.WithHeader(vnet.Header{}, lanetest.Frame(sender, seq))
}

func put(t testing.TB, fd int, b []byte) {
	t.Helper()
	if n, err := unix.Write(fd, b); n != len(b) {
		t.Fatalf("write: %d, %v", n, err)
	}
}
