package lane

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A loop prepares no more operations than a ring has room for.
var _ [ringSize - MaxBurst]struct{}

func testRing(t testing.TB) *Ring {
	t.Helper()
	r, err := newRing()
	if err != nil {
		harness.Missing(t, "io_uring: "+err.Error())
	}
	t.Cleanup(r.close)
	return r
}

// pipe makes one whose ends have those flags.
func pipe(t testing.TB, flags int) (read, write int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|flags); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(p[0])
		unix.Close(p[1])
	})
	return p[0], p[1]
}

func put(t testing.TB, fd int, b []byte) {
	t.Helper()
	if n, err := unix.Write(fd, b); n != len(b) {
		t.Fatalf("write: %d, %v", n, err)
	}
}

// The results are those of the operations, in their order, whatever each of
// them comes to; and none waits, even on a descriptor on which read would.
func TestRingResults(t *testing.T) {
	for what, flags := range map[string]int{"blocking": 0, "non-blocking": unix.O_NONBLOCK} {
		r := testRing(t)
		full, empty := make([]int, 4), make([]int, 4)
		for i := range full {
			var in int
			full[i], in = pipe(t, flags)
			put(t, in, bytes.Repeat([]byte{byte('a' + i)}, i+1))
			empty[i], _ = pipe(t, flags)
		}
		var ended [2]int
		if err := unix.Pipe2(ended[:], unix.O_CLOEXEC|flags); err != nil {
			t.Fatal(err)
		}
		unix.Close(ended[1])
		var fds []int
		var want []int32
		for i := range 4 {
			fds = append(fds, empty[i], full[i], -1, ended[0], full[i])
			want = append(want, -int32(unix.EAGAIN), int32(i+1), -int32(unix.EBADF), 0, -int32(unix.EAGAIN))
		}
		bufs := make([][]byte, len(fds))
		for i, fd := range fds {
			bufs[i] = make([]byte, 100)
			r.Read(fd, bufs[i])
		}
		got := slices.Clone(r.Submit())
		unix.Close(ended[0])
		if !slices.Equal(got, want) {
			t.Errorf("%s: results are %v, want %v", what, got, want)
		}
		for i := range 4 {
			at := 5*i + 1
			if want := bytes.Repeat([]byte{byte('a' + i)}, i+1); got[at] != int32(i+1) || !bytes.Equal(bufs[at][:i+1], want) {
				t.Errorf("%s: read %q, want %q", what, bufs[at][:i+1], want)
			}
		}
		runtime.KeepAlive(bufs)
	}
}

// Writes arrive in the order in which they were prepared, in one piece or
// several; what does not fit is refused and does not wait.
func TestRingWrites(t *testing.T) {
	r := testRing(t)
	out, in := pipe(t, 0)
	first, second, third := []byte("one "), []byte("two "), []byte("three")
	pieces := []unix.Iovec{{Base: &second[0], Len: uint64(len(second))}, {Base: &third[0], Len: uint64(len(third))}}
	r.Write(in, first)
	r.Writev(in, pieces)
	r.Write(in, first[:0])
	r.Write(-1, first)
	r.Write(in, first[:3])
	if got := fmt.Sprint(r.Submit()); got != fmt.Sprint([]int32{4, 9, 0, -int32(unix.EBADF), 3}) {
		t.Errorf("results are %s", got)
	}
	buf := make([]byte, 100)
	if n, err := unix.Read(out, buf); string(buf[:max(n, 0)]) != "one two threeone" {
		t.Errorf("read %q, %v", buf[:max(n, 0)], err)
	}

	size, err := unix.FcntlInt(uintptr(in), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	page := make([]byte, size)
	r.Write(in, page)
	r.Write(in, page)
	if got := fmt.Sprint(r.Submit()); got != fmt.Sprint([]int32{int32(size), -int32(unix.EAGAIN)}) {
		t.Errorf("a full pipe: results are %s", got)
	}
	runtime.KeepAlive(pieces)
}

// A regular file knows no end of waiting: what cannot be done at once may be
// refused, but what is said to be done is.
func TestRingFiles(t *testing.T) {
	r := testRing(t)
	path := filepath.Join(t.TempDir(), "file")
	text := []byte("what stands in the file")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 {
		buf := make([]byte, 100)
		r.Read(int(f.Fd()), buf)
		r.Write(int(f.Fd()), text[:4])
		for i, n := range r.Submit() {
			switch {
			case n == -int32(unix.EAGAIN), n == -int32(unix.EOPNOTSUPP):
			case i == 0 && n > 0 && bytes.HasPrefix(text, buf[:n]), i == 1 && n == 4:
			default:
				t.Errorf("operation %d came to %d, %q", i, n, buf)
			}
		}
	}
	if got, err := os.ReadFile(path); !bytes.Equal(got, text) {
		t.Errorf("the file is %q, %v", got, err)
	}
}

// As many operations as a ring holds, and any number of calls of any size:
// its two queues go round.
func TestRingGoesRound(t *testing.T) {
	r := testRing(t)
	out, in := pipe(t, 0)
	random := rand.New(rand.NewPCG(5, 6))
	if got := r.Submit(); len(got) != 0 {
		t.Errorf("nothing to do came to %v", got)
	}
	var last, read byte
	sizes := []int{ringSize, ringSize, 1, ringSize - 1}
	for range 500 {
		sizes = append(sizes, 1+random.IntN(ringSize))
	}
	for round, n := range sizes {
		sent := make([]byte, n)
		for i := range sent {
			last++
			sent[i] = last
			r.Write(in, sent[i:i+1])
		}
		for i, got := range r.Submit() {
			if got != 1 {
				t.Fatalf("round %d: write %d of %d came to %d", round, i, n, got)
			}
		}
		got := make([]byte, n)
		for i := range got {
			r.Read(out, got[i:i+1])
		}
		if results := r.Submit(); len(results) != n || slices.Min(results) != 1 {
			t.Fatalf("round %d: reads came to %v", round, results)
		}
		for i := range got {
			if read++; got[i] != read {
				t.Fatalf("round %d: read %d gave byte %d, want %d: out of order", round, i, got[i], read)
			}
		}
	}
	if r.broken {
		t.Error("the ring takes itself for broken")
	}
}

// Rings of several goroutines have nothing to do with each other, though
// they use the same files.
func TestRingsRace(t *testing.T) {
	out, in := pipe(t, 0)
	var all sync.WaitGroup
	var sum [3]int
	for who := range sum {
		r := testRing(t)
		all.Go(func() {
			one, buf := []byte{1}, make([]byte, 8)
			for range 300 {
				for i := range 8 {
					r.Write(in, one)
					r.Read(out, buf[i:i+1])
				}
				for i, n := range r.Submit() {
					switch {
					case n == 1 && i%2 == 0:
						sum[who]++
					case n == 1:
						sum[who]--
					case n != -int32(unix.EAGAIN):
						t.Errorf("operation %d came to %d", i, n)
					}
				}
			}
		})
	}
	all.Wait()
	left, _ := unix.IoctlGetInt(out, unix.TIOCINQ)
	if sum[0]+sum[1]+sum[2] != left {
		t.Errorf("%v bytes were written more than read, %d are left", sum, left)
	}
}

// descriptors is how many are open.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A ring gives back its descriptor and its memory.
func TestRingCloses(t *testing.T) {
	testRing(t) // or skip
	before := descriptors(t)
	for range 100 {
		r, err := newRing()
		if err != nil {
			t.Fatal(err)
		}
		r.Read(-1, make([]byte, 1))
		r.Submit()
		r.close()
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors are open, before there were %d", after, before)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(maps, []byte("io_uring")); n > 4 {
		t.Errorf("%d mappings of rings are left", n)
	}
}

// A ring whose descriptor does not work says so, and gives no result as done.
func TestRingBreaks(t *testing.T) {
	r := testRing(t)
	out, _ := pipe(t, 0)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	if err := unix.Dup3(null, r.fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	r.Read(out, buf)
	r.Read(out, buf)
	got := r.Submit()
	if !r.broken || len(got) != 2 || slices.Max(got) >= 0 {
		t.Errorf("broken %v, results %v", r.broken, got)
	}
}

// Where the kernel has no memory left for a call, the call ends: nothing is
// written, what was to be read stays, and the ring is not used again.
func TestRingWithoutMemory(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EBUSY} {
		r := testRing(t)
		out, in := pipe(t, 0)
		done := make(chan bool)
		go func() {
			defer close(done)
			harness.Refuse(t, unix.SYS_IO_URING_ENTER, errno)
			for range MaxBurst {
				r.Write(in, make([]byte, 60))
			}
			if got := r.Submit(); len(got) != MaxBurst || unix.Errno(-slices.Max(got)) != unix.EAGAIN || !r.broken {
				t.Errorf("%v: writes came to %d; broken: %v", errno, got, r.broken)
			}
			r.Read(out, make([]byte, 10))
			if got := r.Submit()[0]; unix.Errno(-got) != unix.EAGAIN {
				t.Errorf("%v: a read came to %d", errno, got)
			}
		}()
		<-done
		if n, _ := unix.IoctlGetInt(out, unix.TIOCINQ); n != 0 {
			t.Errorf("%v: %d bytes were written", errno, n)
		}
	}
}
