package fastpath

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// etherType of the tests' own frames: for local experiments.
const etherType = 0x88b5

// Flows: what the byte behind the type of a frame says.
const (
	hello = iota // without numbers
	probe
	there // from the first host to the second
	back
	flows
)

// minFrame is the least length of a frame, with no tag.
const minFrame = 60

// frame makes a frame of a flow, with tags (TPID<<16 | TCI), the outer one first.
//
//	to 6 | from 6 | tags | type 2 | flow 1 | number 8 | zeros
func frame(flow byte, to, from [6]byte, tags ...uint32) []byte {
	f := append(append([]byte(nil), to[:]...), from[:]...)
	for _, t := range tags {
		f = binary.BigEndian.AppendUint32(f, t)
	}
	f = binary.BigEndian.AppendUint16(f, etherType)
	f = append(f, flow)
	return append(f, make([]byte, minFrame+4*len(tags)-len(f))...)
}

// numberAt is where the number of a frame stands.
func numberAt(f []byte) int {
	at := 12
	for at+4 < len(f) && binary.BigEndian.Uint16(f[at:]) != etherType {
		at += 4
	}
	return at + 3
}

// number puts the number into a frame.
func number(f []byte, n uint64) []byte {
	binary.BigEndian.PutUint64(f[numberAt(f):], n)
	return f
}

// traffic is what a sender sends.
type traffic struct {
	frames [][]byte
	pick   func(n uint64) int // which of frames the n-th is; nil: the first
	count  uint64             // how many; 0: until it is stopped
	rate   uint64             // frames a second; 0: as many as it can
	cpu    int                // that it runs on, from 1; 0: any
}

// sender sends frames with numbers from 0 up from eth0 of a host.
type sender struct {
	sent atomic.Uint64 // those below were handed to the kernel
	next atomic.Uint64 // those from here on were not
	stop atomic.Bool
	work sync.WaitGroup
}

// batch is how many frames a call sends.
const batch = 32

// start begins to send, until the test ends at the latest.
func (h *host) start(tr traffic) *sender {
	h.l.t.Helper()
	s := &sender{}
	fd := h.socket(h.l.t)
	s.work.Go(func() {
		defer unix.Close(fd)
		pin(tr.cpu)
		s.run(fd, tr)
	})
	h.l.t.Cleanup(func() { s.end() })
	return s
}

// end ends it, and returns how many frames were sent.
func (s *sender) end() uint64 {
	s.stop.Store(true)
	return s.wait()
}

// wait waits until it has sent all.
func (s *sender) wait() uint64 {
	s.work.Wait()
	return s.sent.Load()
}

// await waits until it has sent n frames more.
func (s *sender) await(h *host, n uint64) {
	h.l.t.Helper()
	n += s.sent.Load()
	harness.Eventually(h.l.t, "frames to be sent", func() bool { return s.sent.Load() >= n })
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   uint32
}

// messages makes n of them, each with a buffer of so many bytes.
func messages(n, size int) (list []mmsghdr, iovecs []unix.Iovec, bufs [][]byte) {
	list, iovecs, bufs = make([]mmsghdr, n), make([]unix.Iovec, n), make([][]byte, n)
	for i := range list {
		bufs[i] = make([]byte, size)
		iovecs[i] = unix.Iovec{Base: &bufs[i][0], Len: uint64(size)}
		list[i].hdr = unix.Msghdr{Iov: &iovecs[i], Iovlen: 1}
	}
	return list, iovecs, bufs
}

func (s *sender) run(fd int, tr traffic) {
	list, iovecs, bufs := messages(batch, 9100)
	began := time.Now()
	for n := uint64(0); !s.stop.Load() && (tr.count == 0 || n < tr.count); {
		if tr.rate > 0 {
			time.Sleep(time.Duration(n)*time.Second/time.Duration(tr.rate) - time.Since(began))
		}
		most := uint64(batch)
		if tr.count > 0 {
			most = min(most, tr.count-n)
		}
		for i := range most {
			which := 0
			if tr.pick != nil {
				which = tr.pick(n + i)
			}
			f := tr.frames[which]
			copy(bufs[i], f)
			number(bufs[i][:len(f)], n+i)
			iovecs[i].Len = uint64(len(f))
		}
		s.next.Store(n + most)
		did, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&list[0])), uintptr(most), 0, 0, 0)
		switch errno {
		case 0:
			n += uint64(did)
		case unix.ENOBUFS, unix.EINTR: // a full queue of the kernel: again
		default: // the interface is down, or no more
			time.Sleep(time.Millisecond)
		}
		s.sent.Store(n)
	}
}

// pin keeps this goroutine's thread on a processor, from 1.
func pin(cpu int) {
	if cpu == 0 {
		return
	}
	lockThread()
	var set unix.CPUSet
	set.Set(cpu - 1)
	_ = unix.SchedSetaffinity(0, &set)
}

// sendOne sends a frame.
func (h *host) sendOne(f []byte) {
	h.l.t.Helper()
	for {
		_, err := unix.Write(h.out, f)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.ENOBUFS) {
			h.l.t.Fatal(os.NewSyscallError("write", err))
		}
	}
}
