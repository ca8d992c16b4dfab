package relay

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/stream"
)

// output is what is on its way to the connection. While one buffer is written the other
// is filled.
type output struct {
	event int // readable when there is room

	mu    sync.Mutex
	moved sync.Cond // there is something to write, or it is over
	// The rest is guarded by mu.
	next    []byte // to be written next
	spare   []byte // nil: it is being written
	waiting bool   // frames wait for room
	quiet   bool   // nothing was written since the last keepAlive
	over    bool
	buf     [8]byte
}

func (o *output) init(event, size int) {
	o.event = event
	o.moved.L = &o.mu
	o.next, o.spare = make([]byte, 0, size), make([]byte, 0, size)
}

// put is Relay.Write.
func (o *output) put(t *lane.Turn, frames []frame.Frame) (taken int, over bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return 0, true, nil
	}
	defer o.wakeLocked()
	for ; taken < len(frames); taken++ {
		o.next, err = stream.Append(o.next, form, &frames[taken])
		switch {
		case err == nil:
		case errors.Is(err, stream.ErrRoom) && len(o.next) > 0:
			o.waiting = true
			lower(o.event, o.buf[:])
			return taken, false, unix.EAGAIN
		default: // too long, or it has passed too many cables
			t.Lost(&frames[taken])
		}
	}
	return taken, false, nil
}

// wakeLocked has what is there written. mu is held.
func (o *output) wakeLocked() {
	if len(o.next) > 0 && o.spare != nil {
		o.moved.Signal()
	}
}

// take writes to the connection until that ends.
func (o *output) take(conn io.Writer) error {
	for buf := o.swap(nil); buf != nil; buf = o.swap(buf) {
		if _, err := conn.Write(buf); err != nil {
			return err
		}
	}
	return io.ErrClosedPipe
}

// swap gives back what was written, and waits for more; nil: it is over.
func (o *output) swap(written []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if written != nil {
		o.spare = written[:0]
	}
	for len(o.next) == 0 && !o.over {
		o.moved.Wait()
	}
	if o.over {
		return nil
	}
	buf := o.next
	o.next, o.spare, o.quiet = o.spare, nil, false
	if o.waiting {
		o.waiting = false
		raise(o.event)
	}
	return buf
}

// keepAlive has an empty frame written if nothing else was since the last call.
func (o *output) keepAlive() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.quiet && o.spare != nil && len(o.next) == 0 {
		o.next = append(o.next, make([]byte, form.HeadLen())...)
		o.wakeLocked()
	}
	o.quiet = true
}

// end ends what waits.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	o.moved.Signal()
	if o.waiting {
		o.waiting = false
		raise(o.event)
	}
}
