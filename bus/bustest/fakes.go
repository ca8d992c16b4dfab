package bustest

import (
	"bytes"
	"sync"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// attached is what the fake endpoints share: the connection, and how often
// the bus called.
type attached struct {
	conn  atomic.Pointer[bus.Conn]
	wakes atomic.Int64
	gone  atomic.Int64
}

// Attach notes the connection.
func (a *attached) Attach(c *bus.Conn) { a.conn.Store(c) }

// Conn returns the connection, nil before Join.
func (a *attached) Conn() *bus.Conn { return a.conn.Load() }

// Wake counts the call.
func (a *attached) Wake() { a.wakes.Add(1) }

// Gone counts the call.
func (a *attached) Gone() { a.gone.Add(1) }

// Wakes tells how often Wake was called.
func (a *attached) Wakes() int { return int(a.wakes.Load()) }

// GoneCalls tells how often Gone was called.
func (a *attached) GoneCalls() int { return int(a.gone.Load()) }

// Recorder is an endpoint that takes every frame at once and keeps a copy.
type Recorder struct {
	attached
	mu     sync.Mutex
	frames [][]byte
}

var _ bus.Endpoint = (*Recorder)(nil)

// Claim claims everything.
func (r *Recorder) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit keeps copies.
func (r *Recorder) Emit(b *frame.Batch, i, j int, _ uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k := i; k < j; k++ {
		r.frames = append(r.frames, bytes.Clone(b.Frames[k].Data()))
	}
}

// Frames returns the frames that came so far, in order.
func (r *Recorder) Frames() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([][]byte(nil), r.frames...)
}

// Sink is an endpoint that takes nothing by itself: frames queue until Take.
type Sink struct{ attached }

var _ bus.Endpoint = (*Sink)(nil)

// Claim claims nothing.
func (*Sink) Claim(*frame.Batch, int, int) (int, uint64) { return 0, 0 }

// Emit is never called.
func (*Sink) Emit(*frame.Batch, int, int, uint64) { panic("bustest: Emit without a claim") }

// Take receives the oldest frame that waits, or returns nil.
func (s *Sink) Take() []byte {
	c := s.Conn()
	c.Lock()
	defer c.Unlock()
	if c.QueuedLocked() == 0 {
		return nil
	}
	f := c.PopLocked()
	defer f.Release()
	return bytes.Clone(f.Data())
}

// TakeAll receives all frames that wait.
func (s *Sink) TakeAll() (frames [][]byte) {
	for f := s.Take(); f != nil; f = s.Take() {
		frames = append(frames, f)
	}
	return frames
}

// Queued tells how many frames wait.
func (s *Sink) Queued() int {
	c := s.Conn()
	c.Lock()
	defer c.Unlock()
	return c.QueuedLocked()
}
