package fs

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// maxAcceptors is how many sockets are bound at once, and idleAcceptor how long
// one is that nobody looks at.
const (
	maxAcceptors = 1024
	idleAcceptor = 10 * time.Second
)

// backlog is how many connections may wait to be accepted.
const backlog = 1024

// acceptPause is how long it rests when there is no descriptor left.
const acceptPause = 10 * time.Millisecond

// sockets are those that are bound. A network's socket is bound when somebody
// looks at it, as connect(2) does, and no longer when nobody has for a while: four
// thousand networks need no descriptor. Safe for concurrent use. mu is held while a
// socket is bound, which takes requests to the tree: none of those may take it.
type sockets struct {
	ready atomic.Bool // there is a place to bind them

	mu sync.Mutex
	// +checklocks:mu
	place int // O_PATH, valid while ready
	// +checklocks:mu
	open map[bound]*acceptor

	visitors visitors
}

// bound is what stands once in a network's directory.
type bound struct {
	net *bus.Network
	row *row
}

// acceptor is a socket that is bound.
type acceptor struct {
	bound
	file *os.File
	used time.Time // when somebody looked; under sockets.mu
}

func (s *sockets) begin(place int, dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place, s.open = place, map[bound]*acceptor{}
	s.visitors.begin(dir)
	s.ready.Store(true)
}

// end closes all of them, and with them the mount that they are bound by.
func (s *sockets) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready.Swap(false) {
		return
	}
	for _, l := range s.open {
		l.file.Close()
	}
	clear(s.open)
	unix.Close(s.place)
	s.visitors.end()
}

// listen makes sure that who connects to the socket n, at which he looks now,
// finds somebody who accepts. Without one he is refused: ECONNREFUSED.
func (f *FS) listen(n *node) {
	s := &f.sockets
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready.Load() {
		return
	}
	key := bound{n.net, n.row}
	now := time.Now()
	if l := s.open[key]; l != nil {
		l.used = now
		return
	}
	if len(s.open) >= min(maxAcceptors, maxDescriptors()/4) {
		s.closeOldest()
	}
	l, err := s.bind(key)
	if err != nil {
		f.tell(n, 0, 0, "listen", err)
		return
	}
	l.used = now
	s.open[key] = l
	go f.accept(l)
}

// bind binds a socket. That makes requests to the tree: LOOKUP and MKNOD.
//
// +checklocks:s.mu
func (s *sockets) bind(of bound) (*acceptor, error) {
	kind := unix.SOCK_STREAM
	if of.row.socket.Packets {
		kind = unix.SOCK_SEQPACKET
	}
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	name := fmt.Sprintf("/proc/self/fd/%d/%s", s.place, boundName(of.net, of.row))
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("bind", err)
	}
	return &acceptor{bound: of, file: os.NewFile(uintptr(fd), name)}, nil
}

// closeOldest makes room for one more.
//
// +checklocks:s.mu
func (s *sockets) closeOldest() {
	var oldest *acceptor
	for _, l := range s.open {
		if oldest == nil || l.used.Before(oldest.used) {
			oldest = l
		}
	}
	s.close(oldest)
}

// +checklocks:s.mu
func (s *sockets) close(l *acceptor) {
	l.file.Close()
	delete(s.open, l.bound)
}

// closeIdle closes those that nobody has looked at since, and those of
// networks that have ended.
func (f *FS) closeIdle(since time.Time) {
	s := &f.sockets
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.open {
		if l.used.Before(since) || f.ended(l.net) {
			s.close(l)
		}
	}
}

// accept takes who connects to l, until it is closed.
func (f *FS) accept(l *acceptor) {
	raw, err := l.file.SyscallConn()
	for err == nil {
		var fd int
		var failed error
		err = raw.Read(func(s uintptr) (done bool) {
			fd, _, failed = unix.Accept4(int(s), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return !errors.Is(failed, unix.EAGAIN)
		})
		switch {
		case err != nil: // closed
		case failed == nil:
			f.visit(l, fd)
		case !errors.Is(failed, unix.ECONNABORTED):
			time.Sleep(acceptPause)
		}
	}
}

// maxDescriptors is how many this process may have.
func maxDescriptors() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return maxAcceptors
	}
	return int(min(limit.Cur, 1<<30))
}
