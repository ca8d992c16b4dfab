package devfuse

// waits tells which handle keeps a request that waits, for INTERRUPT. It is the
// device's goroutine's own, and has only requests that had to wait when they
// came. Which of them are answered it finds out when it has grown.
type waits struct {
	handles map[uint64]uint64 // file handle, by the request's number
	tidy    int               // how many there may be before it looks
}

// minWaits is how many requests are kept, at least, before waits looks which of
// them still wait.
const minWaits = 1024

// remember notes the request that was just served, if it is kept.
func (d *Device) remember(unique, fh uint64) {
	if d.current.Load() != unique {
		return
	}
	w := &d.waits
	if w.handles == nil {
		w.handles, w.tidy = make(map[uint64]uint64, minWaits), minWaits
	}
	if len(w.handles) >= w.tidy {
		for waiting, by := range w.handles {
			if f := d.handles.get(by); f == nil || !f.Keeps(waiting) {
				delete(w.handles, waiting)
			}
		}
		w.tidy = max(minWaits, 2*len(w.handles))
	}
	w.handles[unique] = fh
}

// interrupt ends the waiting of a request, if it still waits.
func (d *Device) interrupt(unique uint64) {
	fh, ok := d.waits.handles[unique]
	if !ok {
		return
	}
	delete(d.waits.handles, unique)
	if f := d.handles.get(fh); f != nil {
		f.Interrupt(unique)
	}
}
