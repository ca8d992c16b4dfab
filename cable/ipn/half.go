package ipn

import (
	"sync"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// half is one end of a link, at the port of one network. What comes there goes on by the
// other half. The cable's own is there as long as the cable, the other as long as the link.
type half struct {
	conn   *bus.Conn
	user   uint32 // who laid the cable: whose turn it is on the ferry
	gone   func() // the port has ended
	resize func(mtu int)

	far atomic.Pointer[half] // nil: there is no link

	// Guarded by conn's lock.
	busy   bool // frames of the queue are under way: what comes is to wait behind them
	parked bool // and they wait in the other network

	posted bool // is to have a turn; guarded by ferry.mu
}

var _ bus.Resizer = (*half)(nil)

// Attach is bus.Endpoint's.
func (h *half) Attach(c *bus.Conn) { h.conn = c }

// Claim is bus.Endpoint's. Without a link it takes all, and Emit loses it.
func (h *half) Claim(b *frame.Batch, i, j int) (n int, token uint64) {
	switch {
	case h.busy:
		return 0, 0
	case h.far.Load() != nil && (b.Onward == nil || *b.Onward <= 0):
		return 0, 0
	}
	return j - i, 0
}

// batches are for those who cross, one in the other.
var batches = sync.Pool{New: func() any { return &bus.Batch{Beyond: true, NoWait: true} }}

// Emit is bus.Endpoint's.
func (h *half) Emit(b *frame.Batch, i, j int, _ uint64) {
	far := h.far.Load()
	if far == nil {
		h.lose(b.Frames[i:j])
		return
	}
	x := batches.Get().(*bus.Batch)
	x.Lend(b, i, j)
	if sent := h.cross(far, x); sent < len(x.Frames) {
		h.giveBack(x, sent)
		ferry.post(h)
	}
	x.Reset()
	batches.Put(x)
}

// lose counts frames that were to go by a link that is none.
func (h *half) lose(frames []frame.Frame) {
	bytes := 0
	for k := range frames {
		bytes += frames[k].Len()
	}
	h.conn.Lost(len(frames), bytes)
}

// Wake is bus.Endpoint's: frames wait in the queue.
func (h *half) Wake() { ferry.post(h) }

// Gone is bus.Endpoint's.
func (h *half) Gone() { h.gone() }

// Resize is bus.Resizer's: what the other half takes must fit here.
func (h *half) Resize(mtu int) {
	if h.far.Load() != nil {
		h.resize(mtu)
	}
}
