package lane

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Events that a source may want.
const (
	in  uint32 = unix.EPOLLIN
	out uint32 = unix.EPOLLOUT
)

// watch is what epoll knows of a source. Its lock is a leaf and held for a call
// of epoll_ctl, so that who queues frames never waits for a turn.
type watch struct {
	mu     sync.Mutex
	events uint32 // wanted; of none epoll knows nothing, as it would tell of a hang-up all the time
	ended  bool
}

// want adds and takes off events. Without them s cannot go on.
func (s *source) want(on, off uint32) {
	if err := s.watch.set(s, on, off); err != nil {
		s.ep.fail("cannot be watched: " + err.Error())
	}
}

func (w *watch) set(s *source, on, off uint32) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	had, events := w.events, w.events&^off|on
	if w.ended || events == had {
		return nil
	}
	w.events = events
	return s.change(had, events)
}

// change tells epoll, as watch does, of the descriptors of s. watch.mu is held.
func (s *source) change(had, events uint32) error {
	if s.OutFD == 0 {
		return s.lane.watch(s.FD, s.number, had, events)
	}
	if err := s.lane.watch(s.OutFD, s.number|outNumber, s.room(had), s.room(events)); err != nil {
		return err
	}
	return s.lane.watch(s.FD, s.number, had&in, events&in)
}

// room is what is wanted of an OutFD.
func (s *Source) room(events uint32) uint32 {
	switch {
	case events&out == 0:
		return 0
	case s.OutWritable:
		return out
	}
	return in
}

// watch tells epoll that other events of a descriptor are wanted than were before.
func (l *lane) watch(fd int, number uint64, had, events uint32) error {
	op := unix.EPOLL_CTL_MOD
	switch {
	case events == had:
		return nil
	case events == 0:
		op = unix.EPOLL_CTL_DEL
	case had == 0:
		op = unix.EPOLL_CTL_ADD
	}
	return l.control(op, fd, number, events)
}

// end is the last call: nothing is wanted any more.
func (w *watch) end(s *source) {
	_ = w.set(s, 0, in|out)
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	s.lane.remove(s)
}

// over tells whether end was called.
func (w *watch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}
