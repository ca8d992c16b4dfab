package devfuse

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func newDispatch(t *testing.T) (d *Device, kernel int, f *file, fh uint64) {
	d, kernel = pair(t, fuse.NewDefaultRawFileSystem())
	f = &file{}
	return d, kernel, f, d.Open(f)
}

// want checks the answers since the last call: "unique:errno" or
// "unique:+bytes of the body" each.
func want(t *testing.T, kernel int, what string, list ...string) {
	t.Helper()
	var got []string
	for _, a := range answers(t, kernel) {
		if a.status < 0 || len(a.body) == 0 {
			got = append(got, fmt.Sprintf("%d:%d", a.unique, -a.status))
		} else {
			got = append(got, fmt.Sprintf("%d:+%d", a.unique, len(a.body)))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(list) {
		t.Errorf("%s: answers are %v, want %v", what, got, list)
	}
}

func TestHotReadWrite(t *testing.T) {
	d, kernel, f, fh := newDispatch(t)
	if !d.dispatch(writeOf(fh, 2, []byte("hello"))) {
		t.Error("a write on a hot handle is not served")
	}
	want(t, kernel, "write", "2:+8")
	if string(f.written[0]) != "hello" || f.offsets[0] != 0 || f.nonblock[0] {
		t.Errorf("written %q at %d, nonblock %v", f.written[0], f.offsets[0], f.nonblock[0])
	}
	if !d.dispatch(readOf(fh, 4, 100)) || len(f.reads) != 1 || f.reads[0].Unique() != 4 || f.sizes[0] != 100 {
		t.Errorf("reads are %v of %v", f.reads, f.sizes)
	}
	want(t, kernel, "a read that is kept")
	f.reads[0].Data([]byte("x"))
	want(t, kernel, "its answer", "4:+1")
}

func TestFlagsAndOffsets(t *testing.T) {
	d, _, f, fh := newDispatch(t)
	for _, c := range []struct {
		flags, offset int
		nonblock      bool
		at            int64
	}{
		{unix.O_WRONLY, 0, false, 0},
		{unix.O_WRONLY, 4096, false, 4096}, // a later piece of a large write
		{unix.O_WRONLY | unix.O_NONBLOCK, 0, true, 0},
		{unix.O_WRONLY | unix.O_APPEND, 1 << 20, false, 0}, // the kernel's end of the file
	} {
		in := fuse.WriteIn{InHeader: head(opWrite, 2), Fh: fh, Size: 1, Offset: uint64(c.offset), Flags: uint32(c.flags)}
		d.dispatch(message(in, 'x'))
		i := len(f.written) - 1
		if f.nonblock[i] != c.nonblock || f.offsets[i] != c.at {
			t.Errorf("flags %o offset %d: nonblock %v at %d, want %+v", c.flags, c.offset, f.nonblock[i], f.offsets[i], c)
		}
	}
	d.dispatch(message(fuse.ReadIn{InHeader: head(opRead, 4), Fh: fh, Size: 1, Flags: unix.O_NONBLOCK}))
	if !f.nonblock[len(f.nonblock)-1] {
		t.Error("a read with O_NONBLOCK may wait")
	}
}

// What a request says of its size is not trusted.
func TestLyingSizes(t *testing.T) {
	d, _, f, fh := newDispatch(t)
	for size, want := range map[uint32]string{0: "", 3: "hel", 5: "hello", 6: "hello", 1 << 31: "hello", 1<<32 - 1: "hello"} {
		d.dispatch(message(fuse.WriteIn{InHeader: head(opWrite, 2), Fh: fh, Size: size}, []byte("hello")...))
		if got := string(f.written[len(f.written)-1]); got != want {
			t.Errorf("5 bytes that are said to be %d: written %q, want %q", size, got, want)
		}
	}
	d.dispatch(readOf(fh, 4, 1<<31-1))
	if n := f.sizes[0]; n != 1<<31-1 {
		t.Errorf("the size of a read is %d", n)
	}
}

// A request that is cut off anywhere does no harm, and is either answered
// under its own number or left to the tree.
func TestShortRequests(t *testing.T) {
	d, kernel, _, fh := newDispatch(t)
	for _, full := range [][]byte{
		writeOf(fh, 2, nil), readOf(fh, 2, 10), interruptOf(2, 4), releaseOf(hotBit|99, 2),
		message(pollIn{InHeader: head(opPoll, 2), Fh: fh}), message(fuse.OpenIn{InHeader: head(opOpen, 2)}),
	} {
		for n := range full {
			if served := d.dispatch(full[:n]); !served && n < int(unsafe.Sizeof(fuse.InHeader{})) {
				t.Errorf("%d bytes are not even a header, and are left to the tree", n)
			}
			for _, a := range answers(t, kernel) {
				if a.unique != 2 {
					t.Errorf("opcode %d cut to %d bytes: an answer for %d", full[4], n, a.unique)
				}
			}
		}
	}
}

func TestUnknownHandles(t *testing.T) {
	d, kernel, f, fh := newDispatch(t)
	for i, bad := range []uint64{hotBit | 1, hotBit | 12345, ^uint64(0)} {
		unique := uint64(10 * (i + 1))
		d.dispatch(writeOf(bad, unique, []byte("x")))
		d.dispatch(readOf(bad, unique+2, 10))
		d.dispatch(releaseOf(bad, unique+4))
		want(t, kernel, fmt.Sprintf("handle %x", bad), fmt.Sprintf("%d:9", unique), fmt.Sprintf("%d:9", unique+2), fmt.Sprintf("%d:0", unique+4))
	}
	for what, request := range map[string][]byte{
		"write": writeOf(5, 2, nil), "read": readOf(5, 2, 1), "release": releaseOf(5, 2),
		"open": message(fuse.OpenIn{InHeader: head(opOpen, 2)}), "an unknown opcode": message(head(9999, 2)),
	} {
		if d.dispatch(request) {
			t.Errorf("%s of a cold handle is not left to the tree", what)
		}
	}
	if f.released != 0 || d.Handle(fh) == nil {
		t.Error("another handle was released")
	}
}

func TestPoll(t *testing.T) {
	d, kernel, f, fh := newDispatch(t)
	d.dispatch(message(pollIn{InHeader: head(opPoll, 2), Fh: fh, Kh: 77, Events: 5, Flags: pollScheduleNotify}))
	d.dispatch(message(pollIn{InHeader: head(opPoll, 4), Fh: fh, Kh: 78, Events: 1}))
	want(t, kernel, "hot", "2:+8", "4:+8")
	if p := f.polls; p[0].Kh != 77 || p[0].Events != 5 || p[0].Flags != 1 || p[1].Flags != 0 {
		t.Errorf("polls are %+v", p)
	}
	d.dispatch(message(pollIn{InHeader: head(opPoll, 6), Fh: 3, Events: 0x7fff}))
	a := answers(t, kernel)
	if len(a) != 1 || a[0].unique != 6 || a[0].body[0] != unix.POLLIN|unix.POLLOUT|0x40 || a[0].body[1] != 1 {
		t.Errorf("a setting is always ready: %+v", a)
	}
}

func TestRelease(t *testing.T) {
	d, kernel, f, fh := newDispatch(t)
	d.dispatch(readOf(fh, 2, 10))
	d.dispatch(releaseOf(fh, 4))
	want(t, kernel, "release answers what is kept first", "2:0", "4:0")
	d.dispatch(releaseOf(fh, 6))
	want(t, kernel, "again", "6:0")
	if f.released != 1 || d.Handle(fh) != nil {
		t.Errorf("released %d times", f.released)
	}
	d.dispatch(readOf(fh, 8, 10))
	want(t, kernel, "a read after it", "8:9")
}

// The tree hears what the kernel forgets, alone or in a batch, and nobody is
// answered.
func TestForget(t *testing.T) {
	const forget, batchForget = 2, 42 // opcodes
	tree := &forgetter{RawFileSystem: fuse.NewDefaultRawFileSystem(), forgotten: map[uint64]uint64{}}
	d, kernel := pair(t, tree)
	one := head(forget, 2)
	one.NodeId = 77
	d.Do(message(fuse.ForgetIn{InHeader: one, Nlookup: 3}))
	d.Do(message(struct {
		fuse.InHeader
		Count, _ uint32
		Nodes    [2][2]uint64
	}{InHeader: head(batchForget, 4), Count: 2, Nodes: [2][2]uint64{{77, 1}, {78, 5}}}))
	if tree.forgotten[77] != 4 || tree.forgotten[78] != 5 {
		t.Errorf("the tree heard of %v", tree.forgotten)
	}
	want(t, kernel, "forget")
}

type forgetter struct {
	fuse.RawFileSystem
	forgotten map[uint64]uint64
}

func (f *forgetter) Forget(id, lookups uint64) { f.forgotten[id] += lookups }

func TestInterrupt(t *testing.T) {
	d, kernel, _, fh := newDispatch(t)
	other := &file{}
	otherFh := d.Open(other)
	for unique := uint64(2); unique <= 8; unique += 2 {
		d.dispatch(readOf(fh, unique, 10))
		d.dispatch(readOf(otherFh, unique+100, 10))
	}
	d.dispatch(interruptOf(3, 6))
	d.dispatch(interruptOf(5, 104))
	want(t, kernel, "those meant are interrupted, and the interrupts have no answer", "6:4", "104:4")
	d.dispatch(interruptOf(7, 6))
	d.dispatch(interruptOf(9, 5000))
	d.dispatch(interruptOf(11, 0))
	d.dispatch(interruptOf(13, ^uint64(0)))
	want(t, kernel, "those that mean nothing that waits")

	// However many requests came since.
	busy := d.Open(&file{})
	for unique := uint64(1000); unique < 40000; unique += 2 {
		d.dispatch(writeOf(busy, unique, nil))
		if unique%64 == 0 {
			answers(t, kernel)
		}
	}
	answers(t, kernel)
	d.dispatch(interruptOf(15, 2))
	want(t, kernel, "a read from long ago", "2:4")

	// The handle's number is another's now.
	d.dispatch(releaseOf(fh, 200002))
	answers(t, kernel)
	if again := d.Open(&file{}); again != fh {
		t.Fatalf("number %x is not used again", fh)
	}
	d.dispatch(interruptOf(17, 4))
	want(t, kernel, "a read that was answered by a release")
	d.dispatch(interruptOf(19, 102))
	want(t, kernel, "one that still waits", "102:4")
}

// Thousands of readers that wait, each with a handle, and are all interrupted: an
// interrupt costs one call of one handle.
func TestInterruptsOfMany(t *testing.T) {
	d, kernel, _, _ := newDispatch(t)
	const many = 1500 // more than are remembered without a look
	files := make([]*file, many)
	for i := range files {
		files[i] = &file{}
		fh, unique := d.Open(files[i]), uint64(1000+4*i)
		d.dispatch(readOf(fh, unique, 10))
		d.dispatch(writeOf(fh, unique+2, nil)) // and one that does not wait
		answers(t, kernel)
	}
	for _, f := range files {
		f.asked = 0
	}
	for i := range files {
		unique := uint64(1000 + 4*i)
		d.dispatch(interruptOf(unique+1, unique))
		want(t, kernel, "one of many", fmt.Sprintf("%d:4", unique))
	}
	asked := 0
	for _, f := range files {
		asked += f.asked
	}
	if asked != many {
		t.Errorf("%d interrupts asked %d times", many, asked)
	}
}

// What is answered by another request leaves nothing behind.
func TestWaitsAreTidied(t *testing.T) {
	d, kernel, _, _ := newDispatch(t)
	f := &file{}
	fh := d.Open(f)
	for unique := uint64(1000); unique < 1000+20*minWaits; unique += 2 {
		d.dispatch(readOf(fh, unique, 10))
		f.reads[0].Data(nil)
		f.reads = f.reads[1:]
		if unique%64 == 0 {
			answers(t, kernel)
		}
	}
	if n := len(d.waits.handles); n > 2*minWaits {
		t.Errorf("%d requests are remembered, none waits", n)
	}
}

func TestDispatchAllocatesNothing(t *testing.T) {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDevice(null, fuse.NewDefaultRawFileSystem())
	t.Cleanup(func() { _ = d.Close() })
	fh := d.Open(echo{})
	requests := [][]byte{
		writeOf(fh, 2, []byte("hello")), readOf(fh, 4, 100), interruptOf(3, 4),
		message(pollIn{InHeader: head(opPoll, 6), Fh: fh}), readOf(hotBit|50, 8, 1),
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, r := range requests {
			d.dispatch(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d requests", n, len(requests))
	}
}

// echo answers all at once.
type echo struct{}

func (echo) Read(r Reply, _ int, _ bool)                   { r.Data(nil) }
func (echo) Write(r Reply, data []byte, _ int64, _ bool)   { r.Written(len(data)) }
func (echo) Poll(r Reply, events uint32, _ uint64, _ bool) { r.Poll(events) }
func (echo) Interrupt(uint64) bool                         { return false }
func (echo) Keeps(uint64) bool                             { return false }
func (echo) Release()                                      {}
