package udp

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/lane"
)

// Datagram is one to be sent. To is the zero Addr if the socket is connected.
type Datagram struct {
	To   Addr
	TOS  uint8 // type of service or traffic class
	Data []byte
	Lost unix.Errno // Send's: why it was not sent
}

// Sender sends. It is big, and one call at a time uses it.
type Sender struct {
	Head   []byte // stands in front of each datagram
	Family uint16 // of the socket: AF_INET or AF_INET6
	// Whole says that the kernel cannot cut for this socket: each datagram is a message.
	// Send finds out.
	Whole bool

	messages [maxDatagrams]lane.Message
	runs     [maxDatagrams]int // datagrams of the message
	names    [maxDatagrams]name
	controls [maxDatagrams]control
	iov      [2 * maxDatagrams]unix.Iovec
}

// maxDatagrams is how many datagrams one call sends: two full runs.
const maxDatagrams = 2 * maxSegments

// Send sends datagrams in their order, and returns how many it took: those were sent, or
// are Lost. EAGAIN says that the socket has no room for the rest now, and what is Fatal
// that it never will. The bytes are only read.
func (s *Sender) Send(fd int, d []Datagram) (taken int, err error) {
	for i := range d {
		d[i].Lost = 0
	}
	retried := -1        // the datagram that had an error, which may be an earlier one's
	whole, from := 0, -1 // those before are sent whole, as they were refused as a run
	for taken < len(d) {
		rest, segment := d[taken:], !s.Whole
		if taken < whole {
			rest, segment = d[taken:whole], false
		}
		sent, errno := s.call(fd, rest, segment)
		if sent > 0 && taken == from {
			s.Whole = true // what could not be cut can go
		}
		taken += sent
		switch run := s.runs[0]; {
		case errno == 0 || errno == unix.EINTR:
		case errno == unix.EAGAIN || Fatal(errno):
			return taken, errno
		case retried != taken:
			retried = taken
		case run > 1 && uncut(errno):
			whole, from = taken+run, taken
		default:
			taken += lose(rest, run, errno)
		}
	}
	return taken, nil
}

// uncut tells whether a run may have failed as it is one: the kernel cannot cut it
// (udp_send_skb), or a datagram of it is too long, which older ones tell by EINVAL.
func uncut(errno unix.Errno) bool {
	switch errno {
	case unix.EIO, unix.EINVAL, unix.EOPNOTSUPP, unix.ENOPROTOOPT, unix.EMSGSIZE:
		return true
	}
	return false
}

// lose gives up the first datagrams of d, a run of n of them, and tells how many. What is
// too long is so with all that follow to there and are not shorter.
func lose(d []Datagram, n int, errno unix.Errno) int {
	for errno == unix.EMSGSIZE && n < len(d) && d[n].To == d[0].To && len(d[n].Data) >= len(d[0].Data) {
		n++
	}
	for i := range d[:n] {
		d[i].Lost = errno
	}
	return n
}

// call sends the first datagrams by one call, and returns how many went; of none, why
// the first run did not.
func (s *Sender) call(fd int, d []Datagram, segment bool) (sent int, errno unix.Errno) {
	d = d[:min(len(d), maxDatagrams)]
	n, pieces := 0, 0
	for at := 0; at < len(d); n++ {
		run := 1
		if segment {
			run = runOf(d[at:], len(s.Head))
		}
		pieces = s.place(n, pieces, d[at:][:run])
		at += run
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&s.messages[0])), uintptr(n), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	runtime.KeepAlive(d)
	clear(s.iov[:pieces])
	if errno != 0 {
		return 0, errno
	}
	for _, run := range s.runs[:r] {
		sent += run
	}
	return sent, 0
}

// place makes a run the n-th message, whose pieces are told from s.iov[at] on.
func (s *Sender) place(n, at int, run []Datagram) (end int) {
	first, m, c := &run[0], &s.messages[n], &s.controls[n]
	s.runs[n], end, c.n = len(run), at, 0
	*m = lane.Message{}
	for i := range run {
		end = s.piece(end, s.Head)
		end = s.piece(end, run[i].Data)
	}
	m.Iov, m.Iovlen = &s.iov[at], uint64(end-at)
	to := &s.names[n]
	if first.To != (Addr{}) {
		m.Name, m.Namelen = bytesOf(to), first.To.put(to)
	}
	if len(run) > 1 {
		c.segment(len(s.Head) + len(first.Data))
	}
	if first.TOS != 0 {
		c.mark(s.Family, first.TOS)
	}
	if c.n > 0 {
		m.Control, m.Controllen = &c.room[0], uint64(c.n)
	}
	return end
}

// piece makes b the next piece, if it has bytes.
func (s *Sender) piece(at int, b []byte) (next int) {
	if len(b) == 0 {
		return at
	}
	s.iov[at] = unix.Iovec{Base: unsafe.SliceData(b), Len: uint64(len(b))}
	return at + 1
}
