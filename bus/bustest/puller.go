package bustest

import (
	"bytes"
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// Puller is an endpoint like a reader: it takes a frame for each read that
// waits, and the others queue.
type Puller struct {
	attached
	// Discard makes it count frames instead of keeping copies, without any
	// allocation. Set it before Join.
	Discard bool

	mu      sync.Mutex // taken after the Conn's lock, where both are
	waiting int
	taken   int
	frames  [][]byte // in the order in which they were claimed
}

var _ bus.Endpoint = (*Puller)(nil)

// Pull lets n more reads wait. Frames that are queued satisfy them first.
func (p *Puller) Pull(n int) {
	p.mu.Lock()
	p.waiting += n
	p.mu.Unlock()
	p.serve()
}

// Claim takes a frame for each read that waits. The token is the place of the
// first one among the frames.
func (p *Puller) Claim(_ *frame.Batch, i, j int) (int, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(p.waiting, j-i)
	p.waiting -= n
	p.taken += n
	token := len(p.frames)
	if !p.Discard {
		p.frames = append(p.frames, make([][]byte, n)...)
	}
	return n, uint64(token)
}

// Emit keeps copies in the places that Claim made.
func (p *Puller) Emit(b *frame.Batch, i, j int, token uint64) {
	if p.Discard {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := i; k < j; k++ {
		p.frames[int(token)+k-i] = bytes.Clone(b.Frames[k].Data())
	}
}

// Wake serves reads that wait from the queue.
func (p *Puller) Wake() {
	p.attached.Wake()
	p.serve()
}

func (p *Puller) serve() {
	c := p.Conn()
	if c == nil {
		return
	}
	c.Lock()
	defer c.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.waiting > 0 && c.QueuedLocked() > 0 {
		f := c.PopLocked()
		p.waiting--
		p.taken++
		if !p.Discard {
			p.frames = append(p.frames, bytes.Clone(f.Data()))
		}
		f.Release()
	}
}

// Taken tells how many frames were claimed or received.
func (p *Puller) Taken() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// Frames returns the frames that came so far, in order; nil stands for one
// that was claimed and is just being handed over.
func (p *Puller) Frames() [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([][]byte(nil), p.frames...)
}
