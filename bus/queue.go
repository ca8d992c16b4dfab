package bus

// queue is a ring of frames that grows as it fills, up to what its owner
// allows, and gives its memory back when it runs empty after a burst. Not
// safe for concurrent use: Conn.mu guards it.
type queue struct {
	ring  []Frame // length a power of two, or 0
	head  int     // index of the oldest
	len   int
	bytes int // sum of the frames' lengths
}

// idleRing is the size in frames up to which an empty queue keeps its ring.
const idleRing = 256

func (q *queue) push(f Frame) {
	if q.len == len(q.ring) {
		q.resize(max(8, 2*len(q.ring)))
	}
	q.ring[(q.head+q.len)&(len(q.ring)-1)] = f
	q.len++
	q.bytes += f.Len()
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
		*q = queue{}
	}
	return f
}

func (q *queue) resize(n int) {
	ring := make([]Frame, n)
	for i := range q.len {
		ring[i] = *q.peek(i)
	}
	q.ring, q.head = ring, 0
}

// clear releases all frames and tells how many there were.
func (q *queue) clear() int {
	n := q.len
	for q.len > 0 {
		f := q.pop()
		f.Release()
	}
	*q = queue{}
	return n
}
