package device

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// yieldEvery is after how many rounds a loop gives way to the scheduler: Go's
// monitor thread otherwise takes it for a goroutine that runs too long, and
// interrupts it every 20 us.
const yieldEvery = 128

// Sizes of what a loop reads into. frameRoom is the most that a read gives: a
// virtio-net header, a super-frame of 64 KiB with its headers and two tags, and
// room in front to put a tag back.
const (
	maxBurst  = 32
	frameRoom = 68 << 10
)

// loop is a goroutine that serves the queues of some devices.
type loop struct {
	epoll int
	stop  int // eventfd, readable when the loop is to end
	// +checklocks:loops.mu
	users int // queues

	mu sync.Mutex
	// +checklocks:mu
	queues map[int32]*queue // by descriptor

	// The rest is the goroutine's own.

	round   int // counts the times that it asked for events
	ring    *ring
	batch   bus.Batch
	buffers []byte // maxBurst times frameRoom
	iov     [2 * maxBurst]unix.Iovec
	packets *packetReader // nil before the first packet socket
}

// loops are those that run: as many as there are devices for, up to half of
// what may run at once, since what the frames are for needs the rest.
var loops struct {
	mu sync.Mutex
	// +checklocks:mu
	list []*loop
}

// acquireLoop finds the loop for one more queue.
func acquireLoop() (*loop, error) {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	var least *loop
	for _, l := range loops.list {
		if least == nil || l.users < least.users {
			least = l
		}
	}
	if least == nil || least.users > 0 && len(loops.list) < max(1, runtime.GOMAXPROCS(0)/2) {
		l, err := newLoop()
		if err != nil {
			return nil, err
		}
		loops.list = append(loops.list, l)
		least = l
		go l.run()
	}
	least.users++
	return least, nil
}

// release gives a queue's place back; the last one ends the loop.
func (l *loop) release() {
	loops.mu.Lock()
	defer loops.mu.Unlock()
	if l.users--; l.users > 0 {
		return
	}
	for i, other := range loops.list {
		if other == l {
			loops.list = append(loops.list[:i], loops.list[i+1:]...)
		}
	}
	one := [8]byte{1}
	_, _ = unix.Write(l.stop, one[:])
}

func newLoop() (*loop, error) {
	l := &loop{queues: map[int32]*queue{}}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if l.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = unix.Close(l.epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, l.stop, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(l.stop)})
	if err != nil {
		l.close()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	l.ring, _ = newRing() // without one, a call a frame
	l.buffers = make([]byte, maxBurst*frameRoom)
	l.batch.Scratch = l
	l.batch.NoWait = true
	return l, nil
}

func (l *loop) close() {
	if l.ring != nil {
		l.ring.close()
	}
	if l.packets != nil {
		l.packets.close()
	}
	_ = unix.Close(l.stop)
	_ = unix.Close(l.epoll)
}

// watch lets q be served; q.mu is held.
func (l *loop) watch(q *queue) error {
	l.mu.Lock()
	l.queues[int32(q.fd)] = q
	l.mu.Unlock()
	err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, q.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(q.fd)})
	return os.NewSyscallError("epoll_ctl", err)
}

// unwatch ends watch; q.mu is held.
func (l *loop) unwatch(q *queue) {
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, q.fd, nil)
	l.mu.Lock()
	delete(l.queues, int32(q.fd))
	l.mu.Unlock()
}

func (l *loop) queue(fd int32) *queue {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queues[fd]
}

// buffer is the i-th place for a frame.
func (l *loop) buffer(i int) []byte { return l.buffers[i*frameRoom : (i+1)*frameRoom] }

// run serves until release.
func (l *loop) run() {
	defer l.close()
	var events [64]unix.EpollEvent
	for l.round = 1; ; l.round++ {
		if l.round%yieldEvery == 0 {
			runtime.Gosched()
		}
		n, err := unix.EpollWait(l.epoll, events[:], -1)
		if err != nil { // EINTR
			continue
		}
		for _, e := range events[:n] {
			if e.Fd == int32(l.stop) {
				return
			}
			if q := l.queue(e.Fd); q != nil {
				q.serve(l)
			}
		}
	}
}
