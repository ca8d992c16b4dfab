package seq

import (
	"io"
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

// input is what recvmmsg needs.
type input struct {
	headers [lane.MaxBurst]mmsghdr
	iov     [lane.MaxBurst]unix.Iovec
}

// receive receives up to room messages.
func (p *peer) receive(t *lane.Turn, room int) (messages []mmsghdr, errno unix.Errno) {
	in := &p.in
	for i := range room {
		buf := t.Buffer(i)
		in.iov[i] = unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
		in.headers[i] = mmsghdr{hdr: unix.Msghdr{Iov: &in.iov[i], Iovlen: 1}}
	}
	p.first.prepare(&in.headers[0].hdr)
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&in.headers[0])), uintptr(room), unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC, 0, 0)
	if errno != 0 {
		return nil, errno
	}
	return in.headers[:n], 0
}

// Read is lane.Driver's. Descriptors that come with a message that is not the first are
// closed by the kernel, as there is no room for them.
func (p *peer) Read(t *lane.Turn, room int) (frames int, err error) {
	messages, errno := p.receive(t, room)
	if errno != 0 {
		return 0, errno
	}
	if !p.first.came && p.first.arrived(&messages[0].hdr) {
		p.mute, messages[0].len = true, 0 // a tap comes, and nothing else counts
	}
	empty := false
	for i := range messages {
		m := &messages[i]
		size := int(m.len)
		switch {
		case size == 0:
			empty = true // or the end
		case p.mute:
			t.Drop(frame.DropFiltered, size)
		case m.hdr.Flags&unix.MSG_TRUNC != 0:
			t.Refused()
		default:
			t.Batch.AddPlain(t.Buffer(i)[:size])
		}
	}
	if empty && p.ended() {
		return len(messages), io.EOF
	}
	return len(messages), nil
}

// ended tells whether a message without bytes was none: the peer has closed, and no
// bytes are left. recvmsg says nothing of the difference.
func (p *peer) ended() bool {
	poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(poll, 0); err != nil || poll[0].Revents&unix.POLLRDHUP == 0 {
		return false
	}
	bytes, err := unix.IoctlGetInt(p.fd, unix.TIOCINQ)
	return err != nil || bytes == 0
}
