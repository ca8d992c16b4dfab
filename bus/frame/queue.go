package frame

import "unsafe"

// Queue is a ring of frames that grows as it fills, up to what its owner
// allows, and gives its memory back when it runs empty after a burst. The zero
// Queue is empty. Not safe for concurrent use.
type Queue struct {
	// Memory is what the ring is charged to, as many receivers may share the
	// blocks of their frames; nil: nothing is. Set before the first Push.
	Memory *Memory

	ring  []Frame // length a power of two, or 0
	head  int     // index of the oldest
	len   int
	bytes int // sum of the frames' lengths
}

// idleRing is the size in frames up to which an empty queue keeps its ring.
const idleRing = 256

// slotSize is the size in bytes of a place in a ring.
const slotSize = int(unsafe.Sizeof(Frame{}))

// Len returns how many frames wait.
func (q *Queue) Len() int { return q.len }

// Bytes returns the sum of their lengths.
func (q *Queue) Bytes() int { return q.bytes }

// Push appends f, or returns false if memory is at its cap: f is the caller's
// still.
func (q *Queue) Push(f Frame) bool {
	if q.len == len(q.ring) && !q.grow() {
		return false
	}
	q.ring[(q.head+q.len)&(len(q.ring)-1)] = f
	q.len++
	q.bytes += f.Len()
	return true
}

// PushFront is Push for a frame that becomes the oldest.
func (q *Queue) PushFront(f Frame) bool {
	if q.len == len(q.ring) && !q.grow() {
		return false
	}
	q.head = (q.head - 1) & (len(q.ring) - 1)
	q.ring[q.head] = f
	q.len++
	q.bytes += f.Len()
	return true
}

// Peek returns the i-th oldest frame, still owned by the queue.
func (q *Queue) Peek(i int) *Frame { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

// Pop removes the oldest frame; the caller owns its reference.
func (q *Queue) Pop() Frame {
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
func (q *Queue) drop() {
	if q.Memory != nil {
		q.Memory.RefundTable(len(q.ring) * slotSize)
	}
	*q = Queue{Memory: q.Memory}
}

// grow doubles the ring, if memory allows.
func (q *Queue) grow() bool {
	n := max(8, 2*len(q.ring))
	if q.Memory != nil && !q.Memory.ChargeTable((n-len(q.ring))*slotSize) {
		return false
	}
	ring := make([]Frame, n)
	for i := range q.len {
		ring[i] = *q.Peek(i)
	}
	q.ring, q.head = ring, 0
	return true
}

// Clear releases all frames and tells how many there were.
func (q *Queue) Clear() int {
	n := q.len
	for q.len > 0 {
		f := q.Pop()
		f.Release()
	}
	q.drop()
	return n
}
