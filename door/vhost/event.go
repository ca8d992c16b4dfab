package vhost

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// The front end gives eventfds and keeps the flags of them: it can make a read or a
// write of ours wait, whatever O_NONBLOCK said before. So none of them is ever read
// or written. That it was written an epoll tells, by its edge; and the kernel adds to
// it when an asynchronous operation is done, which it does not wait for.

// checkEvent refuses what is no eventfd. No file can have that name.
func checkEvent(fd int) error {
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || name != "anon_inode:[eventfd]" {
		return fail.Errorf(fail.Invalid, "a notification must be by an eventfd, and this is %s", fail.Quote(name))
	}
	return nil
}

// kick is a descriptor that is readable when a ring is to be looked at: since the
// front end wrote to its eventfd, or by now.
type kick struct {
	epoll  int
	ready  int // an eventfd of ours, which has something to read
	fd     int // the front end's; -1: none
	events [2]unix.EpollEvent
}

// open makes a kick. ready stays the caller's, and open.
func (k *kick) open(ready int) (err error) {
	k.ready, k.fd = ready, -1
	if k.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	return k.control(unix.EPOLL_CTL_ADD, ready)
}

func (k *kick) control(op, fd int) error {
	const edges = unix.EPOLLIN | unix.EPOLLET&(1<<32-1)
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(k.epoll, op, fd, &unix.EpollEvent{Events: edges}))
}

// set takes another eventfd, which it owns then; -1: none.
func (k *kick) set(fd int) error {
	if k.fd >= 0 {
		_ = k.control(unix.EPOLL_CTL_DEL, k.fd) // the front end has it open: closing is not enough
		unix.Close(k.fd)
		k.fd = -1
	}
	if fd < 0 {
		return nil
	}
	if err := k.control(unix.EPOLL_CTL_ADD, fd); err != nil {
		unix.Close(fd)
		return err
	}
	k.fd = fd
	return nil
}

// now makes it readable.
func (k *kick) now() { _ = k.control(unix.EPOLL_CTL_MOD, k.ready) }

// take makes it unreadable until the next kick.
func (k *kick) take() { _, _ = unix.EpollWait(k.epoll, k.events[:], 0) }

func (k *kick) close() {
	_ = k.set(-1)
	unix.Close(k.epoll)
}

// From linux/aio_abi.h.
const (
	aioWrite = 1 // IOCB_CMD_PWRITE
	aioEvent = 1 // IOCB_FLAG_RESFD
	aioRoom  = 8 // operations whose ends can wait to be looked at, or more
)

// aioOperation is struct iocb.
type aioOperation struct {
	data     uint64
	key      uint32
	rwFlags  int32
	opcode   uint16
	priority int16
	fd       uint32
	buf      uint64
	bytes    uint64
	offset   int64
	_        uint64
	flags    uint32
	event    uint32
}

// aioEnd is struct io_event.
type aioEnd struct {
	data, operation uint64
	result, _       int64
}

// signals adds to eventfds, without waiting. Safe for concurrent use.
type signals struct {
	null    int // /dev/null, to which nothing is written
	context uintptr
}

func (s *signals) open() error {
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/null", Err: err}
	}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, aioRoom, uintptr(unsafe.Pointer(&s.context)), 0); errno != 0 {
		unix.Close(null)
		return os.NewSyscallError("io_setup", errno)
	}
	s.null = null
	return nil
}

func (s *signals) close() {
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, s.context, 0, 0)
	unix.Close(s.null)
}

// call is the eventfd by which a ring tells the guest of what was used.
type call struct {
	signals   *signals
	fd        int // -1: none
	operation aioOperation
	list      [1]*aioOperation
	ends      [aioRoom]aioEnd
}

// set takes another eventfd, which it owns then; -1: none.
func (c *call) set(fd int) {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd = fd
	c.operation = aioOperation{opcode: aioWrite, fd: uint32(c.signals.null), flags: aioEvent, event: uint32(fd)}
	c.list[0] = &c.operation
}

// now adds to it.
func (c *call) now() {
	for range 100 { // the second time there is room, if the other ring was not faster
		_, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, c.signals.context, 1, uintptr(unsafe.Pointer(&c.list[0])))
		if errno != unix.EAGAIN {
			return
		}
		var none unix.Timespec
		_, _, _ = unix.RawSyscall6(unix.SYS_IO_GETEVENTS, c.signals.context, 0, aioRoom, uintptr(unsafe.Pointer(&c.ends[0])), uintptr(unsafe.Pointer(&none)), 0)
	}
}
