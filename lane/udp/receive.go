package udp

import (
	"golang.org/x/sys/unix"

	"ipnfs/lane"
)

// Run is datagrams of one size that came from one address, as they lie one behind the
// other.
type Run struct {
	From Addr
	TOS  uint8  // type of service or traffic class, ECN in its lower two bits (RFC 3168, 5)
	Size int    // bytes of each but the last, which may be shorter
	Data []byte // of all
	Cut  bool   // it is one datagram, whose end is missing, or nobody knows what it is
}

// Next takes the first datagram off r; it is empty if the run has no bytes.
func (r *Run) Next() []byte {
	n := min(r.Size, len(r.Data))
	d := r.Data[:n:n]
	r.Data = r.Data[n:]
	return d
}

// MaxFrames is how many datagrams one Receive brings at most: Linux puts 64 into a run
// (UDP_GRO_CNT_MAX).
const MaxFrames = lane.MaxBurst * 64

// Receiver receives. It is big, and one call at a time uses it.
type Receiver struct {
	messages lane.Messages
	names    [lane.MaxBurst]name
	controls [lane.MaxBurst][controlRoom]byte
	runs     [lane.MaxBurst]Run
	report   report
}

// Receive receives up to room runs, the i-th into the i-th Buffer of t, where it lives
// until the next call. EAGAIN and EINTR say that there is nothing more; other errors are
// those of datagrams that were sent, but for those that end the socket (Fatal). After an
// error the socket may have something to report.
func (r *Receiver) Receive(t *lane.Turn, fd, room int) ([]Run, error) {
	messages := r.messages.Prepare(t, room)
	for i := range messages {
		m := &messages[i].Msghdr
		m.Name, m.Namelen = bytesOf(&r.names[i]), unix.SizeofSockaddrInet6
		m.Control, m.Controllen = &r.controls[i][0], controlRoom
	}
	messages, errno := r.messages.Receive(fd, room)
	if errno != 0 {
		return nil, errno
	}
	for i := range messages {
		m := &messages[i]
		size := int(m.Len)
		s := parse(r.controls[i][:m.Controllen])
		run := &r.runs[i]
		*run = Run{From: addrIn(&r.names[i], m.Namelen), TOS: s.tos, Size: size, Data: t.Buffer(i)[:size]}
		run.Cut = m.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0
		if s.size > 0 && s.size < size {
			run.Size = s.size
		}
	}
	return r.runs[:len(messages)], nil
}
