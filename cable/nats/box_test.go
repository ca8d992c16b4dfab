package nats

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/test/harness"
)

func newEventfd(t *testing.T, value uint) int {
	t.Helper()
	fd, err := eventfd(value)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func readable(fd int) bool {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, _ := unix.Poll(poll, 0)
	return n > 0
}

func (o *outbox) add(to *node, f *frame.Frame) answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.addLocked(to, f)
}

// Frames fill a message for each node; the oldest message is taken first, and what comes
// then begins another.
func TestOutbox(t *testing.T) {
	m := frame.NewMemory(1 << 30)
	o := newOutbox(m, 1<<20, newEventfd(t, 1))
	a, b := &node{}, &node{}
	short, long := frame.NewFrame(make([]byte, 60)), frame.NewFrame(make([]byte, 1400))
	for range 3 {
		o.add(a, &short)
		o.add(b, &long)
	}
	first := o.next()
	if first.to != a || first.frames != 3 || first.bytes != 180 || len(first.buf) != headerLen+3*64 || cap(first.buf) < firstLen {
		t.Errorf("the first is %+v", first)
	}
	o.add(a, &short)
	second := o.next()
	if second.to != b || second.frames != 3 || len(second.buf) != headerLen+3*1404 {
		t.Errorf("the second has %d frames, %d bytes", second.frames, len(second.buf))
	}
	third := o.next()
	if third.to != a || third.frames != 1 || a.open != nil {
		t.Errorf("the third is %+v", third)
	}
	for _, m := range []*message{first, second, third} {
		o.done(m)
	}
	if m.Used() != 0 || o.bytes != 0 {
		t.Errorf("%d bytes are charged, %d counted", m.Used(), o.bytes)
	}
	// A frame of any length that the server takes.
	huge, over := frame.NewFrame(make([]byte, 1<<20-headerLen-4)), frame.NewFrame(make([]byte, 1<<20-headerLen-3))
	if o.add(a, &huge) != taken || o.add(a, &over) != lost {
		t.Error("the longest frame is not taken, or one that is longer is")
	}
	o.done(o.next())
}

// An outbox is full at a bound, says when there is room, and gives all back at its end.
func TestOutboxFull(t *testing.T) {
	m := frame.NewMemory(1 << 30)
	o := newOutbox(m, 1<<20, newEventfd(t, 1))
	f := frame.NewFrame(make([]byte, 1000))
	frames := 0
	nodes := make([]node, 5000)
	for i := 0; o.add(&nodes[i%3], &f) == taken; i++ {
		frames++
	}
	if frames*1000 > maxOutgoing || frames*1000 < maxOutgoing/2 || readable(o.room) {
		t.Errorf("it takes %d frames, and says there is room: %v", frames, readable(o.room))
	}
	for !readable(o.room) {
		o.done(o.next())
	}
	if o.bytes > maxOutgoing/2 {
		t.Errorf("%d bytes are left", o.bytes)
	}
	for i := range nodes {
		o.add(&nodes[i], &f)
	}
	if m.Used() > 2*maxOutgoing {
		t.Errorf("%d bytes are charged", m.Used())
	}
	at := o.next()
	n, bytes := o.close()
	if n == 0 || bytes != 1000*n || o.next() != nil || o.add(&nodes[0], &f) != lost {
		t.Errorf("%d frames of %d bytes are left", n, bytes)
	}
	o.done(at)
	if m.Used() != 0 {
		t.Errorf("%d bytes stay charged", m.Used())
	}
	o = newOutbox(frame.NewMemory(100), 1<<20, o.room)
	if o.add(&nodes[0], &f) != lost {
		t.Error("there is no memory, and a frame is taken")
	}
}

func TestInbox(t *testing.T) {
	ready, err := eventfd(0)
	if err != nil {
		t.Fatal(err)
	}
	b := newInbox(frame.NewMemory(1<<30), ready)
	if _, ok := b.take(); ok || readable(b.ready) {
		t.Error("it is not empty")
	}
	n := 0
	for block := b.block(1000); block != nil; block = b.block(1000) {
		b.push(item{block: block, frames: block.Bytes(1000), sender: uint64(n)})
		n++
	}
	if n != maxWaiting/(1000+itemCost) || b.memory.Used() != int64(n*2048) {
		t.Errorf("it holds %d messages, for %d bytes", n, b.memory.Used())
	}
	for i := range n {
		got, ok := b.take()
		if !ok || got.sender != uint64(i) || !readable(b.ready) != (i == n-1) {
			t.Fatalf("message %d is %d, readable: %v", i, got.sender, readable(b.ready))
		}
		got.block.Release()
	}
	last, late := b.block(10), b.block(10)
	b.push(item{block: last})
	b.close()
	b.push(item{block: late})
	if b.memory.Used() != 0 || b.block(10) != nil {
		t.Error("it is not closed")
	}
}

// Frames are gathered, looked up, learned, guarded and waited for without allocating.
func TestAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	m := frame.NewMemory(1 << 30)
	o := newOutbox(m, 1<<20, newEventfd(t, 1))
	ta := newTestTable()
	g, _ := newGuard()
	in := newInbox(m, newEventfd(t, 0))
	data := heard(station(1))
	f := frame.NewFrame(data)
	var h header
	one := made(header{sender: 5}, data)
	if n := testing.AllocsPerRun(1000, func() {
		ta.learn(data, 5)
		ta.at(to4)
		for range 40 {
			o.add(ta.nodes[5], &f)
		}
		o.done(o.next())
		h, _, _ = parse(one, len(one))
		g.admit(m, h, false)
		in.push(item{block: in.block(len(one)), frames: one})
		i, _ := in.take()
		i.block.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

var to4 = to(station(4))
