package nats

import (
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
)

// maxWaiting is how many bytes of messages may wait for the lane, and itemCost what one
// takes besides its own.
const (
	maxWaiting = 4 << 20
	itemCost   = 128
)

// item is a message that came: its frames, whole, and who sent it.
type item struct {
	frames []byte
	sender uint64
}

func (i *item) cost() int { return len(i.frames) + itemCost }

// inbox holds messages between the goroutine that reads them and the lane.
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

// push adds a message, and is false if there is no room.
func (b *inbox) push(i item) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.bytes+i.cost() > maxWaiting || !b.memory.Charge(i.cost()) {
		return false
	}
	if b.first > 0 && len(b.items) == cap(b.items) {
		n := copy(b.items, b.items[b.first:])
		clear(b.items[n:])
		b.items, b.first = b.items[:n], 0
	}
	b.bytes += i.cost()
	b.items = append(b.items, i)
	if len(b.items)-b.first == 1 {
		raise(b.ready)
	}
	return true
}

// take takes the oldest message out, for which release is to be called. It is false if
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
	b.bytes -= i.cost()
	return i, true
}

// release gives the memory of messages back that were taken out.
func (b *inbox) release(cost int) { b.memory.Refund(cost) }

// close gives back what waits. Nothing comes in any more.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.memory.Refund(b.bytes)
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
