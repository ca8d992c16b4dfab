package devfuse

import (
	"unsafe"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Handle is an open file that is served on the device's goroutine. No method may
// block. Each of Read, Write and Poll answers its Reply exactly once, now or
// later; every Reply kept must be answered before or in Release.
type Handle interface {
	// Read wants up to size bytes.
	Read(r Reply, size int, nonblock bool)
	// Write brings data, lent until it returns. offset is not 0 in the later
	// pieces of a write(2) that the kernel had to split, unless it appends.
	Write(r Reply, data []byte, offset int64, nonblock bool)
	// Poll asks which of events are there. If schedule is set somebody
	// sleeps until one comes: NotifyPoll(kh) then, once.
	Poll(r Reply, events uint32, kh uint64, schedule bool)
	// Interrupt answers the kept Reply of that number with EINTR, and tells
	// whether there was one.
	Interrupt(unique uint64) bool
	// Keeps tells whether the Reply of that number is kept.
	Keeps(unique uint64) bool
	// Release is the last call: the last descriptor was closed.
	Release()
}

// pollIn is the body of a POLL, which go-fuse keeps to itself.
type pollIn struct {
	fuse.InHeader
	Fh, Kh uint64
	Flags  uint32
	Events uint32
}

// pollScheduleNotify is FUSE_POLL_SCHEDULE_NOTIFY.
const pollScheduleNotify = 1

// Opcodes, from the kernel's include/uapi/linux/fuse.h.
const (
	opOpen      = 14
	opRead      = 15
	opWrite     = 16
	opRelease   = 18
	opInit      = 26
	opOpendir   = 27
	opReaddir   = 28
	opInterrupt = 36
	opIoctl     = 39
	opPoll      = 40
)

// as views a request as its struct, or returns nil if it is too short.
func as[T any](request []byte) *T {
	var t T
	if len(request) < int(unsafe.Sizeof(t)) {
		return nil
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(request)))
}

// dispatch serves one request, whose bytes are lent. It tells whether it did:
// what it leaves is for the tree.
func (d *Device) dispatch(request []byte) bool {
	h := as[fuse.InHeader](request)
	if h == nil {
		return true // not even a number to answer to
	}
	r := Reply{d, h.Unique}
	switch h.Opcode {
	case opWrite:
		in := as[fuse.WriteIn](request)
		if in == nil || in.Fh&hotBit == 0 {
			return false
		}
		data := request[unsafe.Sizeof(*in):]
		if len(data) > int(in.Size) {
			data = data[:in.Size]
		}
		if f := d.handles.get(in.Fh); f != nil {
			offset := int64(in.Offset)
			if in.Flags&unix.O_APPEND != 0 {
				offset = 0 // the kernel's idea of the end of the file
			}
			d.current.Store(h.Unique)
			f.Write(r, data, offset, in.Flags&unix.O_NONBLOCK != 0)
			d.remember(h.Unique, in.Fh)
		} else {
			r.Error(unix.EBADF)
		}
	case opRead:
		in := as[fuse.ReadIn](request)
		if in == nil || in.Fh&hotBit == 0 {
			return false
		}
		if f := d.handles.get(in.Fh); f != nil {
			d.current.Store(h.Unique)
			f.Read(r, int(in.Size), in.Flags&unix.O_NONBLOCK != 0)
			d.remember(h.Unique, in.Fh)
		} else {
			r.Error(unix.EBADF)
		}
	case opPoll:
		in := as[pollIn](request)
		if in == nil {
			r.Error(unix.EINVAL)
		} else if f := d.handles.get(in.Fh); f != nil {
			f.Poll(r, in.Events, in.Kh, in.Flags&pollScheduleNotify != 0)
		} else { // a setting or a report is always ready
			r.Poll(in.Events & (PollIn | PollOut))
		}
	case opInterrupt:
		if in := as[fuse.InterruptIn](request); in != nil {
			d.interrupt(in.Unique)
		}
	case opRelease:
		in := as[fuse.ReleaseIn](request)
		if in == nil || in.Fh&hotBit == 0 {
			return false
		}
		d.release(in.Fh)
		r.Error(0)
	default:
		return false
	}
	return true
}

func (d *Device) release(fh uint64) {
	if f := d.handles.remove(fh); f != nil {
		f.Release()
	}
}

// The poll events of reading and of writing, as poll(2) and select(2) ask.
const (
	PollIn  = unix.POLLIN | 0x40   // POLLRDNORM
	PollOut = unix.POLLOUT | 0x100 // POLLWRNORM
	PollHup = unix.POLLHUP
)
