package lane

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// lane is a thread that serves sources, one after the other: a goroutine that
// waits by epoll. It is there from its first source to its last.
type lane struct {
	epoll  int
	wake   int // eventfd, readable when something was posted or the lane is to end
	timers timers
	users  int           // sources; under lanes.mu
	done   chan struct{} // closed when nothing of it is left

	mu      sync.Mutex
	ended   bool
	posted  []*source          // to go on
	sources map[uint64]*source // by the number that epoll tells
	numbers uint64             // given so far; none is given twice

	// The rest is the goroutine's own.

	round        int  // counts the times that it asked for events
	last         bool // this round is
	turn         *Turn
	events       [64]unix.EpollEvent
	again, other []*source // that have more to do than epoll tells; swapped
}

// Numbers of what is no source, and what is added to that of a source for its OutFD.
const (
	wakeNumber uint64 = iota
	timerNumber
	firstNumber

	outNumber uint64 = 1 << 63
)

// post has a source go on; of none: it ends the lane. Any goroutine may call it.
func (l *lane) post(s *source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s == nil {
		l.ended = true
	} else {
		l.posted = append(l.posted, s)
	}
	if l.wake >= 0 {
		one := [8]byte{1}
		_, _ = unix.Write(l.wake, one[:])
	}
}

// takePosted has those that were posted go on in this round.
func (l *lane) takePosted() {
	var buf [8]byte
	_, _ = unix.Read(l.wake, buf[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	l.other = append(l.other, l.posted...)
	clear(l.posted)
	l.posted = l.posted[:0]
	l.last = l.ended
}

// queue gives s another turn in the next round. Only the lane's goroutine calls it.
func (l *lane) queue(s *source) {
	if !s.queued {
		s.queued = true
		l.again = append(l.again, s)
	}
}

func newLane() (*lane, error) {
	l := &lane{epoll: -1, wake: -1, sources: map[uint64]*source{}, numbers: firstNumber, done: make(chan struct{})}
	l.timers.fd = -1
	if err := l.open(); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lane) open() (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if l.timers.fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if err := l.control(unix.EPOLL_CTL_ADD, l.wake, wakeNumber, unix.EPOLLIN); err != nil {
		return err
	}
	if err := l.control(unix.EPOLL_CTL_ADD, l.timers.fd, timerNumber, unix.EPOLLIN); err != nil {
		return err
	}
	l.turn, err = newTurn()
	return err
}

func (l *lane) close() {
	if l.turn != nil {
		l.turn.close()
	}
	l.mu.Lock()
	wake := l.wake
	l.wake = -1 // what was parked may be posted later
	l.mu.Unlock()
	for _, fd := range []int{l.timers.fd, wake, l.epoll} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	close(l.done)
}

// control tells epoll which events of a descriptor are to be told, under which
// number.
func (l *lane) control(op, fd int, number uint64, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(uint32(number)), Pad: int32(number >> 32)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, op, fd, &e))
}

func (l *lane) add(s *source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.number = l.numbers
	l.numbers++
	l.sources[s.number] = s
}

func (l *lane) remove(s *source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sources, s.number)
}

func (l *lane) source(number uint64) *source {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sources[number]
}

// serve waits for something to do and gives each source that has some a turn. It
// tells whether the lane goes on.
func (l *lane) serve() (more bool) {
	l.round++
	wait := -1
	if len(l.again) > 0 {
		wait = 0
	}
	n, err := unix.EpollWait(l.epoll, l.events[:], wait)
	if err != nil { // EINTR
		n = 0
	}
	l.again, l.other = l.other[:0], l.again
	for i := range l.events[:n] {
		e := &l.events[i]
		switch number := uint64(uint32(e.Pad))<<32 | uint64(uint32(e.Fd)); number {
		case wakeNumber:
			l.takePosted()
		case timerNumber:
			l.timers.expire()
		default:
			events := e.Events
			if number&outNumber != 0 {
				number, events = number&^outNumber, out
			}
			if s := l.source(number); s != nil {
				s.serve(l.turn, events)
			}
		}
	}
	for i, s := range l.other {
		l.other[i] = nil
		s.goOn(l.turn)
	}
	return !l.last
}
