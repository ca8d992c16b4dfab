package fs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// kernel plays the kernel at the other end of a device: the test asks, and
// every answer is noted. When the test ends, each request must have been
// answered exactly once.
type kernel struct {
	t     testing.TB
	fs    *FS
	fd    int
	alone bool // see newLoneKernel
	ended chan error
	all   sync.WaitGroup

	mu    sync.Mutex
	news  *sync.Cond // an answer came
	last  uint64
	asked map[uint64]string // what was asked, by number
	got   map[uint64][]reply
	notes []uint64 // kh of the notifications
	wrong []string
	over  bool

	quiet atomic.Bool // answers are only counted
	count atomic.Int64
}

// reply is an answer; the body is empty if there is an errno.
type reply struct {
	errno unix.Errno
	body  []byte
}

func newKernel(t testing.TB) *kernel { return newKernelWith(t, testOptions()) }

func newKernelWith(t testing.TB, o Options) *kernel {
	t.Helper()
	k := connect(t, o)
	go func() { k.ended <- k.fs.Serve() }()
	k.all.Add(1)
	go k.listen()
	return k
}

// newLoneKernel serves each request in the goroutine of the test, which asks it:
// ten times as fast, and the same each time.
func newLoneKernel(t testing.TB) *kernel {
	t.Helper()
	k := connect(t, testOptions())
	k.alone = true
	return k
}

func connect(t testing.TB, o Options) *kernel {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds { // room for the largest frame, if we may
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20)
	}
	k := &kernel{t: t, fs: New(fds[0], o), fd: fds[1], ended: make(chan error, 1),
		asked: map[uint64]string{}, got: map[uint64][]reply{}}
	k.news = sync.NewCond(&k.mu)
	t.Cleanup(k.end)
	return k
}

// listen notes the answers until the device is closed.
func (k *kernel) listen() {
	defer k.all.Done()
	buf := make([]byte, 2<<20)
	for {
		n, err := unix.Read(k.fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		if k.quiet.Load() {
			k.count.Add(1)
			continue
		}
		k.note(buf[:n])
	}
}

// hear notes the answers that are there.
func (k *kernel) hear() {
	for {
		n, _, err := unix.Recvfrom(k.fd, loneBuffer, unix.MSG_DONTWAIT)
		if err != nil || n == 0 {
			return
		}
		k.note(loneBuffer[:n])
	}
}

// loneBuffer has room for any answer; one test at a time uses it.
var loneBuffer = make([]byte, 2<<20)

func (k *kernel) note(m []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(m) < 16 || int(binary.NativeEndian.Uint32(m)) != len(m) {
		k.wrong = append(k.wrong, fmt.Sprintf("an answer of %d bytes with a wrong length", len(m)))
		return
	}
	status, unique := int32(binary.NativeEndian.Uint32(m[4:])), binary.NativeEndian.Uint64(m[8:])
	if unique == 0 {
		switch {
		case status == -fuse.NOTIFY_POLL && len(m) == 24:
			k.notes = append(k.notes, binary.NativeEndian.Uint64(m[16:]))
		case status == -fuse.NOTIFY_STORE_CACHE && len(m) == 16+24+1:
		default:
			k.wrong = append(k.wrong, fmt.Sprintf("an odd notification: %x", m))
		}
		return
	}
	if status < 0 && len(m) > 16 || status > 0 {
		k.wrong = append(k.wrong, fmt.Sprintf("an odd answer: status %d and %d bytes", status, len(m)-16))
	}
	k.news.Broadcast()
	k.got[unique] = append(k.got[unique], reply{unix.Errno(-status), slices.Clone(m[16:])})
}

// end closes the connection and checks that nothing is left.
func (k *kernel) end() {
	if k.over {
		return
	}
	k.over = true
	if err := unix.Shutdown(k.fd, unix.SHUT_WR); err != nil {
		k.t.Error(err)
	}
	if k.alone {
		k.ended <- k.fs.Serve()
		k.hear()
	}
	if err := <-k.ended; err != nil {
		k.t.Errorf("Serve ends with %v", err)
	}
	k.all.Wait()
	_ = unix.Close(k.fd)
	for _, text := range k.wrong {
		k.t.Error(text)
	}
	for unique, what := range k.asked {
		if n := len(k.got[unique]); n != 1 {
			k.t.Errorf("%s (%d) was answered %d times", what, unique, n)
		}
	}
	for unique := range k.got {
		if _, ok := k.asked[unique]; !ok {
			k.t.Errorf("an answer to %d, which was not asked or has none", unique)
		}
	}
	if used := k.fs.bus.Memory.Used(); used != 0 {
		k.t.Errorf("%d bytes of memory are left", used)
	}
	if ports := k.fs.bus.PortsUsed(); ports != 0 {
		k.t.Errorf("%d ports are left", ports)
	}
}

// bytesOf is a request as the device reads it.
func bytesOf[T any](in T, tail ...byte) []byte {
	return append(slices.Clone(unsafe.Slice((*byte)(unsafe.Pointer(&in)), unsafe.Sizeof(in))), tail...)
}

func head(opcode uint32, node uint64) fuse.InHeader {
	return fuse.InHeader{Opcode: opcode, NodeId: node}
}

// ask sends a request and returns its number.
func (k *kernel) ask(what string, m []byte) uint64 {
	k.mu.Lock()
	k.last += 2
	unique := k.last
	if what != "" {
		k.asked[unique] = what
	}
	k.mu.Unlock()
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	binary.NativeEndian.PutUint64(m[8:], unique)
	if k.alone {
		k.fs.dev.Do(m)
		k.hear()
	} else if _, err := unix.Write(k.fd, m); err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
	return unique
}

func (k *kernel) answered(unique uint64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.got[unique]) > 0
}

// wait waits for the answer.
func (k *kernel) wait(unique uint64) reply {
	k.t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	late := false
	alarm := time.AfterFunc(20*time.Second, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		late = true
		k.news.Broadcast()
	})
	defer alarm.Stop()
	for len(k.got[unique]) == 0 {
		if !k.alone {
			k.news.Wait()
		}
		if late || k.alone {
			k.t.Fatalf("no answer came to %s (%d)", k.asked[unique], unique)
		}
	}
	return k.got[unique][0]
}

// waits checks that a request has no answer yet, though all before it and
// what was asked until now was served.
func (k *kernel) waits(unique uint64) {
	k.t.Helper()
	k.settle()
	if k.answered(unique) {
		k.t.Errorf("%s was answered: %+v", k.asked[unique], k.wait(unique))
	}
}

// settle waits until the device has served what it was asked.
func (k *kernel) settle() {
	k.t.Helper()
	k.wait(k.ask("a read of no handle", bytesOf(fuse.ReadIn{InHeader: head(15, 1), Fh: 1<<63 | 1<<31})))
}

// wantErrno checks that the answer is that errno and nothing else.
func (k *kernel) wantErrno(unique uint64, errno unix.Errno) {
	k.t.Helper()
	if r := k.wait(unique); r.errno != errno || len(r.body) != 0 {
		k.t.Errorf("%s: %v and %q, want %v", k.asked[unique], r.errno, r.body, errno)
	}
}

// wantData checks what a READ got.
func (k *kernel) wantData(unique uint64, data string) {
	k.t.Helper()
	if r := k.wait(unique); r.errno != 0 || string(r.body) != data {
		k.t.Errorf("%s: %v, %.60q (%d bytes), want %.60q (%d)", k.asked[unique], r.errno, r.body, len(r.body), data, len(data))
	}
}

// wantWritten checks that a WRITE took n bytes.
func (k *kernel) wantWritten(unique uint64, n int) {
	k.t.Helper()
	r := k.wait(unique)
	if r.errno != 0 || len(r.body) != 8 || binary.NativeEndian.Uint32(r.body) != uint32(n) {
		k.t.Errorf("%s: %v, body % x, want %d bytes written", k.asked[unique], r.errno, r.body, n)
	}
}

func named(m []byte, name string) []byte { return append(append(m, name...), 0) }

func (k *kernel) lookup(path string) uint64 {
	k.t.Helper()
	id := uint64(1)
	for _, name := range strings.Split(path, "/") {
		r := k.wait(k.ask("lookup "+path, named(bytesOf(head(1, id)), name)))
		if r.errno != 0 {
			k.t.Fatalf("lookup %s: %v", path, r.errno)
		}
		id = binary.NativeEndian.Uint64(r.body)
	}
	return id
}

func (k *kernel) dir(path string) (id uint64, name string) {
	k.t.Helper()
	dir, name := split(path)
	if dir == "" {
		return 1, name
	}
	return k.lookup(strings.TrimSuffix(dir, "/")), name
}

func (k *kernel) mkdir(path string) unix.Errno {
	k.t.Helper()
	id, name := k.dir(path)
	return k.wait(k.ask("mkdir "+path, named(bytesOf(fuse.MkdirIn{InHeader: head(9, id), Mode: 0o755}), name))).errno
}

func (k *kernel) rmdir(path string) unix.Errno {
	k.t.Helper()
	id, name := k.dir(path)
	return k.wait(k.ask("rmdir "+path, named(bytesOf(head(11, id)), name))).errno
}

func (k *kernel) tryOpen(path string, flags uint32) (uint64, unix.Errno) {
	k.t.Helper()
	r := k.wait(k.ask("open "+path, bytesOf(fuse.OpenIn{InHeader: head(14, k.lookup(path)), Flags: flags})))
	if r.errno != 0 {
		return 0, r.errno
	}
	return binary.NativeEndian.Uint64(r.body), 0
}

func (k *kernel) open(path string, flags uint32) uint64 {
	k.t.Helper()
	fh, errno := k.tryOpen(path, flags)
	if errno != 0 {
		k.t.Fatalf("open %s: %v", path, errno)
	}
	return fh
}

func (k *kernel) read(fh uint64, size int) uint64 { return k.readWith(fh, size, 0) }

func (k *kernel) readWith(fh uint64, size int, flags uint32) uint64 {
	return k.ask(fmt.Sprintf("read of %d", size), bytesOf(fuse.ReadIn{InHeader: head(15, 9), Fh: fh, Size: uint32(size), Flags: flags}))
}

func (k *kernel) write(fh uint64, data string) uint64 { return k.writeWith(fh, data, 0, 0) }

func (k *kernel) writeWith(fh uint64, data string, offset uint64, flags uint32) uint64 {
	return k.ask(fmt.Sprintf("write of %d", len(data)),
		bytesOf(fuse.WriteIn{InHeader: head(16, 9), Fh: fh, Size: uint32(len(data)), Offset: offset, Flags: flags}, []byte(data)...))
}

// echo writes one command to a file.
func (k *kernel) echo(command, path string) unix.Errno {
	k.t.Helper()
	fh := k.open(path, unix.O_WRONLY)
	errno := k.wait(k.write(fh, command)).errno
	k.wantErrno(k.release(fh), 0)
	return errno
}

// must fails the test if errno is one.
func (k *kernel) must(what string, errno unix.Errno) {
	k.t.Helper()
	if errno != 0 {
		k.t.Fatalf("%s: %v", what, errno)
	}
}

func (k *kernel) interrupt(unique uint64) {
	k.ask("", bytesOf(fuse.InterruptIn{InHeader: head(36, 0), Unique: unique}))
}

func (k *kernel) release(fh uint64) uint64 {
	return k.ask("release", bytesOf(fuse.ReleaseIn{InHeader: head(18, 9), Fh: fh}))
}

// poll asks for events; schedule: a notification of kh is wanted.
func (k *kernel) poll(fh uint64, events uint32, kh uint64, schedule bool) (revents uint32) {
	k.t.Helper()
	in := struct {
		fuse.InHeader
		Fh, Kh        uint64
		Flags, Events uint32
	}{head(40, 9), fh, kh, 0, events}
	if schedule {
		in.Flags = 1
	}
	r := k.wait(k.ask("poll", bytesOf(in)))
	if r.errno != 0 || len(r.body) != 8 {
		k.t.Fatalf("poll: %v and %d bytes", r.errno, len(r.body))
	}
	return binary.NativeEndian.Uint32(r.body)
}

// notified takes out what was notified so far.
func (k *kernel) notified() []uint64 {
	k.settle()
	k.mu.Lock()
	defer k.mu.Unlock()
	notes := k.notes
	k.notes = nil
	return notes
}

// newNet is a kernel with a network lan, and two open handles of its port.
func newNet(t testing.TB) (k *kernel, a, b uint64) {
	k = newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	return k, k.open("lan/port", unix.O_RDWR), k.open("lan/port", unix.O_RDWR)
}
