package fdb

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLearnAtOnce lets many threads learn the same addresses while the table
// grows: each ends up with one entry, and none is missing.
func TestLearnAtOnce(t *testing.T) {
	const threads, keys = 8, 5000
	tab := New(MaxLimit, nil)
	var learned atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for _, i := range rand.Perm(keys) {
				r, _ := tab.Learn(randomKey(i), i%100+1, 1)
				if r == Learned {
					learned.Add(1)
				} else if r != Known {
					t.Errorf("key %d: result %d", i, r)
				}
				if port, ok := tab.Lookup(randomKey(i)); !ok || port != i%100+1 {
					t.Errorf("key %d: at port %d %v right after it was learned", i, port, ok)
				}
			}
		})
	}
	wg.Wait()
	if learned.Load() != keys || tab.Len() != keys {
		t.Errorf("%d learned, %d entries, want %d", learned.Load(), tab.Len(), keys)
	}
	check(t, tab)
}

// TestEverythingAtOnce runs all methods together. Addresses of one half have
// a port each that never changes, and no Lookup may give another one.
func TestEverythingAtOnce(t *testing.T) {
	const keys = 2000
	tab := New(1500, nil)
	tab.SetAgeing(2)
	home := func(i int) int { return i%50 + 1 }
	var now atomic.Uint32
	var senders, others sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		senders.Go(func() {
			for range 30_000 {
				i := rand.IntN(keys)
				port := home(i)
				if i%2 == 1 {
					port = 100 + rand.IntN(2) // it moves about
				}
				tab.Learn(randomKey(i), port, now.Load())
				i = rand.IntN(keys/2) * 2
				if port, ok := tab.Lookup(randomKey(i)); ok && port != home(i) {
					t.Errorf("key %d is at port %d, but was only ever at %d", i, port, home(i))
				}
			}
		})
	}
	for _, f := range []func(){
		func() { tab.Tick(now.Add(1)) },
		func() { tab.FlushPort(home(rand.IntN(keys)), true) },
		func() { tab.FlushVLAN(uint16(rand.IntN(8))) },
		func() { i := rand.IntN(keys); tab.AddStatic(randomKey(i), home(i)); tab.Remove(randomKey(i)) },
		func() { tab.SetLimit(1000 + rand.IntN(1000)); tab.SetDamping(uint32(rand.IntN(2))) },
		func() {
			for _, e := range tab.Entries() {
				if e.Port < 1 || e.Port > 101 {
					t.Errorf("an entry at port %d", e.Port)
				}
			}
			tab.Flush()
		},
	} {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f()
				}
			}
		})
	}
	senders.Wait()
	close(done)
	others.Wait()
	check(t, tab)
}

// TestStampAndFlush restamps one address as fast as it goes while it is
// flushed: a stamp must not bring back what is gone.
func TestStampAndFlush(t *testing.T) {
	tab := New(10, nil)
	var sender sync.WaitGroup
	sender.Go(func() {
		for now := range uint32(300_000) {
			tab.Learn(key(1, 1), 1, now)
		}
	})
	done := make(chan struct{})
	go func() {
		sender.Wait()
		close(done)
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			tab.Flush()
		}
	}
	check(t, tab)
}
