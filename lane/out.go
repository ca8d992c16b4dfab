package lane

import (
	"errors"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
)

// Claim is bus.Endpoint's. What is not Lossy writes here, where nothing can come
// between: nothing is queued, and what the descriptor does not take is queued
// next. The token tells what is lost of it.
func (e *Endpoint) Claim(b *frame.Batch, i, j int) (n int, token uint64) {
	if e.lossy {
		return j - i, 0
	}
	t, stranger := turnOf(b)
	s := e.sources[0]
	n, lost, bytes, err := t.write(s.Driver, b.Frames[i:j])
	if stranger {
		strangers.Put(t)
	}
	switch {
	case fatal(err):
		e.fail(err.Error())
	case err != nil && n == j-i:
		s.cut = true
		s.want(out, 0)
	}
	return n, uint64(lost)<<32 | uint64(bytes)
}

// Emit is bus.Endpoint's. What is Lossy writes here, on the threads of all senders
// at once.
func (e *Endpoint) Emit(b *frame.Batch, i, j int, token uint64) {
	lost, bytes := int(token>>32), int(uint32(token))
	if e.lossy {
		lost, bytes = e.emit(b, b.Frames[i:j])
	}
	if lost > 0 {
		e.conn.Lost(lost, bytes)
	}
}

func (e *Endpoint) emit(b *frame.Batch, frames []frame.Frame) (lost, bytes int) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	taken := 0
	if !e.closed {
		t, stranger := turnOf(b)
		var err error
		taken, lost, bytes, err = t.write(e.pick(&frames[0]).Driver, frames)
		if stranger {
			strangers.Put(t)
		}
		if fatal(err) {
			e.fail(err.Error())
		}
	}
	for i := range frames[taken:] {
		lost, bytes = lost+1, bytes+frames[taken+i].Len()
	}
	return lost, bytes
}

// pick chooses the source for frames of one pair of hosts, so that their order
// is kept. The kernel answers by the queue of a tap that it heard from.
func (e *Endpoint) pick(f *frame.Frame) *source {
	if len(e.sources) == 1 {
		return e.sources[0]
	}
	const addresses = 12 // bytes of a frame
	sum := 0
	if data := f.Data(); len(data) >= addresses {
		for _, c := range data[:addresses] {
			sum = sum*31 + int(c)
		}
	}
	return e.sources[uint(sum)%uint(len(e.sources))]
}

// Wake is bus.Endpoint's: there are frames in the queue, for which the descriptor
// had no room.
func (e *Endpoint) Wake() { e.sources[0].want(out, 0) }

// drain writes what the queue has, a burst of it.
func (s *source) drain(t *Turn) {
	c := s.ep.conn
	c.Lock()
	frames := t.frames[:min(c.QueuedLocked(), MaxBurst)]
	for i := range frames {
		frames[i] = *c.PeekLocked(i)
	}
	taken, lost, bytes := 0, 0, 0
	var err error
	if len(frames) > 0 || s.cut {
		taken, lost, bytes, err = t.write(s.Driver, frames)
	}
	for i := range taken {
		frames[i] = c.PopLocked()
	}
	s.cut = err != nil && taken == len(frames)
	if c.QueuedLocked() == 0 && !s.cut { // under the lock: the next Wake comes after it
		s.want(0, out)
	}
	c.Unlock()
	for i := range taken {
		frames[i].Release()
	}
	clear(frames)
	if lost > 0 {
		c.Lost(lost, bytes)
	}
	if fatal(err) {
		s.ep.fail(err.Error())
	}
}

// fatal tells whether a Write has ended the endpoint.
func fatal(err error) bool {
	return err != nil && !errors.Is(err, unix.EAGAIN)
}
