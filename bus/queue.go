package bus

import "unsafe"

// queue is a ring of frames that grows as it fills, up to what its owner
// allows, and gives its memory back when it runs empty after a burst. The ring
// is charged to mem, as many receivers may share the blocks of their frames.
// Not safe for concurrent use: Conn.mu guards it.
type queue struct {
	mem   *Memory // nil: nothing is charged
	ring  []Frame // length a power of two, or 0
	head  int     // index of the oldest
	len   int
	bytes int // sum of the frames' lengths
}

// idleRing is the size in frames up to which an empty queue keeps its ring.
const idleRing = 256

// slotSize is the size in bytes of a place in a ring.
const slotSize = int(unsafe.Sizeof(Frame{}))

// push appends f, or returns false if memory is at its cap: f is the caller's
// still.
func (q *queue) push(f Frame) bool {
	if q.len == len(q.ring) && !q.grow() {
		return false
	}
	q.ring[(q.head+q.len)&(len(q.ring)-1)] = f
	q.len++
	q.bytes += f.Len()
	return true
}

// peek returns the i-th oldest frame, still owned by the queue.
func (q *queue) peek(i int) *Frame { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// pop removes the oldest frame; the caller owns its reference.
func (q *queue) pop() Frame {
	slot := &q.ring[q.head]
	f := *slot
	*slot = Frame{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.len--
	q.bytes -= f.Len()
	if q.len == 0 && len(q.ring) > idleRing {
		q.drop()
	}
	return f
}

// drop gives the ring of an empty queue back.
func (q *queue) drop() {
	if q.mem != nil {
		q.mem.RefundTable(len(q.ring) * slotSize)
	}
	*q = queue{mem: q.mem}
}

// grow doubles the ring, if memory allows.
func (q *queue) grow() bool {
	n := max(8, 2*len(q.ring))
	if q.mem != nil && !q.mem.ChargeTable((n-len(q.ring))*slotSize) {
		return false
	}
	ring := make([]Frame, n)
	for i := range q.len {
		ring[i] = *q.peek(i)
	}
	q.ring, q.head = ring, 0
	return true
}

// clear releases all frames and tells how many there were.
func (q *queue) clear() int {
	n := q.len
	for q.len > 0 {
		f := q.pop()
		f.Release()
	}
	q.drop()
	return n
}
