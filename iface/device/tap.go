package device

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
)

// tapQueue is the driver of a queue of /dev/net/tun with IFF_VNET_HDR.
type tapQueue struct{ queue }

var _ lane.Driver = (*tapQueue)(nil)

// StartTap makes the queues of a tap a port of n.
func StartTap(n *bus.Network, c Config) (*Device, error) {
	return join(n, c, tapFits, tapSources(c.Fds, c.Shared))
}

func tapSources(fds []int, shared bool) (sources []lane.Source) {
	for _, fd := range fds {
		q := &tapQueue{queue{fd: fd}}
		if shared {
			q.flags = unix.RWF_NOWAIT
		}
		sources = append(sources, lane.Source{FD: fd, Driver: q})
	}
	return sources
}

// tapFits is what the kernel's bridge would forward to a tap: the header, payload
// and room for a tag, while the frame's own outermost tag is apart
// (is_skb_forwardable).
func tapFits(mtu int) (maxLen int, freeTags frame.Tags) {
	if mtu == 0 {
		return 0, 0
	}
	return minFrame + tagLen + mtu, frame.CTag | frame.STag
}

// Read is lane.Driver's: it reads one frame by a call, which has the better
// latency, or more by one call of the ring.
func (q *tapQueue) Read(t *lane.Turn, room int) (frames int, err error) {
	ring := q.ring(t)
	if room == 1 || ring == nil {
		buf := t.Buffer(0)
		piece := &t.Iovecs[0]
		*piece = unix.Iovec{Base: &buf[0], Len: uint64(len(buf))}
		n, errno := q.call(unix.SYS_PREADV2, piece, 1)
		if errno == unix.EINVAL {
			dropOdd(t)
			return 1, nil
		}
		if errno != 0 {
			return 0, q.failed(errno)
		}
		accept(t, buf[:n])
		return 1, nil
	}
	for i := range room {
		ring.Read(q.fd, t.Buffer(i))
	}
	var errno unix.Errno
	for i, n := range ring.Submit() {
		switch {
		case n > 0: // also after a read that found none
			accept(t, t.Buffer(i)[:n])
		case unix.Errno(-n) == unix.EINVAL:
			dropOdd(t)
		default:
			errno = unix.Errno(-n)
			continue
		}
		frames++
	}
	return frames, q.failed(errno)
}

// dropOdd counts a super-frame that no virtio-net header can tell of, such as SCTP's:
// the read that it fails loses it.
func dropOdd(t *lane.Turn) { t.Drop(frame.DropMalformed, 0) }

// failed tells which error of a read ends the tap.
func (q *tapQueue) failed(errno unix.Errno) error {
	switch errno {
	case unix.EOPNOTSUPP:
		if q.flags != 0 {
			return errno
		}
		q.noRing.Store(true)
	case 0, unix.EAGAIN, unix.EINTR:
	default: // EBADFD: the interface was deleted
		return errno
	}
	return nil
}

// accept adds a frame with its header to the batch, if it is one that may
// enter the network.
func accept(t *lane.Turn, raw []byte) {
	if len(raw) < vnet.HeaderLen+minFrame {
		t.Drop(frame.DropMalformed, max(0, len(raw)-vnet.HeaderLen))
		return
	}
	if data := raw[vnet.HeaderLen:]; vnet.Check(vnet.Parse(raw), data) != nil {
		t.Drop(frame.DropMalformed, len(data))
		return
	}
	t.Batch.AddVnet(raw)
}
