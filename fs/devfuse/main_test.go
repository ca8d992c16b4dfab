package devfuse

import (
	"encoding/binary"
	"io"
	"log"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // go-fuse tells of each odd request
	goleak.VerifyTestMain(m)
}

// answer is what a device wrote: an answer, or a notification (unique 0).
type answer struct {
	status int32
	unique uint64
	body   []byte
}

// pair makes a device whose other end the test holds: each message written to
// that is a request, each read from it an answer.
func pair(t testing.TB, tree fuse.RawFileSystem) (*Device, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDevice(fds[0], tree)
	t.Cleanup(func() {
		d.cold.Wait()
		_ = d.Close()
		_ = unix.Close(fds[1])
	})
	return d, fds[1]
}

// answers reads all that the device has written until now.
func answers(t testing.TB, kernel int) (all []answer) {
	t.Helper()
	buf := make([]byte, 300<<10)
	for {
		n, _, err := unix.Recvfrom(kernel, buf, unix.MSG_DONTWAIT)
		if err == unix.EAGAIN || err == nil && n == 0 {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parseAnswer(t, buf[:n]))
	}
}

func parseAnswer(t testing.TB, message []byte) answer {
	t.Helper()
	if len(message) < 16 || int(binary.NativeEndian.Uint32(message)) != len(message) {
		t.Fatalf("an answer of %d bytes: its length is wrong: % x", len(message), message[:min(len(message), 32)])
	}
	return answer{
		int32(binary.NativeEndian.Uint32(message[4:])), binary.NativeEndian.Uint64(message[8:]), slices.Clone(message[16:]),
	}
}

// head is the beginning of a request.
func head(opcode uint32, unique uint64) fuse.InHeader {
	return fuse.InHeader{Opcode: opcode, Unique: unique, NodeId: fuse.FUSE_ROOT_ID}
}

// message is a request as it is read from the device.
func message[T any](in T, tail ...byte) []byte {
	m := append(slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&in)), unsafe.Sizeof(in))), tail...)
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	return m
}

func readOf(fh, unique uint64, size int) []byte {
	return message(fuse.ReadIn{InHeader: head(opRead, unique), Fh: fh, Size: uint32(size)})
}

func writeOf(fh, unique uint64, data []byte) []byte {
	return message(fuse.WriteIn{InHeader: head(opWrite, unique), Fh: fh, Size: uint32(len(data))}, data...)
}

func interruptOf(unique, of uint64) []byte {
	return message(fuse.InterruptIn{InHeader: head(opInterrupt, unique), Unique: of})
}

func releaseOf(fh, unique uint64) []byte {
	return message(fuse.ReleaseIn{InHeader: head(opRelease, unique), Fh: fh})
}

// file is a handle that notes its calls. It answers a write at once and keeps
// what is read or polled.
type file struct {
	mu       sync.Mutex
	reads    []Reply
	sizes    []int
	nonblock []bool
	written  [][]byte
	offsets  []int64
	polls    []pollIn
	pollers  []Reply
	released int
	asked    int // calls of Interrupt and Keeps
}

func (f *file) Read(r Reply, size int, nonblock bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads, f.sizes, f.nonblock = append(f.reads, r), append(f.sizes, size), append(f.nonblock, nonblock)
}

func (f *file) Write(r Reply, data []byte, offset int64, nonblock bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written, f.offsets, f.nonblock = append(f.written, slices.Clone(data)), append(f.offsets, offset), append(f.nonblock, nonblock)
	r.Written(len(data))
}

func (f *file) Poll(r Reply, events uint32, kh uint64, schedule bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := pollIn{Events: events, Kh: kh}
	if schedule {
		p.Flags = pollScheduleNotify
	}
	f.polls = append(f.polls, p)
	r.Poll(events)
}

func (f *file) Interrupt(unique uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	i := slices.IndexFunc(f.reads, func(r Reply) bool { return r.Unique() == unique })
	if i < 0 {
		return false
	}
	r := f.reads[i]
	f.reads = slices.Delete(f.reads, i, i+1)
	r.Error(unix.EINTR)
	return true
}

func (f *file) Keeps(unique uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return slices.ContainsFunc(f.reads, func(r Reply) bool { return r.Unique() == unique })
}

func (f *file) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released++
	for _, r := range f.reads {
		r.Error(0)
	}
	f.reads = nil
}

// waitFor waits until ok says yes.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}
