package vde

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
	_   [4]byte
}

// burst is what recvmmsg(2) and sendmmsg(2) are given.
type burst struct {
	headers [lane.MaxBurst]mmsghdr
	iov     [lane.MaxBurst]unix.Iovec
}

// put makes b the i-th message.
func (u *burst) put(i int, b []byte) {
	u.iov[i] = unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	u.headers[i] = mmsghdr{hdr: unix.Msghdr{Iov: &u.iov[i], Iovlen: 1}}
}

// call has the first n messages received or sent, and tells how many were.
func (u *burst) call(number uintptr, fd, n int) (done int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&u.headers[0])), uintptr(n), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// datagrams is the driver of a datagram socket that is connected to a client's.
type datagrams struct {
	fd      int
	mute    bool // what he sends is dropped: he has no right to
	control *os.File
	left    func()

	in, out burst
}

var _ lane.Driver = (*datagrams)(nil)

// Read is lane.Driver's. An empty datagram means nothing: libvdeplug sends one
// before it hangs up.
func (d *datagrams) Read(t *lane.Turn, room int) (frames int, err error) {
	for i := range room {
		d.in.put(i, t.Buffer(i))
	}
	n, errno := d.in.call(unix.SYS_RECVMMSG, d.fd, room)
	if errno != 0 {
		return 0, errno
	}
	for i := range n {
		h := &d.in.headers[i]
		switch {
		case h.len == 0:
		case d.mute:
			t.Drop(frame.DropFiltered, int(h.len))
		case h.hdr.Flags&unix.MSG_TRUNC != 0:
			t.Drop(frame.DropMalformed, int(h.len))
		default:
			t.Batch.AddPlain(t.Buffer(i)[:h.len])
		}
	}
	return n, nil
}

// Write is lane.Driver's. A client who does not read makes the rest wait; one whose
// socket has gone, or is connected to another by now, is no port any more.
func (d *datagrams) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	for taken < len(frames) {
		some := frames[taken:min(len(frames), taken+lane.MaxBurst)]
		n, errno := d.send(some)
		taken += n
		switch errno {
		case 0:
			if n < len(some) {
				return taken, nil
			}
		case unix.EMSGSIZE, unix.ENOBUFS, unix.ENOMEM: // the first one is too long, or no memory is left
			t.Lost(&some[0])
			taken++
		default:
			return taken, errno
		}
	}
	return taken, nil
}

func (d *datagrams) send(frames []frame.Frame) (sent int, errno unix.Errno) {
	for i := range frames {
		d.out.put(i, frames[i].Data())
	}
	sent, errno = d.out.call(unix.SYS_SENDMMSG, d.fd, len(frames))
	runtime.KeepAlive(frames)
	clear(d.out.iov[:len(frames)])
	return sent, errno
}

// Close is lane.Driver's.
func (d *datagrams) Close() {
	unix.Close(d.fd)
	d.control.Close()
	d.left()
}
