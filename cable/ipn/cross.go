package ipn

import (
	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// cross sends the frames of x into the network of far, and returns how many went: all, if
// far has gone. What may not enter is counted and no longer in x.
func (h *half) cross(far *half, x *bus.Batch) (sent int) {
	h.admit(far, x)
	sent = far.conn.Send(x)
	if sent < len(x.Frames) && far.conn.Gone() {
		h.lose(x.Frames[sent:])
		return len(x.Frames)
	}
	return sent
}

// admit takes out of x what may not enter the network of far: all, if the cable may only
// take from there, and what became too long since it came. The rest is a hop further.
func (h *half) admit(far *half, x *bus.Batch) {
	mtu, may, kept := far.conn.Network().MTU(), far.conn.CanSend(), 0
	for i := range x.Frames {
		f := &x.Frames[i]
		switch {
		case !may:
			far.conn.CountDrop(frame.DropFiltered, f.Len())
		case f.WireLen() > mtu:
			far.conn.CountRefused()
		default:
			f.SetHops(f.Hops() + 1)
			x.Frames[kept] = *f
			kept++
		}
	}
	clear(x.Frames[kept:])
	x.Frames = x.Frames[:kept]
}

// giveBack returns the frames of x from the i-th on to h's queue, as they came.
func (h *half) giveBack(x *bus.Batch, i int) {
	for k := i; k < len(x.Frames); k++ {
		f := &x.Frames[k]
		f.SetHops(f.Hops() - 1)
	}
	h.conn.Return(&x.Batch, i, len(x.Frames))
}

// goOn is a turn on the ferry: what waits in h's queue crosses, a burst of it.
func (h *half) goOn(t *turn) {
	far := h.far.Load()
	if far != nil && !far.conn.Network().Ready(func() { ferry.post(h) }) {
		return // it is being changed
	}
	if !h.take(&t.taken) {
		return
	}
	defer t.taken.Reset()
	defer t.batch.Reset()
	if far == nil {
		h.lose(t.taken.Frames)
		ferry.post(h)
		return
	}
	x := &t.batch
	t.budget = lane.Budget
	x.Lend(&t.taken, 0, len(t.taken.Frames))
	x.Onward = &t.budget
	sent := h.cross(far, x)
	switch {
	case sent == len(x.Frames):
	case x.Spent:
		h.giveBack(x, sent)
	case h.park(far, x, sent):
		return
	}
	ferry.post(h)
}

// take pops a burst of what waits, and tells whether there was some.
func (h *half) take(b *frame.Batch) bool {
	h.conn.Lock()
	defer h.conn.Unlock()
	if h.parked {
		return false
	}
	n := min(lane.MaxBurst, h.conn.QueuedLocked())
	for range n {
		b.Add(h.conn.PopLocked())
	}
	h.busy = n > 0
	return h.busy
}

// park lets the frames of x from the i-th on wait for the receivers of far's network, and
// tells whether there are such: for want of memory they are lost.
func (h *half) park(far *half, x *bus.Batch, i int) bool {
	p := &bus.Parked{Conn: far.conn, Resume: func(bool) { h.resume() }}
	if !p.Take(x, i) {
		return false
	}
	p.Batch.Beyond = true
	h.setParked(true)
	p.Park()
	return true
}

func (h *half) resume() {
	h.setParked(false)
	ferry.post(h)
}

func (h *half) setParked(parked bool) {
	h.conn.Lock()
	h.parked = parked
	h.conn.Unlock()
}
