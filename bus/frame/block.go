package frame

import (
	"sync"
	"sync/atomic"
)

// Memory is a cap on bytes: blocks with queued frames, what a stream keeps of
// an unfinished frame, events not yet read, tables. All networks of a mount
// share one: it has a Part for each user, and that one for each of his
// networks. Safe for concurrent use; no lock.
type Memory struct {
	limit  int64
	used   atomic.Int64
	tables atomic.Int64 // of used: what stays while nothing waits
	parent *Memory      // nil: this is the whole
	weight int64        // of a part
}

// NewMemory makes a cap of limit bytes.
func NewMemory(limit int64) *Memory { return &Memory{limit: limit} }

// Part makes a share of m: it may grow as long as it is not more than what is
// left free of the whole (the dynamic threshold by which switches share their
// buffers, Choudhury and Hahne 1998). One part alone gets half; and however
// many are greedy, something is left for the next.
func (m *Memory) Part() *Memory { return m.Share(1) }

// Share is Part for one that may be weight times what is left free.
func (m *Memory) Share(weight int64) *Memory {
	return &Memory{limit: m.limit, parent: m, weight: weight}
}

// Used returns the bytes charged now.
func (m *Memory) Used() int64 { return m.used.Load() }

// Waiting returns how many of them are no tables: frames, events and the like
// that wait for somebody.
func (m *Memory) Waiting() int64 { return m.used.Load() - m.tables.Load() }

// Limit returns the cap in bytes.
func (m *Memory) Limit() int64 { return m.limit }

// Charge books n bytes, or books nothing and returns false if the cap would
// be passed, or a part be more than it may.
func (m *Memory) Charge(n int) bool {
	whole := m
	for ; whole.parent != nil; whole = whole.parent {
		whole.used.Add(int64(n))
	}
	free := whole.limit - whole.used.Add(int64(n))
	fits := free >= 0
	for part := m; part.parent != nil && fits; part = part.parent {
		fits = part.used.Load() <= part.weight*free
	}
	if !fits {
		m.Refund(n)
	}
	return fits
}

// Refund returns n bytes booked by Charge.
func (m *Memory) Refund(n int) {
	for ; m != nil; m = m.parent {
		m.used.Add(-int64(n))
	}
}

// ChargeTable is Charge for a table, which holds its bytes while nothing waits.
func (m *Memory) ChargeTable(n int) bool {
	if !m.Charge(n) {
		return false
	}
	for ; m != nil; m = m.parent {
		m.tables.Add(int64(n))
	}
	return true
}

// RefundTable returns n bytes booked by ChargeTable.
func (m *Memory) RefundTable(n int) {
	m.Refund(n)
	for ; m != nil; m = m.parent {
		m.tables.Add(-int64(n))
	}
}

// Block is a reference-counted piece of pooled memory that holds one or more
// frames behind Headroom. It is charged to a Memory from newBlock to the last
// release, at its full size, so what is charged is what is held.
type Block struct {
	buf   []byte
	mem   *Memory
	refs  atomic.Int32
	class int
}

// classes are the block sizes in bytes: a small message, an ethernet frame,
// a jumbo frame, a 64 KiB batch or super-frame, the largest frame.
var classes = [...]int{256, 2048, 16 << 10, 68 << 10, MaxFrame + 8192}

var pools [len(classes)]sync.Pool

// newBlock returns a block with room for n bytes behind Headroom and one
// reference, or nil if m is at its cap.
func newBlock(m *Memory, n int) *Block {
	class := 0
	for class < len(classes)-1 && classes[class] < n+Headroom {
		class++
	}
	if n+Headroom > classes[class] || !m.Charge(classes[class]) {
		return nil
	}
	b, _ := pools[class].Get().(*Block)
	if b == nil {
		b = &Block{buf: make([]byte, classes[class]), class: class}
	}
	b.mem = m
	b.refs.Store(1)
	return b
}

func (b *Block) retain() { b.refs.Add(1) }

func (b *Block) release() {
	switch left := b.refs.Add(-1); {
	case left == 0:
		b.mem.Refund(len(b.buf))
		b.mem = nil
		pools[b.class].Put(b)
	case left < 0:
		panic("frame: block released more often than retained")
	}
}

// Block returns a block of at least n bytes with one reference, or nil if the
// cap does not allow it.
func (m *Memory) Block(n int) *Block { return newBlock(m, n) }

// Bytes returns the first n bytes behind Headroom.
func (b *Block) Bytes(n int) []byte { return b.buf[Headroom:][:n] }

// Frame returns, with a reference of its own, the frame that lies in a form n bytes
// behind the first of Bytes. Its bytes do not change any more.
func (b *Block) Frame(form Form, n, length int) Frame {
	b.retain()
	raw := b.buf[Headroom+n:][:form.HeadLen()+length]
	return Frame{raw: raw, form: form, hops: form.hops(raw), block: b}
}

// Release gives the reference back.
func (b *Block) Release() { b.release() }
