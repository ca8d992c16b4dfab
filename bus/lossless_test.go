package bus_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// With block nothing is lost: all that is sent comes, in order, to all who
// stay, while others come and go.
func TestLossless(t *testing.T) {
	const senders, receivers, frames = 3, 3, 300
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 3, bus.BlockSender })
	var sinks [receivers]bustest.Sink
	var got [receivers][][]byte
	for i := range sinks {
		l.JoinAs(t, &sinks[i], bus.JoinOptions{Recv: true})
	}
	var sending, others sync.WaitGroup
	var done atomic.Bool
	for s := range senders {
		c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
		sending.Add(1)
		go func() {
			defer sending.Done()
			for i := 0; i < frames; i += 3 {
				sent := make(chan bool, 1)
				p := &bus.Parked{Conn: c, Resume: func(ok bool) { sent <- ok }}
				head := []byte{255}
				p.Batch.SetStream(bustest.Stream(bustest.Mark(head, s, i, 0), bustest.Mark(head, s, i+1, 0), bustest.Mark(head, s, i+2, 0)), frame.MaxPrefixed)
				n := c.Send(&p.Batch)
				if n < 3 {
					rest := p.Batch.Frames[n:]
					var again [][]byte
					for k := range rest {
						again = append(again, append([]byte(nil), rest[k].Data()...))
					}
					p.Batch.SetStream(bustest.Stream(again...), frame.MaxPrefixed)
					p.Park()
					if !<-sent {
						t.Error("a sender that stays was told that it is gone")
						return
					}
				}
				p.Batch.Reset()
			}
		}()
	}
	for i := range sinks {
		others.Add(1)
		go func() {
			defer others.Done()
			for !done.Load() {
				got[i] = append(got[i], sinks[i].TakeAll()...)
				runtime.Gosched()
			}
		}()
	}
	others.Add(1)
	go func() { // one who comes, is full at once, and goes
		defer others.Done()
		for !done.Load() {
			if c, err := l.Net.Join(&bustest.Sink{}, bus.JoinOptions{Recv: true}); err == nil {
				c.Close()
			}
			runtime.Gosched()
		}
	}()
	sending.Wait()
	done.Store(true)
	others.Wait()
	for i := range sinks {
		got[i] = append(got[i], sinks[i].TakeAll()...)
		if len(got[i]) != senders*frames {
			t.Errorf("receiver %d got %d of %d frames", i, len(got[i]), senders*frames)
		}
		if err := bustest.CheckOrder(got[i]); err != nil {
			t.Errorf("receiver %d: %v", i, err)
		}
	}
	if drops := l.Net.Stats(); drop(drops, "full") != 0 || drop(drops, "displaced") != 0 {
		t.Errorf("frames were dropped: %+v", drops)
	}
}

// Receivers that wait take frames past their queues: a place that was kept
// for such a frame becomes free, and a sender who found it taken must hear of
// it.
func TestWaitingReadersUnderBlock(t *testing.T) {
	const senders, receivers, frames = 4, 2, 2000
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.BlockSender })
	var all sync.WaitGroup
	for range receivers {
		p := &bustest.Puller{Discard: true}
		l.JoinAs(t, p, bus.JoinOptions{Recv: true})
		all.Add(1)
		go func() {
			defer all.Done()
			for k := 0; k < senders*frames && !t.Failed(); k++ {
				p.Pull(1)
				for p.Taken() <= k && !t.Failed() {
					runtime.Gosched()
				}
			}
		}()
	}
	for range senders {
		c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
		all.Add(1)
		go func() {
			defer all.Done()
			sent := make(chan bool, 1)
			p := &bus.Parked{Conn: c, Resume: func(ok bool) { sent <- ok }}
			for range frames {
				p.Batch.SetFrame([]byte{255, 1})
				if c.Send(&p.Batch) == 0 {
					p.Park()
					select {
					case <-sent:
					case <-time.After(time.Minute):
						t.Error("a sender waits though there is room")
						p.Cancel()
						return
					}
				}
				p.Batch.Reset()
			}
		}()
	}
	all.Wait()
}
