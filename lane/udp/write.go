package udp

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// MaxCopies is the most addresses that one frame may go to.
const MaxCopies = 64

// Router tells where the frames of a socket go.
type Router interface {
	// Route returns to whom a frame goes, MaxCopies at most, each of whom gets a copy, and
	// how it is marked; to the zero Addr by a connected socket. What it returns lives
	// until the next call.
	Route(data []byte) (to []Addr, tos uint8)
}

// Writer sends frames as datagrams: what the Write of a Driver is made of. It is big, and
// one call at a time uses it.
type Writer struct {
	Sender
	TooLong bool // set when a frame was lost as the path takes none so long

	datagrams [maxDatagrams]Datagram
	of        [maxDatagrams]int // whose frame a datagram is a copy of
}

// Write is lane.Driver's. A frame of which some copies went and others did not is taken
// and lost.
func (w *Writer) Write(t *lane.Turn, fd int, frames []frame.Frame, r Router) (taken int, err error) {
	for taken < len(frames) {
		n, next := w.prepare(t, frames, taken, r)
		sent, err := w.Send(fd, w.datagrams[:n])
		lost := w.count(t, frames, sent)
		if err == nil {
			taken = next
			continue
		}
		taken = w.of[sent]
		if sent > 0 && w.of[sent-1] == taken { // some copies went
			if lost != taken {
				t.Lost(&frames[taken])
			}
			taken++
		}
		if taken == len(frames) && err == unix.EAGAIN {
			err = nil // no tail is kept
		}
		return taken, err
	}
	return taken, nil
}

// prepare makes datagrams of as many frames as fit, from the i-th on, and tells which is
// the next. A frame that goes nowhere is lost when it is the first.
func (w *Writer) prepare(t *lane.Turn, frames []frame.Frame, i int, r Router) (n, next int) {
	for ; i < len(frames); i++ {
		data := frames[i].Data()
		to, tos := r.Route(data)
		switch {
		case n > 0 && (len(to) == 0 || n+len(to) > maxDatagrams):
			return n, i
		case len(to) == 0:
			t.Lost(&frames[i])
			return 0, i + 1
		}
		for _, a := range to {
			w.datagrams[n], w.of[n] = Datagram{To: a, TOS: tos, Data: data}, i
			n++
		}
	}
	return n, i
}

// count counts the frames of the first n datagrams that were lost, each once, and tells
// the last of them; -1: none was.
func (w *Writer) count(t *lane.Turn, frames []frame.Frame, n int) (last int) {
	last = -1
	for i := range w.datagrams[:n] {
		d := &w.datagrams[i]
		d.Data = nil
		if d.Lost == 0 {
			continue
		}
		w.TooLong = w.TooLong || d.Lost == unix.EMSGSIZE
		if w.of[i] != last {
			last = w.of[i]
			t.Lost(&frames[last])
		}
	}
	return last
}
