package devfuse

import (
	"sync"
	"sync/atomic"
)

// hotBit marks the file handles of hot files; the low 32 bits are an index.
const hotBit = 1 << 63

// chunkSize is how many handles the table grows by.
const chunkSize = 256

type chunk [chunkSize]atomic.Pointer[Handle]

// table finds a Handle by its number without a lock; changes take one.
type table struct {
	chunks atomic.Pointer[[]*chunk]

	mu sync.Mutex
	// +checklocks:mu
	free []uint32
	// +checklocks:mu
	next uint32
}

func (t *table) slot(fh uint64) *atomic.Pointer[Handle] {
	chunks := t.chunks.Load()
	i := uint32(fh)
	if fh&hotBit == 0 || chunks == nil || int(i/chunkSize) >= len(*chunks) {
		return nil
	}
	return &(*chunks)[i/chunkSize][i%chunkSize]
}

// get returns the handle, or nil.
func (t *table) get(fh uint64) Handle {
	if s := t.slot(fh); s != nil {
		if f := s.Load(); f != nil {
			return *f
		}
	}
	return nil
}

// add gives f a number.
func (t *table) add(f Handle) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = t.next
		t.next++
		if i%chunkSize == 0 {
			var chunks []*chunk
			if old := t.chunks.Load(); old != nil {
				chunks = append(chunks, *old...)
			}
			chunks = append(chunks, new(chunk))
			t.chunks.Store(&chunks)
		}
	}
	fh := uint64(i) | hotBit
	t.slot(fh).Store(&f)
	return fh
}

// remove frees the number and returns the handle it had, or nil.
func (t *table) remove(fh uint64) Handle {
	s := t.slot(fh)
	if s == nil {
		return nil
	}
	f := s.Swap(nil)
	if f == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, uint32(fh))
	return *f
}

// each calls f for all handles until it returns false.
func (t *table) each(f func(fh uint64, h Handle) bool) {
	chunks := t.chunks.Load()
	if chunks == nil {
		return
	}
	for k, c := range *chunks {
		for i := range c {
			if h := c[i].Load(); h != nil && !f(uint64(k*chunkSize+i)|hotBit, *h) {
				return
			}
		}
	}
}
