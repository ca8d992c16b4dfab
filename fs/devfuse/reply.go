package devfuse

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Reply is the right to answer one request, once. It is a small value that
// may be kept and used from any thread.
type Reply struct {
	dev    *Device
	unique uint64
}

// Unique is the kernel's number for the request; an Interrupt names it.
func (r Reply) Unique() uint64 { return r.unique }

// The size of the header in front of every answer.
const outHeaderSize = int(unsafe.Sizeof(fuse.OutHeader{}))

// answered notes that the request waits no more, if it is the one that is just
// served.
func (r Reply) answered() {
	if r.dev.current.Load() == r.unique {
		r.dev.current.CompareAndSwap(r.unique, 0)
	}
}

// Error answers with an errno; 0 is plain success.
func (r Reply) Error(errno unix.Errno) {
	r.answered()
	h := fuse.OutHeader{Length: uint32(outHeaderSize), Status: -int32(errno), Unique: r.unique}
	r.dev.write(unsafe.Pointer(&h), unsafe.Sizeof(h))
}

// Data answers a READ with the bytes of data, which are lent.
func (r Reply) Data(data []byte) {
	if len(data) == 0 {
		r.Error(0)
		return
	}
	r.answered()
	h := fuse.OutHeader{Length: uint32(outHeaderSize + len(data)), Unique: r.unique}
	iov := [2]unix.Iovec{
		{Base: (*byte)(unsafe.Pointer(&h)), Len: uint64(outHeaderSize)},
		{Base: unsafe.SliceData(data), Len: uint64(len(data))},
	}
	r.dev.writev(&iov[0], len(iov))
}

// Pieces answers a READ with the pieces iov[1:], of size bytes in all, at
// most 1023 of them. head is room for the header, which iov[0] is made to
// name.
func (r Reply) Pieces(head *fuse.OutHeader, iov []unix.Iovec, size int) {
	r.answered()
	*head = fuse.OutHeader{Length: uint32(outHeaderSize + size), Unique: r.unique}
	iov[0] = unix.Iovec{Base: (*byte)(unsafe.Pointer(head)), Len: uint64(outHeaderSize)}
	r.dev.writev(&iov[0], len(iov))
}

// Written answers a WRITE of which n bytes were taken.
func (r Reply) Written(n int) {
	r.answered()
	answer := struct {
		fuse.OutHeader
		fuse.WriteOut
	}{WriteOut: fuse.WriteOut{Size: uint32(n)}}
	answer.Length, answer.Unique = uint32(unsafe.Sizeof(answer)), r.unique
	r.dev.write(unsafe.Pointer(&answer), unsafe.Sizeof(answer))
}

// Poll answers a POLL with the events that are there.
func (r Reply) Poll(revents uint32) {
	answer := struct {
		fuse.OutHeader
		Revents, Padding uint32
	}{Revents: revents}
	answer.Length, answer.Unique = uint32(unsafe.Sizeof(answer)), r.unique
	r.dev.write(unsafe.Pointer(&answer), unsafe.Sizeof(answer))
}

// NotifyPoll makes the kernel ask again all who poll the file that a POLL
// with this kh came from. A kh that the kernel no longer knows is ignored.
func (d *Device) NotifyPoll(kh uint64) {
	note := struct {
		fuse.OutHeader
		Kh uint64
	}{Kh: kh}
	note.Length, note.Status = uint32(unsafe.Sizeof(note)), -fuse.NOTIFY_POLL
	d.write(unsafe.Pointer(&note), unsafe.Sizeof(note))
}

// Grow makes the kernel take the file of a node for one of size bytes, if it
// knows the node and took it for a smaller one (FUSE_NOTIFY_STORE of the last
// byte). It may wait for who reads that byte, so the device's goroutine must
// not call it.
func (d *Device) Grow(node uint64, size int64) {
	note := struct {
		fuse.OutHeader
		Node, Offset  uint64
		Size, Padding uint32
		last          [8]byte // of which 1 counts
	}{Node: node, Offset: uint64(size) - 1, Size: 1}
	n := unsafe.Offsetof(note.last) + 1
	note.Length, note.Status = uint32(n), -fuse.NOTIFY_STORE_CACHE
	_, _ = unix.Write(d.fd, unsafe.Slice((*byte)(unsafe.Pointer(&note)), n))
}

// write and writev send one answer. They do not block, and so need not tell
// Go's scheduler. An answer fails if its request is gone (ENOENT: the caller
// was killed) or the mount is (ENODEV); neither is anybody's fault.
func (d *Device) write(p unsafe.Pointer, n uintptr) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(d.fd), uintptr(p), n)
	return errno
}

func (d *Device) writev(iov *unix.Iovec, n int) {
	_, _, _ = unix.RawSyscall(unix.SYS_WRITEV, uintptr(d.fd), uintptr(unsafe.Pointer(iov)), uintptr(n))
}

// Reply makes the Reply to a request by its number.
func (d *Device) Reply(unique uint64) Reply { return Reply{d, unique} }
