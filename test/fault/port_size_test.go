package fault

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// maxFrame is the largest mtu.
const maxFrame = 1044480

// aligned and unaligned are buffers that begin at a page and beside one: the
// kernel splits large writes differently.
func aligned(t *testing.T, n int) []byte {
	t.Helper()
	data, err := unix.Mmap(-1, 0, n+os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(data) })
	copy(data, pattern(n, 3))
	return data[:n:n]
}

func unaligned(t *testing.T, n int) []byte {
	t.Helper()
	data := aligned(t, n+111)[111:]
	copy(data, pattern(n, 3))
	return data
}

// exchange sends a frame and checks that it arrives whole and alone.
func exchange(t *testing.T, w, r int, frame []byte) {
	t.Helper()
	write(t, w, frame)
	if got := read(t, r, len(frame)+100); !bytes.Equal(got, frame) {
		t.Fatalf("a frame of %d bytes came as %d, equal from the start for %d", len(frame), len(got), equal(got, frame))
	}
	expectEmpty(t, r)
}

// equal counts the bytes that are the same from the start on.
func equal(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// refused checks that a write fails with EMSGSIZE and sends nothing.
func refused(t *testing.T, m *harness.Mounted, w, r int, frame []byte) {
	t.Helper()
	before := m.Stats(t, lan)
	done := await(t, "write", writing(w, frame))
	expectErr(t, fmt.Sprintf("write of %d bytes", len(frame)), done.err, unix.EMSGSIZE)
	expectEmpty(t, r)
	after := m.Stats(t, lan)
	if after["frames"] != before["frames"] || after["refused_too_long"] != before["refused_too_long"]+1 {
		t.Errorf("a refused frame of %d bytes changed the stats from %v to %v", len(frame), before, after)
	}
}

// Frames up to the mtu pass, longer ones are refused.
func TestMTU(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	for _, mtu := range []int{65535, 60, 1500, 4096, 8191, 65536, 100000, maxFrame} {
		harness.Set(t, fmt.Sprint(mtu), m.Path(lan, "mtu"))
		for _, n := range []int{1, 2, 59, 60, mtu - 1, mtu} {
			exchange(t, w, r, unaligned(t, n))
		}
		refused(t, m, w, r, unaligned(t, mtu+1))
		refused(t, m, w, r, aligned(t, mtu+1))
	}
}

// The largest frame arrives whole whatever its alignment, and every longer
// write is refused, however the kernel splits it.
func TestLargestFrame(t *testing.T) {
	m := start(t)
	harness.Set(t, fmt.Sprint(maxFrame), m.Path(lan, "mtu"))
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	exchange(t, w, r, aligned(t, maxFrame))
	exchange(t, w, r, unaligned(t, maxFrame))
	for _, n := range []int{maxFrame + 1, 1048031, 1048032, 1 << 20, 1<<20 + 1, 2 << 20, 5 << 20} {
		refused(t, m, w, r, aligned(t, n))
		refused(t, m, w, r, unaligned(t, n))
	}
	for _, flags := range []int{unix.O_APPEND, unix.O_NONBLOCK, unix.O_APPEND | unix.O_NONBLOCK} {
		w := openPort(t, m, unix.O_WRONLY|flags)
		exchange(t, w, r, unaligned(t, maxFrame))
		refused(t, m, w, r, unaligned(t, 2<<20))
	}
}

// The largest frame is read in parts, and by a reader that waits, as well.
func TestLargestFrameRead(t *testing.T) {
	m := start(t)
	harness.Set(t, fmt.Sprint(maxFrame), m.Path(lan, "mtu"))
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	frame := unaligned(t, maxFrame)
	waiting := reading(r, 4<<20)
	awaitBlocked(t, m, 1)
	write(t, w, frame)
	if got := await(t, "read", waiting); !bytes.Equal(got.data, frame) {
		t.Fatalf("%d bytes, %v", got.n, got.err)
	}
	write(t, w, frame)
	write(t, w, frame[:10])
	var all []byte
	for len(all) < len(frame) {
		all = append(all, read(t, r, 99991)...)
	}
	if !bytes.Equal(all, frame) {
		t.Fatalf("%d bytes, equal for %d", len(all), equal(all, frame))
	}
	expect(t, r, string(frame[:10]))
}

// A frame that was accepted is delivered, though the mtu has become smaller.
func TestSmallerMTU(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	frame := pattern(5000, 1)
	write(t, w, frame)
	harness.Set(t, "100", m.Path(lan, "mtu"))
	if got := read(t, r, 65536); !bytes.Equal(got, frame) {
		t.Fatalf("%d bytes", len(got))
	}
	refused(t, m, w, r, frame)
}
