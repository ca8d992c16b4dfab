package frame

import (
	"math/rand/v2"
	"testing"
)

// A queue does what a plain list does.
func TestQueueIsAList(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var q Queue
	var list [][]byte
	for i := range 6000 {
		if fill := i/1000%2 == 0; len(list) == 0 || random.IntN(10) < 4 || fill && random.IntN(10) < 6 {
			f := make([]byte, 1+random.IntN(5))
			f[0] = byte(i)
			if i%7 == 0 {
				q.PushFront(NewFrame(f))
				list = append([][]byte{f}, list...)
			} else {
				q.Push(NewFrame(f))
				list = append(list, f)
			}
		} else {
			f := q.Pop()
			if &f.Data()[0] != &list[0][0] {
				t.Fatalf("step %d: popped another frame than the oldest", i)
			}
			list = list[1:]
		}
		bytes := 0
		for _, f := range list {
			bytes += len(f)
		}
		if q.len != len(list) || q.bytes != bytes {
			t.Fatalf("step %d: %d frames of %d bytes, want %d of %d", i, q.len, q.bytes, len(list), bytes)
		}
		if n := len(list); n > 0 {
			if k := random.IntN(n); &q.Peek(k).Data()[0] != &list[k][0] {
				t.Fatalf("step %d: frame %d is another one", i, k)
			}
		}
	}
	n := len(list)
	if got := q.Clear(); got != n || q.len != 0 || q.bytes != 0 || q.ring != nil {
		t.Errorf("cleared %d of %d frames, %d are left", got, n, q.len)
	}
}

// After a burst an empty queue holds no large ring.
func TestQueueGivesBack(t *testing.T) {
	var q Queue
	for range 5000 {
		q.Push(NewFrame([]byte{1}))
	}
	for range 5000 {
		q.Pop()
	}
	if len(q.ring) > idleRing {
		t.Errorf("the ring of an empty queue has room for %d", len(q.ring))
	}
}

// A ring is charged as it grows and given back with the burst, and a queue that
// finds no memory for it takes no frame.
func TestQueueIsCharged(t *testing.T) {
	m := NewMemory(int64(slotSize * 1024))
	q := Queue{Memory: m}
	n := 0
	for q.Push(NewFrame([]byte{1})) {
		n++
	}
	if n != 1024 || m.Used() != m.Limit() {
		t.Errorf("%d frames are queued, %d bytes charged of %d", n, m.Used(), m.Limit())
	}
	if q.Clear(); m.Used() != 0 {
		t.Errorf("%d bytes are charged for an empty queue", m.Used())
	}
}
