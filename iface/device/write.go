package device

import (
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

// noHeader is the virtio-net header of a frame that is complete.
var noHeader [vnet.HeaderLen]byte

// pairs are pieces for senders that are no loops.
var pairs = sync.Pool{New: func() any { return new([2]unix.Iovec) }}

// Emit writes the frames to the interface. What it does not take is lost, as
// on a wire: it is down, or its peer has no room.
func (d *Device) Emit(b *frame.Batch, i, j int, _ uint64) {
	var lost, bytes int
	d.mu.RLock()
	if d.closed {
		for k := i; k < j; k++ {
			lost, bytes = lost+1, bytes+b.Frames[k].Len()
		}
	} else {
		fd := d.queues[0].fd
		if len(d.queues) > 1 {
			fd = d.pick(&b.Frames[i])
		}
		l, _ := b.Scratch.(*loop)
		if l != nil && l.ring != nil && !l.ring.broken && j > i+1 {
			lost, bytes = l.writeBurst(fd, b.Frames[i:j])
		} else {
			lost, bytes = writeEach(fd, b.Frames[i:j])
		}
	}
	d.mu.RUnlock()
	if lost > 0 {
		d.conn.Lost(lost, bytes)
	}
}

// pick chooses the queue for frames of one pair of hosts, so that their order
// is kept. The kernel answers by the queue that it heard from.
func (d *Device) pick(f *frame.Frame) int {
	sum := 0
	if data := f.Data(); len(data) >= minFrame {
		for _, c := range data[:12] {
			sum = sum*31 + int(c)
		}
	}
	return d.queues[uint(sum)%uint(len(d.queues))].fd
}

// pieces tells where a frame lies as the kernel wants it, and how many pieces
// that is; they are put to iov.
func pieces(iov *[2]unix.Iovec, f *frame.Frame) int {
	if raw, ok := f.Vnet(); ok {
		iov[0] = unix.Iovec{Base: unsafe.SliceData(raw), Len: uint64(len(raw))}
		return 1
	}
	header, data := &noHeader[0], f.Data()
	if raw, ok := f.In(frame.Vnet12); ok {
		header = &raw[0] // it begins with the header that the kernel wants
	}
	iov[0] = unix.Iovec{Base: header, Len: vnet.HeaderLen}
	iov[1] = unix.Iovec{Base: unsafe.SliceData(data), Len: uint64(len(data))}
	return 2
}

// writeEach writes frames by a call each.
func writeEach(fd int, frames []frame.Frame) (lost, bytes int) {
	pair := pairs.Get().(*[2]unix.Iovec)
	for k := range frames {
		n := pieces(pair, &frames[k])
		_, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(fd), uintptr(unsafe.Pointer(pair)), uintptr(n))
		if errno != 0 {
			lost, bytes = lost+1, bytes+frames[k].Len()
		}
	}
	*pair = [2]unix.Iovec{}
	pairs.Put(pair)
	return lost, bytes
}

// writeBurst writes frames by as few calls as the ring allows.
func (l *loop) writeBurst(fd int, frames []frame.Frame) (lost, bytes int) {
	for len(frames) > 0 {
		n := min(len(frames), maxBurst)
		for k := range frames[:n] {
			pair := (*[2]unix.Iovec)(l.iov[2*k:])
			if pieces(pair, &frames[k]) == 1 {
				l.ring.add(opWrite, fd, unsafe.Pointer(pair[0].Base), int(pair[0].Len))
			} else {
				l.ring.add(opWritev, fd, unsafe.Pointer(pair), 2)
			}
		}
		for k, result := range l.ring.submit() {
			if unix.Errno(-result) == unix.EOPNOTSUPP {
				l.ring.broken = true
			}
			if result < 0 {
				lost, bytes = lost+1, bytes+frames[k].Len()
			}
		}
		runtime.KeepAlive(frames)
		clear(l.iov[:2*n])
		frames = frames[n:]
	}
	return lost, bytes
}
