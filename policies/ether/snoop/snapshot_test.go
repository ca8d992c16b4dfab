package snoop

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// TestSnapshot does random things to a snapshot and to a map.
func TestSnapshot(t *testing.T) {
	s, m := newSnapshot(), map[key][]int{}
	for step := range 20_000 {
		k := key(rand.IntN(300))
		if rand.IntN(3) == 0 {
			s.remove(k)
			delete(m, k)
		} else {
			m[k] = []int{step}
			s.set(k, m[k])
		}
		k = key(rand.IntN(300))
		got, ok := s.find(k)
		want, there := m[k]
		if ok != there || ok && got[0] != want[0] {
			t.Fatalf("step %d: %d: %v %v, want %v %v", step, k, got, ok, want, there)
		}
		if s.count != len(m) {
			t.Fatalf("step %d: counted %d, want %d", step, s.count, len(m))
		}
	}
}

// What is replaced, or moves as the table grows, is there all the time.
func TestSnapshotAtOnce(t *testing.T) {
	s := newSnapshot()
	s.set(0, []int{0})
	var reader sync.WaitGroup
	done := make(chan struct{})
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if _, ok := s.find(0); !ok {
					t.Error("the entry is gone")
					return
				}
			}
		}
	})
	for i := range 50_000 {
		s.set(0, []int{i})
		s.set(key(i), nil)
	}
	close(done)
	reader.Wait()
}
