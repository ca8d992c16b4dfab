package lane

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// burstBytes keeps what is read at once within the processor's cache until it
// is written.
const burstBytes = 256 << 10

// source is a Source of an Endpoint on its lane.
type source struct {
	Source
	ep     *Endpoint
	lane   *lane
	number uint64 // that epoll tells; another for each source of the lane
	watch  watch

	cut bool // the driver keeps the tail of a frame; under Conn.mu

	mu     sync.Mutex // held while it has its turn
	closed bool
	held   *bus.Parked // frames that were read and not carried yet; nothing is read meanwhile
	parked bool        // and the network has them, until the lane is told that it does not
	more   bool        // the driver has frames at hand, see ErrMore
	queued bool        // it stands in lane.again
	burst  int         // frames to read at once
	due    int         // frames that a Carrier is to be told of
	round  int         // lane.round when it was last read
}

// close ends the turns of s.
func (s *source) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.watch.end(s)
	s.lane.timers.forget(s)
	switch {
	case s.parked:
		s.held.Cancel()
	case s.held != nil:
		s.held.Batch.Reset()
	}
}

// serve is a turn of s, for which epoll told events. Those of an error and of a
// hang-up concern both ways.
func (s *source) serve(t *Turn, events uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if events&^in != 0 {
		s.drain(t)
	}
	if events&^out != 0 && s.held == nil && !s.queued {
		s.read(t, events&unix.EPOLLHUP != 0)
	}
}

// goOn is a turn of s, for which epoll told nothing: the last one did not come to
// its end, or what was parked is sent.
func (s *source) goOn(t *Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queued = false
	switch {
	case s.closed:
	case s.held == nil:
		s.read(t, false)
	case s.parked:
		s.unpark()
	default:
		s.carry(&s.held.Batch)
		s.tellCarried()
		s.readMore()
	}
}

// tellCarried tells a Carrier of what was read last, if nothing of it is held.
func (s *source) tellCarried() {
	if s.due == 0 || s.held != nil {
		return
	}
	if d, ok := s.Driver.(Carrier); ok {
		d.Carried(s.due)
	}
	s.due = 0
}

// read reads a burst and sends it. A descriptor that hung up, and has nothing
// more to read, has ended.
func (s *source) read(t *Turn, hungUp bool) {
	b := &t.Batch
	t.conn = s.ep.conn
	asked := s.burst
	got, err := s.Driver.Read(t, asked)
	bytes, cost := s.admit(b)
	most := MaxBurst
	if len(b.Frames) > 0 {
		// A super-frame costs as the frames that it stands for.
		b.Budget = max(1, Budget*len(b.Frames)/max(1, cost))
		if sent := s.carry(b); b.Made > 0 {
			most = b.Budget * sent / b.Made
		}
	}
	b.Reset()
	s.due = got
	s.tellCarried()
	s.adapt(asked, got, min(most, burstBytes*got/max(1, bytes)))
	s.more = err == ErrMore
	switch {
	case s.more:
		s.readMore()
	case err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		if hungUp && got == 0 {
			s.hungUp()
		}
	case errors.Is(err, io.EOF):
		s.ep.fail("hung up")
	default:
		s.ep.fail(err.Error())
	}
}

// readMore gives s another turn, if its driver wants one and may have it.
func (s *source) readMore() {
	if s.more && s.held == nil {
		s.lane.queue(s)
	}
}

// admit takes out of b what may not enter the network, and tells how many bytes
// the rest has, and how many frames it is on a wire.
func (s *source) admit(b *bus.Batch) (bytes, cost int) {
	mtu := s.ep.conn.Network().MTU()
	kept := 0
	for i := range b.Frames {
		f := &b.Frames[i]
		switch {
		case f.Len() == 0:
			s.ep.conn.CountDrop(frame.DropMalformed, 0)
			f.Release()
		case f.WireLen() > mtu:
			s.ep.conn.CountRefused()
			f.Release()
		default:
			bytes += f.Len()
			cost += f.WireFrames()
			if kept < i {
				b.Frames[kept] = *f
			}
			kept++
		}
	}
	clear(b.Frames[kept:])
	b.Frames = b.Frames[:kept]
	return bytes, cost
}

// adapt chooses how many frames to read the next time. A burst grows while
// there is as much as was asked for, one time after the other: at low load
// single frames are forwarded at once. A Bulk source is always asked for what fits:
// fewer calls, and nobody waits for what is not there. most is how many of such
// frames fit one turn.
func (s *source) adapt(asked, got, most int) {
	busy := s.round == s.lane.round-1
	s.round = s.lane.round
	switch {
	case s.Bulk && got > 0:
		s.burst = max(1, min(MaxBurst, most))
	case got < asked:
		s.burst = max(1, got)
	case busy:
		s.burst = max(1, min(2*asked, MaxBurst, most))
	}
}
