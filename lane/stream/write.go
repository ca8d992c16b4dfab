package stream

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// output is what is on its way out.
type output struct {
	heads [lane.MaxBurst][maxHead]byte
	iov   unix.Iovec // of the tail

	tail  []byte       // of the frame that the last call cut: it leaves before anything else
	block *frame.Block // that it lies in; nil: the network had no memory for one
	spare int          // bytes of spare that it takes then
}

// spare counts bytes of tails for which their networks had no memory. Without its tail
// a stream would be garbage: so there are some for all, and who finds none is
// disconnected.
var spare atomic.Int64

const maxSpare = 16 << 20

var errNoMemory = errors.New("no memory for the rest of a frame that it took in part")

// reset forgets the tail.
func (o *output) reset() {
	if o.block != nil {
		o.block.Release()
	}
	if o.spare > 0 {
		spare.Add(-int64(o.spare))
	}
	o.block, o.tail, o.spare = nil, nil, 0
}

// Write is lane.Driver's: it sends a burst by a call. A frame that is cut is taken, and
// its tail kept.
func (d *Driver) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	for {
		if err := d.flush(); err != nil {
			return taken, err
		}
		rest := frames[taken:]
		if len(rest) == 0 {
			return taken, nil
		}
		n, err := d.send(t, rest[:min(len(rest), lane.MaxBurst)])
		taken += n
		if err != nil {
			return taken, err
		}
	}
}

// flush sends the tail.
func (d *Driver) flush() error {
	o := &d.output
	for len(o.tail) > 0 {
		iov := &o.iov
		*iov = unix.Iovec{Base: &o.tail[0], Len: uint64(len(o.tail))}
		n, errno := d.writev(iov, 1)
		*iov = unix.Iovec{}
		if errno != 0 {
			return errno
		}
		o.tail = o.tail[n:]
	}
	o.reset()
	return nil
}

// send sends frames, MaxBurst at most, by one call: those in front of the first that
// cannot have the form. That one is lost, in its turn.
func (d *Driver) send(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	n := 0
	for k := range frames {
		more, ok := d.pieces(t, n, k, &frames[k])
		if !ok && k == 0 {
			t.Lost(&frames[0])
			return 1, nil
		}
		if !ok {
			frames = frames[:k]
			break
		}
		n = more
	}
	sent, errno := d.writev(&t.Iovecs[0], n)
	runtime.KeepAlive(frames)
	clear(t.Iovecs[:n])
	switch errno {
	case 0:
	case unix.ENOBUFS, unix.ENOMEM:
		t.Lost(&frames[0])
		return 1, nil
	default:
		return 0, errno
	}
	for k := range frames {
		size := d.form.HeadLen() + frames[k].Len()
		if sent < size {
			if sent > 0 {
				err = d.cut(k, &frames[k], sent)
				taken++
			}
			return taken, err
		}
		sent -= size
		taken++
	}
	return taken, nil
}

// pieces adds the k-th frame to the n pieces in t.Iovecs and returns how many there are
// then. What lies behind what is there already makes that longer. It is false if the
// frame cannot have the form.
func (d *Driver) pieces(t *lane.Turn, n, k int, f *frame.Frame) (_ int, ok bool) {
	raw, lies := f.In(d.form)
	if !lies {
		head := &d.output.heads[k]
		if !f.PutHead(head[:], d.form, 0) {
			return n, false
		}
		t.Iovecs[n] = unix.Iovec{Base: &head[0], Len: uint64(d.form.HeadLen())}
		raw = f.Data()
		n++
	} else if n > 0 {
		last := &t.Iovecs[n-1]
		if uintptr(unsafe.Pointer(last.Base))+uintptr(last.Len) == uintptr(unsafe.Pointer(unsafe.SliceData(raw))) {
			last.Len += uint64(len(raw))
			return n, true
		}
	}
	t.Iovecs[n] = unix.Iovec{Base: unsafe.SliceData(raw), Len: uint64(len(raw))}
	return n + 1, true
}

// cut keeps the tail of the k-th frame of a burst, of which so many bytes were sent.
func (d *Driver) cut(k int, f *frame.Frame, sent int) error {
	o, head := &d.output, d.form.HeadLen()
	size := head + f.Len() - sent
	if o.block = d.block(size); o.block != nil {
		o.tail = o.block.Bytes(size)
	} else {
		o.spare = size
		if spare.Add(int64(size)) > maxSpare {
			return errNoMemory
		}
		o.tail = make([]byte, size)
	}
	raw, ok := f.In(d.form)
	switch {
	case ok:
		copy(o.tail, raw[sent:])
	case sent < head:
		copy(o.tail[copy(o.tail, o.heads[k][sent:head]):], f.Data())
	default:
		copy(o.tail, f.Data()[sent-head:])
	}
	return nil
}

// writev sends n pieces, or some of them.
func (d *Driver) writev(iov *unix.Iovec, n int) (bytes int, errno unix.Errno) {
	r, _, errno := unix.RawSyscall(unix.SYS_WRITEV, uintptr(d.out), uintptr(unsafe.Pointer(iov)), uintptr(n))
	return int(r), errno
}
