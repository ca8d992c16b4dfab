package nats

import (
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
)

// maxWaiting is how many bytes of messages may wait for the lane, and itemCost what one
// counts for besides its own.
const (
	maxWaiting = 4 << 20
	itemCost   = 128
)

// item is a message that came: its block, and the frames in it that were not read yet,
// whole, at behind the first of its Bytes.
type item struct {
	block  *frame.Block
	at     int
	frames []byte
	sender uint64
	cost   int
}

// inbox holds messages between the goroutine that reads the wire and the lane.
type inbox struct {
	memory *frame.Memory
	ready  int // eventfd, readable while there are messages

	mu sync.Mutex
	// +checklocks:mu
	closed bool
	// +checklocks:mu
	items []item // from first on
	// +checklocks:mu
	first int
	// +checklocks:mu
	bytes int // what they cost
}

func newInbox(m *frame.Memory, ready int) *inbox { return &inbox{memory: m, ready: ready} }

// block gets memory for a message of so many bytes, or nil if there is no room.
func (b *inbox) block(size int) *frame.Block {
	b.mu.Lock()
	full := b.closed || b.bytes+size+itemCost > maxWaiting
	b.mu.Unlock()
	if full {
		return nil
	}
	return b.memory.Block(size)
}

// push adds a message in a block of block, which is the inbox's from now on.
func (b *inbox) push(i item) {
	i.cost = i.at + len(i.frames) + itemCost
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		i.block.Release()
		return
	}
	if b.first > 0 && len(b.items) == cap(b.items) {
		n := copy(b.items, b.items[b.first:])
		clear(b.items[n:])
		b.items, b.first = b.items[:n], 0
	}
	b.bytes += i.cost
	b.items = append(b.items, i)
	if len(b.items)-b.first == 1 {
		raise(b.ready)
	}
}

// take takes the oldest message out, whose block is the caller's then. It is false if
// there is none.
func (b *inbox) take() (i item, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first == len(b.items) {
		return item{}, false
	}
	i = b.items[b.first]
	b.items[b.first] = item{}
	if b.first++; b.first == len(b.items) {
		b.items, b.first = b.items[:0], 0
		lower(b.ready)
		if cap(b.items) > 1024 {
			b.items = nil
		}
	}
	b.bytes -= i.cost
	return i, true
}

// close gives back what waits. Nothing comes in any more.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, i := range b.items[b.first:] {
		i.block.Release()
	}
	b.items, b.first, b.bytes = nil, 0, 0
	_ = unix.Close(b.ready)
}

// raise makes an eventfd readable, and lower makes it not.
func raise(fd int) {
	one := [8]byte{1}
	_, _ = unix.Write(fd, one[:])
}

func lower(fd int) {
	var buf [8]byte
	_, _ = unix.Read(fd, buf[:])
}
