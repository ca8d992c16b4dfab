package lane

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ringSize is how many operations one call may carry: MaxBurst or more.
// maxRefused is how often the kernel may say, for one Submit, that it has no memory.
const (
	ringSize   = 64
	maxRefused = 100
)

// From linux/io_uring.h.
const (
	opWritev = 2
	opRead   = 22
	opWrite  = 23

	offSQRing = 0
	offSQEs   = 0x10000000

	featSingleMmap = 1
	enterGetEvents = 1
)

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFd uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, ringMask, ringEntries, flags, dropped, array, _ uint32
		userAddr                                                    uint64
	}
	cq struct {
		head, tail, ringMask, ringEntries, overflow, cqes, flags, _ uint32
		userAddr                                                    uint64
	}
}

// sqe is struct io_uring_sqe, as far as it is used.
type sqe struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	offset        uint64
	addr          uint64
	len           uint32
	rwFlags       uint32
	userData      uint64
	_             [3]uint64
}

// cqe is struct io_uring_cqe.
type cqe struct {
	userData uint64
	res      int32
	flags    uint32
}

// Ring is an io_uring that carries many reads or writes in one call. One
// goroutine uses it. Memory that an operation names must not move: it is from
// the heap or a Buffer, and held by the caller until Submit returns.
type Ring struct {
	fd       int
	memory   []byte // both queues
	sqeBytes []byte

	sqTail, cqHead, cqTail *uint32
	sqMask, cqMask         uint32
	sqes                   []sqe
	cqes                   []cqe

	pending uint32
	broken  bool            // the kernel refused a call: not to be used any more
	results [ringSize]int32 // of the last submit, by order of operations
}

// newRing makes a ring, or returns an error where the kernel has or allows
// none.
func newRing() (*Ring, error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, ringSize, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	unix.CloseOnExec(int(fd))
	r := &Ring{fd: int(fd)}
	if p.features&featSingleMmap == 0 {
		r.close()
		return nil, unix.EOPNOTSUPP // before Linux 5.4
	}
	size := max(p.sq.array+p.sqEntries*4, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(cqe{})))
	var err error
	if r.memory, err = unix.Mmap(r.fd, offSQRing, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE); err == nil {
		r.sqeBytes, err = unix.Mmap(r.fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.memory[offset])) }
	r.sqTail, r.sqMask = word(p.sq.tail), *word(p.sq.ringMask)
	r.cqHead, r.cqTail, r.cqMask = word(p.cq.head), word(p.cq.tail), *word(p.cq.ringMask)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&r.sqeBytes[0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&r.memory[p.cq.cqes])), p.cqEntries)
	for i := range p.sqEntries { // operation i always stands in entry i
		*word(p.sq.array + 4*i) = i
	}
	return r, nil
}

func (r *Ring) close() {
	if r.sqeBytes != nil {
		_ = unix.Munmap(r.sqeBytes)
	}
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
	}
	_ = unix.Close(r.fd)
}

// Read prepares to read into b.
func (r *Ring) Read(fd int, b []byte) { r.add(opRead, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

// Write prepares to write b.
func (r *Ring) Write(fd int, b []byte) {
	r.add(opWrite, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b))
}

// Writev prepares to write what the pieces hold.
func (r *Ring) Writev(fd int, pieces []unix.Iovec) {
	r.add(opWritev, fd, unsafe.Pointer(unsafe.SliceData(pieces)), len(pieces))
}

// add prepares an operation, of MaxBurst at most before a Submit, on a
// descriptor: of n bytes at addr, or of n iovecs there. It never waits: O_NONBLOCK
// alone would leave it pending where the file can tell when it is ready.
func (r *Ring) add(op uint8, fd int, addr unsafe.Pointer, n int) {
	e := &r.sqes[(*r.sqTail+r.pending)&r.sqMask]
	*e = sqe{opcode: op, fd: int32(fd), addr: uint64(uintptr(addr)), len: uint32(n), rwFlags: unix.RWF_NOWAIT, userData: uint64(r.pending)}
	r.pending++
}

// Submit carries out what was prepared and returns the results in order: bytes,
// or an errno below zero, EAGAIN if the kernel did not get to it. They stand until
// the next Submit.
func (r *Ring) Submit() []int32 {
	n := r.pending
	atomic.StoreUint32(r.sqTail, *r.sqTail+n)
	r.pending = 0
	for i := range n {
		r.results[i] = -int32(unix.EAGAIN)
	}
	toSubmit, got, refused := uintptr(n), uint32(0), 0
	for flags := uintptr(0); got < n; flags = enterGetEvents {
		wait := uintptr(0)
		if flags != 0 && toSubmit == 0 {
			wait = 1
		}
		done, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), toSubmit, wait, flags, 0, 0)
		switch errno {
		case 0:
			toSubmit -= min(done, toSubmit)
		case unix.EINTR:
		case unix.EAGAIN, unix.EBUSY:
			refused++
		default:
			refused = maxRefused
		}
		if refused >= maxRefused {
			r.broken = true
			return r.results[:n]
		}
		head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
		for ; head != tail; head++ {
			c := &r.cqes[head&r.cqMask]
			r.results[c.userData&(ringSize-1)] = c.res
			got++
		}
		atomic.StoreUint32(r.cqHead, head)
	}
	return r.results[:n]
}
