package seq

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// output is what sendmmsg needs.
type output struct {
	headers [lane.MaxBurst]mmsghdr
	iov     [lane.MaxBurst]unix.Iovec
}

// Write is lane.Driver's: it sends bursts, each by a call. What is too long for the
// socket is lost.
func (p *peer) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	for taken < len(frames) {
		n, errno := p.send(frames[taken:min(len(frames), taken+lane.MaxBurst)])
		switch errno {
		case 0:
			taken += n
		case unix.EMSGSIZE, unix.ENOBUFS, unix.ENOMEM:
			t.Lost(&frames[taken])
			taken++
		default:
			return taken, errno
		}
	}
	return taken, nil
}

// send sends frames, MaxBurst at most, and returns how many went; of none, why.
func (p *peer) send(frames []frame.Frame) (sent int, errno unix.Errno) {
	o := &p.out
	for k := range frames {
		data := frames[k].Data()
		o.iov[k] = unix.Iovec{Base: unsafe.SliceData(data), Len: uint64(len(data))}
		o.headers[k].hdr = unix.Msghdr{Iov: &o.iov[k], Iovlen: 1}
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&o.headers[0])), uintptr(len(frames)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	runtime.KeepAlive(frames)
	clear(o.iov[:len(frames)])
	return int(n), errno
}
