package netns

import (
	"os"
	"sync"
	"testing"
	"time"
)

// However many want a thread of their own, few get one at a time, and who is
// on one gets another without waiting for the rest.
func TestOwnThreads(t *testing.T) {
	var mu sync.Mutex
	working, most := 0, 0
	count := func(by int) int {
		mu.Lock()
		defer mu.Unlock()
		working += by
		most = max(most, working)
		return working
	}
	full, goOn := make(chan struct{}), make(chan struct{})
	isFull := sync.OnceFunc(func() { close(full) })
	var all sync.WaitGroup
	for range 1000 {
		all.Go(func() {
			_ = onOwnThread(func() error {
				if count(1) == maxThreads {
					isFull()
				}
				<-goOn
				err := onOwnThread(func() error { return onOwnThread(func() error { return nil }) })
				count(-1)
				return err
			})
		})
	}
	<-full
	close(goOn)
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("calls from within calls wait for one another")
	}
	if most != maxThreads {
		t.Errorf("%d worked at once, want %d", most, maxThreads)
	}
	if entries, err := os.ReadDir("/proc/self/task"); err != nil || len(entries) > 100 {
		t.Errorf("%d threads, %v", len(entries), err)
	}
}
