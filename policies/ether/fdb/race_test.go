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

// TestFoundMeanwhile lets a table grow and shrink: what is there all the time is
// found all the time.
func TestFoundMeanwhile(t *testing.T) {
	tab := New(MaxLimit, nil)
	for i := range 500 {
		if _, err := tab.AddStatic(randomKey(i), 1+i); err != nil {
			t.Fatal(err)
		}
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				i := rand.IntN(500)
				if port, ok := tab.Lookup(randomKey(i)); !ok || port != 1+i {
					t.Errorf("key %d is at %d, %v", i, port, ok)
					return
				}
			}
		})
	}
	for round := range uint32(20) {
		for i := range 5000 {
			tab.Learn(randomKey(1000+i), 2, round*1000)
		}
		tab.Tick(round*1000 + 999)
		if tab.array.Load().size() != minSlots {
			t.Error("an empty table is large")
		}
	}
	done.Store(true)
	readers.Wait()
	check(t, tab)
}

// TestSlotChangesHands lets two addresses have one slot by turns: neither is ever
// found where the other one is.
func TestSlotChangesHands(t *testing.T) {
	tab := New(10, nil)
	a, keys := tab.array.Load(), []Key{randomKey(0)}
	home := func(k Key) uint64 { return a.hash(k) >> a.shift }
	for i := 1; len(keys) < 2; i++ {
		if k := randomKey(i); home(k) == home(keys[0]) {
			keys = append(keys, k)
		}
	}
	var done atomic.Bool
	var readers sync.WaitGroup
	for i, k := range keys {
		readers.Go(func() {
			for !done.Load() {
				if port, ok := tab.Lookup(k); ok && port != i+1 {
					t.Errorf("key %d is at %d", i, port)
					return
				}
			}
		})
	}
	for range 50_000 {
		for i, k := range keys {
			tab.Learn(k, i+1, 1)
			tab.Remove(k)
		}
	}
	done.Store(true)
	readers.Wait()
	if a.used != 1 {
		t.Errorf("they had %d slots", a.used)
	}
}
