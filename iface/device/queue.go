package device

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
)

// minFrame is the length in bytes of an ethernet header.
const minFrame = 14

// noHeader is the virtio-net header of a frame that is complete.
var noHeader [vnet.HeaderLen]byte

// queue is a descriptor that takes frames with a virtio-net header in front, each
// by one write: the half of a driver that taps and packet sockets share.
type queue struct {
	fd     int
	flags  uintptr     // of a call that is not the ring's
	noRing atomic.Bool // the kernel knows no such calls by io_uring: before Linux 5.11
}

// Close is lane.Driver's.
func (q *queue) Close() { _ = unix.Close(q.fd) }

// ring returns what carries many calls to the queue at once, or nil.
func (q *queue) ring(t *lane.Turn) *lane.Ring {
	if q.noRing.Load() {
		return nil
	}
	return t.Ring()
}

// Write is lane.Driver's: it writes the frames to the interface. What that does
// not take is lost, as on a wire: it is down, or its peer has no room.
func (q *queue) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	for rest := frames; len(rest) > 0; {
		n := min(len(rest), lane.MaxBurst)
		if ring := q.ring(t); ring != nil && n > 1 {
			q.writeBurst(t, ring, rest[:n])
		} else {
			q.writeEach(t, rest[:n])
		}
		rest = rest[n:]
	}
	return len(frames), nil
}

// writeEach writes frames by a call each.
func (q *queue) writeEach(t *lane.Turn, frames []frame.Frame) {
	pair := (*[2]unix.Iovec)(t.Iovecs[:2])
	for k := range frames {
		n := pieces(pair, &frames[k])
		_, errno := q.call(unix.SYS_PWRITEV2, &pair[0], n)
		if errno != 0 {
			t.Lost(&frames[k])
		}
	}
	*pair = [2]unix.Iovec{}
}

// call reads or writes n pieces.
func (q *queue) call(trap uintptr, iov *unix.Iovec, n int) (bytes uintptr, errno unix.Errno) {
	const here = ^uintptr(0) // no offset
	bytes, _, errno = unix.RawSyscall6(trap, uintptr(q.fd), uintptr(unsafe.Pointer(iov)), uintptr(n), here, 0, q.flags)
	return bytes, errno
}

// writeBurst writes frames, MaxBurst at most, by one call of the ring.
func (q *queue) writeBurst(t *lane.Turn, ring *lane.Ring, frames []frame.Frame) {
	for k := range frames {
		pair := (*[2]unix.Iovec)(t.Iovecs[2*k:])
		if pieces(pair, &frames[k]) == 1 {
			ring.Write(q.fd, unsafe.Slice(pair[0].Base, pair[0].Len))
		} else {
			ring.Writev(q.fd, pair[:])
		}
	}
	for k, result := range ring.Submit() {
		if unix.Errno(-result) == unix.EOPNOTSUPP {
			q.noRing.Store(true)
		}
		if result < 0 {
			t.Lost(&frames[k])
		}
	}
	runtime.KeepAlive(frames)
	clear(t.Iovecs[:2*len(frames)])
}

// pieces tells where a frame lies as the kernel wants it, and how many pieces
// that is; they are put to iov.
func pieces(iov *[2]unix.Iovec, f *frame.Frame) int {
	if raw, ok := f.Vnet(); ok {
		iov[0] = unix.Iovec{Base: unsafe.SliceData(raw), Len: uint64(len(raw))}
		return 1
	}
	header, data := &noHeader[0], f.Data()
	if raw, ok := f.In(frame.Vnet12); ok {
		header = &raw[0] // it begins with the header that the kernel wants
	}
	iov[0] = unix.Iovec{Base: header, Len: vnet.HeaderLen}
	iov[1] = unix.Iovec{Base: unsafe.SliceData(data), Len: uint64(len(data))}
	return 2
}
