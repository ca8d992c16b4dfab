package lane

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
)

// Message is struct mmsghdr: a message, and how many bytes of it there were.
type Message struct {
	unix.Msghdr
	Len uint32
	_   [4]byte
}

// Messages is what recvmmsg(2) and sendmmsg(2) are given, for drivers of sockets that
// carry a frame a message. A driver has one for each way, as it is big: one call at a
// time uses it.
type Messages struct {
	headers [MaxBurst]Message
	iov     [MaxBurst]unix.Iovec
}

// place makes b the i-th message.
func (m *Messages) place(i int, b []byte) *Message {
	m.iov[i] = unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	m.headers[i] = Message{Msghdr: unix.Msghdr{Iov: &m.iov[i], Iovlen: 1}}
	return &m.headers[i]
}

// call has the first n messages received or sent, and tells how many were.
func (m *Messages) call(number uintptr, fd, n, flags int) (done int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&m.headers[0])), uintptr(n), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// Prepare has the next Receive take up to room messages, each to a Buffer of t, and
// returns them: a control buffer may be added to one.
func (m *Messages) Prepare(t *Turn, room int) []Message {
	for i := range room {
		m.place(i, t.Buffer(i))
	}
	return m.headers[:room]
}

// Receive receives as many of the messages that were prepared as there are. Descriptors
// that come with one are closed on exec.
func (m *Messages) Receive(fd, room int) (received []Message, errno unix.Errno) {
	n, errno := m.call(unix.SYS_RECVMMSG, fd, room, unix.MSG_CMSG_CLOEXEC)
	return m.headers[:n], errno
}

// Write is Driver's, for a socket: it sends frames in bursts, each by a call. What is
// too long for the socket, or for which there is no memory, is lost.
func (m *Messages) Write(t *Turn, fd int, frames []frame.Frame) (taken int, err error) {
	for taken < len(frames) {
		n, errno := m.send(fd, frames[taken:min(len(frames), taken+MaxBurst)])
		taken += n
		switch errno {
		case 0:
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
func (m *Messages) send(fd int, frames []frame.Frame) (sent int, errno unix.Errno) {
	for i := range frames {
		m.place(i, frames[i].Data())
	}
	sent, errno = m.call(unix.SYS_SENDMMSG, fd, len(frames), unix.MSG_NOSIGNAL)
	runtime.KeepAlive(frames)
	clear(m.iov[:len(frames)])
	return sent, errno
}

// Ended tells whether a message without bytes that came by a socket of SOCK_SEQPACKET was
// none: the peer has closed, and no bytes are left. recvmsg says nothing of the
// difference.
func Ended(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if _, err := unix.Poll(poll, 0); err != nil || poll[0].Revents&unix.POLLRDHUP == 0 {
		return false
	}
	bytes, err := unix.IoctlGetInt(fd, unix.TIOCINQ)
	return err != nil || bytes == 0
}
