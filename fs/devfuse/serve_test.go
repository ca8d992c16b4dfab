package devfuse

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// tree opens whatever is opened: node 2 hot, others cold.
type tree struct {
	fuse.RawFileSystem
	dev      *Device
	file     *file
	released atomic.Int64 // cold handles and directories
	forgot   atomic.Int64
	release  chan struct{} // GetAttr waits for it, if not nil
}

func (t *tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.Fh = 5
	if in.NodeId == 2 {
		out.Fh = t.dev.Open(t.file)
	}
	return fuse.OK
}

func (t *tree) OpenDir(_ <-chan struct{}, _ *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	out.Fh = 6
	return fuse.OK
}

func (t *tree) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	if in.Fh == 5 {
		t.released.Add(1)
	}
}

func (t *tree) ReleaseDir(in *fuse.ReleaseIn) {
	if in.Fh == 6 {
		t.released.Add(1)
	}
}

func (t *tree) GetAttr(_ <-chan struct{}, _ *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if t.release != nil {
		<-t.release
	}
	out.Mode = unix.S_IFDIR | 0o755
	return fuse.OK
}

func newTree(t *testing.T) (*tree, int) {
	tr := &tree{RawFileSystem: fuse.NewDefaultRawFileSystem(), file: &file{}}
	var kernel int
	tr.dev, kernel = pair(t, tr)
	return tr, kernel
}

// serve runs Serve until the kernel's end is closed, and gives its result.
func serve(d *Device) <-chan error {
	done := make(chan error, 1)
	go func() { done <- d.Serve() }()
	return done
}

func say(t *testing.T, kernel int, requests ...[]byte) {
	t.Helper()
	for _, r := range requests {
		if _, err := unix.Write(kernel, r); err != nil {
			t.Fatal(err)
		}
	}
}

// await reads the next answer.
func await(t *testing.T, kernel int) answer {
	t.Helper()
	fd := []unix.PollFd{{Fd: int32(kernel), Events: unix.POLLIN}}
	if n, err := unix.Poll(fd, 20000); n != 1 {
		t.Fatalf("no answer came (%v)", err)
	}
	buf := make([]byte, 70000)
	n, err := unix.Read(kernel, buf)
	if err != nil {
		t.Fatal(err)
	}
	return parseAnswer(t, buf[:n])
}

func hang(t *testing.T, kernel int, done <-chan error) {
	t.Helper()
	if err := unix.Shutdown(kernel, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Serve ends with %v", err)
	}
}

func TestServe(t *testing.T) {
	tr, kernel := newTree(t)
	done := serve(tr.dev)

	say(t, kernel, message(fuse.InitIn{InHeader: head(opInit, 2), Major: 7, Minor: 41, MaxReadAhead: 65536, Flags: ^uint32(0) &^ (1 << 30), Flags2: 0}))
	init := await(t, kernel)
	if init.unique != 2 || init.status != 0 || binary.NativeEndian.Uint32(init.body) != 7 {
		t.Fatalf("INIT is answered by %+v", init)
	}
	flags := binary.NativeEndian.Uint32(init.body[12:])
	for name, on := range map[uint32]bool{
		fuse.CAP_ATOMIC_O_TRUNC: false, fuse.CAP_BIG_WRITES: true, fuse.CAP_MAX_PAGES: true, fuse.CAP_PARALLEL_DIROPS: true,
		fuse.CAP_READDIRPLUS: false, fuse.CAP_NO_OPEN_SUPPORT: false, fuse.CAP_ASYNC_READ: false, fuse.CAP_ASYNC_DIO: false,
		fuse.CAP_WRITEBACK_CACHE: false, fuse.CAP_POSIX_LOCKS: false, fuse.CAP_FLOCK_LOCKS: false,
		fuse.CAP_SPLICE_READ: false, fuse.CAP_SPLICE_WRITE: false, fuse.CAP_SPLICE_MOVE: false,
	} {
		if (flags&name != 0) != on {
			t.Errorf("INIT flag %#x is %v, want %v", name, flags&name != 0, on)
		}
	}
	if size := binary.NativeEndian.Uint32(init.body[20:]); size != MaxWrite {
		t.Errorf("max_write is %d, want %d", size, MaxWrite)
	}

	say(t, kernel, message(fuse.GetAttrIn{InHeader: head(3, 4)}))
	if a := await(t, kernel); a.unique != 4 || a.status != 0 {
		t.Errorf("GETATTR is answered by %+v", a)
	}
	open := fuse.OpenIn{InHeader: head(opOpen, 6)}
	open.NodeId = 2
	say(t, kernel, message(open))
	fh := binary.NativeEndian.Uint64(await(t, kernel).body)
	if tr.dev.Handle(fh) == nil {
		t.Fatalf("OPEN gives %x, which is no hot handle", fh)
	}
	say(t, kernel, readOf(fh, 8, 10), interruptOf(9, 8))
	if a := await(t, kernel); a.unique != 8 || a.status != -int32(unix.EINTR) {
		t.Errorf("an interrupted READ is answered by %+v", a)
	}
	say(t, kernel, readOf(fh, 10, 10), interruptOf(11, 4), message(head(9999, 12)))
	if a := await(t, kernel); a.unique != 12 || a.status != -int32(unix.ENOSYS) {
		t.Errorf("an unknown opcode is answered by %+v", a)
	}
	hang(t, kernel, done)
	if tr.file.released != 1 || len(tr.file.reads) != 0 {
		t.Errorf("at the end of the connection: released %d times, %d reads kept", tr.file.released, len(tr.file.reads))
	}
}

// Serve ends when the tree is done with what it serves.
func TestServeWaitsForTheTree(t *testing.T) {
	tr, kernel := newTree(t)
	tr.release = make(chan struct{})
	done := serve(tr.dev)
	say(t, kernel, message(fuse.GetAttrIn{InHeader: head(3, 4)}), readOf(hotBit|9, 6, 1))
	if a := await(t, kernel); a.unique != 6 {
		t.Fatalf("a slow request of the tree holds up others: %+v", a)
	}
	if err := unix.Shutdown(kernel, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Errorf("Serve ended with %v while the tree served a request", err)
		close(tr.release)
		return
	case <-time.After(50 * time.Millisecond): // long enough to find it wrong nearly always
	}
	close(tr.release)
	if err := <-done; err != nil {
		t.Errorf("Serve ends with %v", err)
	}
}

// A request of the tree that never ends holds up the end for some seconds, and
// what is open is released.
func TestServeEndsWithoutTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, f := NewDevice(-1, fuse.NewDefaultRawFileSystem()), &file{}
		d.Open(f)
		d.cold.Add(1)
		defer d.cold.Done()
		began := time.Now()
		d.finish()
		if took := time.Since(began); took < time.Second || took > 5*time.Second {
			t.Errorf("the end took %v", took)
		}
		if f.released != 1 {
			t.Errorf("released %d times", f.released)
		}
	})
}

// An open whose answer cannot be delivered is undone: nobody will release it.
func TestOpenWithoutAnswer(t *testing.T) {
	readOnly, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	tr := &tree{RawFileSystem: fuse.NewDefaultRawFileSystem(), file: &file{}}
	tr.dev = NewDevice(readOnly, tr)
	t.Cleanup(func() { _ = tr.dev.Close() })
	open := fuse.OpenIn{InHeader: head(opOpen, 2)}
	open.NodeId = 2
	tr.dev.answerCold(message(open))
	if tr.file.released != 1 {
		t.Errorf("a hot handle was released %d times", tr.file.released)
	}
	tr.dev.handles.each(func(fh uint64, _ Handle) bool { t.Errorf("handle %x is left", fh); return true })
	tr.dev.answerCold(message(fuse.OpenIn{InHeader: head(opOpen, 4)}))
	if n := tr.released.Load(); n != 1 {
		t.Errorf("a cold handle was released %d times", n)
	}
	tr.dev.answerCold(message(fuse.OpenIn{InHeader: head(27, 6)}))
	if n := tr.released.Load(); n != 2 {
		t.Errorf("a directory was released %d times", n-1)
	}
}

// What breaks the device is told, after all was released.
func TestServeError(t *testing.T) {
	bad, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDevice(bad, fuse.NewDefaultRawFileSystem())
	t.Cleanup(func() { _ = d.Close() })
	f := &file{}
	d.Open(f)
	if err := d.Serve(); err != unix.EBADF {
		t.Errorf("Serve ends with %v, want EBADF", err)
	}
	if f.released != 1 {
		t.Errorf("released %d times", f.released)
	}
}
