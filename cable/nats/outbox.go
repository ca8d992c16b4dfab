package nats

import (
	"sync"

	"ipnfs/bus/frame"
)

const (
	// fullLen is the longest message in bytes of several frames: longer ones are no
	// faster, and hold up the frames in them.
	fullLen = 48 << 10
	// firstLen is the length that a message may have at first, as most are of few frames.
	firstLen = 2048 - frame.Headroom
	// maxOutgoing is how many bytes of messages may wait to be sent.
	maxOutgoing = 1 << 20
)

// message is frames on their way to a node.
type message struct {
	to     *node
	block  *frame.Block
	buf    []byte // in block: a header, and frames
	size   int    // that buf may have
	frames int
	bytes  int // of the frames
}

// outbox gathers frames in messages, one for each node at a time, until the writer takes
// them: while it has nothing to do a message is a frame, and else what came meanwhile.
type outbox struct {
	memory *frame.Memory
	most   int // bytes that the server takes in a message
	room   int // eventfd, readable while there is room

	mu   sync.Mutex
	work sync.Cond // there is a message, or the end
	// +checklocks:mu
	closed bool
	// +checklocks:mu
	full bool // a frame waits for room
	// +checklocks:mu
	queue []*message // from first on, the oldest first
	// +checklocks:mu
	first int
	// +checklocks:mu
	spare []*message // for the next ones
	// +checklocks:mu
	bytes int // sizes of what is in queue, or at the writer
}

func newOutbox(m *frame.Memory, most, room int) *outbox {
	o := &outbox{memory: m, most: most, room: room}
	o.work.L = &o.mu
	return o
}

// answer is what becomes of a frame.
type answer uint8

const (
	taken answer = iota
	lost         // it passed too many cables, or there is no memory
	later        // there is no room
)

// addLocked adds a frame for a node.
//
// +checklocks:o.mu
func (o *outbox) addLocked(to *node, f *frame.Frame) answer {
	var head [4]byte
	need := len(head) + f.Len()
	if headerLen+need > o.most || o.closed || !f.PutHead(head[:], frame.Hops4, 0) {
		return lost
	}
	m := to.open
	if m != nil && len(m.buf)+need > m.size && !o.growLocked(m, need) {
		m.to.open, m = nil, nil
	}
	if m == nil {
		var a answer
		if m, a = o.newLocked(to, headerLen+need); m == nil {
			return a
		}
	}
	m.buf = append(append(m.buf, head[:]...), f.Data()...) // within the block
	m.frames++
	m.bytes += f.Len()
	return taken
}

// newLocked queues a new message to a node, with room for so many bytes.
//
// +checklocks:o.mu
func (o *outbox) newLocked(to *node, need int) (*message, answer) {
	size := firstLen
	if need > size {
		size = max(need, min(fullLen, o.most))
	}
	if o.bytes > 0 && o.bytes+fullLen > maxOutgoing { // the last ones are not small for want of room
		if !o.full {
			o.full = true
			lower(o.room)
		}
		return nil, later
	}
	block := o.memory.Block(size)
	if block == nil {
		return nil, lost
	}
	m := o.unusedLocked()
	*m = message{to: to, block: block, buf: block.Bytes(size)[:headerLen], size: min(size, o.most)}
	o.bytes += m.size
	if o.first > 0 && len(o.queue) == cap(o.queue) {
		n := copy(o.queue, o.queue[o.first:])
		clear(o.queue[n:])
		o.queue, o.first = o.queue[:n], 0
	}
	o.queue = append(o.queue, m)
	to.open = m
	o.work.Signal()
	return m, taken
}

// +checklocks:o.mu
func (o *outbox) unusedLocked() *message {
	if n := len(o.spare); n > 0 {
		m := o.spare[n-1]
		o.spare = o.spare[:n-1]
		return m
	}
	return &message{}
}

// growLocked gives a message of the first size the full one.
//
// +checklocks:o.mu
func (o *outbox) growLocked(m *message, need int) bool {
	size := min(fullLen, o.most)
	if m.size >= size || len(m.buf)+need > size {
		return false
	}
	block := o.memory.Block(size)
	if block == nil {
		return false
	}
	buf := block.Bytes(size)
	n := copy(buf, m.buf)
	m.block.Release()
	o.bytes += size - m.size
	m.block, m.buf, m.size = block, buf[:n], size
	return true
}

// next takes the oldest message, for the writer, or nil: the end has come.
func (o *outbox) next() *message {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.first == len(o.queue) && !o.closed {
		o.work.Wait()
	}
	if o.closed {
		return nil
	}
	m := o.queue[o.first]
	o.queue[o.first] = nil
	if o.first++; o.first == len(o.queue) {
		o.queue, o.first = o.queue[:0], 0
	}
	if m.to.open == m {
		m.to.open = nil
	}
	return m
}

// done is called for a message that was sent.
func (o *outbox) done(m *message) {
	m.block.Release()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= m.size
	*m = message{}
	if len(o.spare) < 64 {
		o.spare = append(o.spare, m)
	}
	if o.full && o.bytes <= maxOutgoing/2 && !o.closed {
		o.full = false
		raise(o.room)
	}
}

// close ends next, and tells how many frames, of how many bytes, were not sent.
func (o *outbox) close() (frames, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.work.Signal()
	for _, m := range o.queue[o.first:] {
		m.to.open = nil
		m.block.Release()
		frames, bytes = frames+m.frames, bytes+m.bytes
	}
	o.queue, o.first = nil, 0
	return frames, bytes
}
