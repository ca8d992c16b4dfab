package bus_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// passer sends on into another network what it gets, as far as it may at once.
type passer struct {
	bustest.Sink
	to *bus.Conn // of the other network

	resized atomic.Int64
	passed  atomic.Int64
	batches sync.Pool
}

var _ bus.Resizer = (*passer)(nil)

func (p *passer) Claim(b *frame.Batch, i, j int) (int, uint64) {
	if b.Onward == nil || *b.Onward <= 0 {
		return 0, 0
	}
	return j - i, 0
}

func (p *passer) Emit(b *frame.Batch, i, j int, _ uint64) {
	x, _ := p.batches.Get().(*bus.Batch)
	if x == nil {
		x = &bus.Batch{Beyond: true, NoWait: true}
	}
	x.Lend(b, i, j)
	sent := p.to.Send(x)
	p.passed.Add(int64(sent))
	if sent < len(x.Frames) {
		p.Conn().Return(&x.Batch, sent, len(x.Frames))
	}
	x.Reset()
	p.batches.Put(x)
}

func (p *passer) Resize(mtu int) { p.resized.Store(int64(mtu)) }

func numbered(n int) (frames [][]byte) {
	for i := range n {
		frames = append(frames, []byte{0xff, byte(i), byte(i >> 8)})
	}
	return frames
}

// What all endpoints together send on, of one Send, is bounded; the rest waits in their
// queues, in order.
func TestOnwardIsBounded(t *testing.T) {
	const readers, ways, frames = 100, 8, 100
	near := bustest.NewLab(t, hub)
	set(t, near, func(s *bus.Settings) { s.Queue = frames })
	src := near.Join(t, &bustest.Sink{})
	var all []*passer
	for range ways {
		far := bustest.NewLab(t, hub)
		for range readers {
			far.JoinAs(t, &bustest.Recorder{}, bus.JoinOptions{Recv: true})
		}
		p := &passer{to: far.Join(t, &bustest.Sink{})}
		near.JoinAs(t, p, bus.JoinOptions{Recv: true})
		all = append(all, p)
	}
	var b bus.Batch
	b.SetStream(bustest.Stream(numbered(frames)...), frame.MaxPrefixed)
	if sent := src.Send(&b); sent != frames {
		t.Errorf("%d of %d frames went: what is beyond the network is no concern of the sender", sent, frames)
	}
	b.Reset()
	passed := 0
	for i, p := range all {
		passed += int(p.passed.Load())
		left := p.TakeAll()
		if want := numbered(frames)[p.passed.Load():]; !slices.EqualFunc(left, want, slices.Equal) {
			t.Errorf("way %d has passed %d frames, and %d wait", i, p.passed.Load(), len(left))
		}
	}
	// each is at most one frame over
	if most := bus.OnwardBudget/readers + ways; passed > most || passed < most-2*ways {
		t.Errorf("%d frames passed, want %d", passed, most)
	}
	if least := bus.OnwardBudget; b.Made < least {
		t.Errorf("%d copies are told, less than %d", b.Made, least)
	}
}

// Networks in a ring carry a frame until nothing more is allowed, though each comes
// again while its own Send goes on.
func TestOnwardInARing(t *testing.T) {
	var labs []*bustest.Lab
	for range 3 {
		labs = append(labs, bustest.NewLab(t, hub))
	}
	for i, from := range labs {
		from.JoinAs(t, &passer{to: labs[(i+1)%3].Join(t, &bustest.Sink{})}, bus.JoinOptions{Recv: true})
	}
	src := labs[0].Join(t, &bustest.Sink{})
	if !bustest.Send(src, []byte{0xff}) {
		t.Error("it did not go")
	}
	if n, most := labs[1].Net.Stats().Frames, uint64(bus.OnwardBudget/bus.FrameCost); n < most/3-2 || n > most/3+2 {
		t.Errorf("it passed %d times, want %d", n, most/3)
	}
}

// What is returned is the oldest, whatever room there is, and counted as waiting.
func TestReturn(t *testing.T) {
	l := bustest.NewLab(t, hub)
	set(t, l, func(s *bus.Settings) { s.Queue = 3 })
	src, s := l.Join(t, &bustest.Sink{}), &bustest.Sink{}
	c := l.JoinAs(t, s, bus.JoinOptions{Recv: true})
	bustest.SendBatch(src, numbered(3)...)
	var b frame.Batch
	c.Lock()
	for range 3 {
		b.Add(c.PopLocked())
	}
	c.Unlock()
	bustest.SendBatch(src, []byte{0xff, 3}, []byte{0xff, 4}, []byte{0xff, 5})
	c.Return(&b, 1, 3)
	b.Reset()
	stats := l.Net.Stats()
	if stats.Queued != 5 || stats.Received != 1 || stats.ReceivedBytes != 3 {
		t.Errorf("%d wait, %d were received, of %d bytes", stats.Queued, stats.Received, stats.ReceivedBytes)
	}
	if !bustest.Send(src, []byte{0xff, 6}) || l.Net.Stats().Queued != 5 {
		t.Error("the queue is over its length, and took one more")
	}
	l.Net.ResetStats()
	c.Lock()
	b.Add(c.PopLocked())
	c.Unlock()
	l.Net.ResetStats()
	c.Return(&b, 0, 1)
	b.Reset()
	if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
		t.Error(err)
	}
	for want := byte(1); want <= 5; want++ {
		if got := s.Take(); got == nil || got[1] != want {
			t.Errorf("%v came, want %d", got, want)
		}
	}
	l.Leave(c)
	b.SetFrame([]byte{0xff})
	c.Return(&b, 0, 1)
	b.Reset()
}

// Without memory it is lost, and counted so.
func TestReturnWithoutMemory(t *testing.T) {
	l := bustest.NewLab(t, hub)
	src, r := l.Join(t, &bustest.Sink{}), &bustest.Recorder{}
	c := l.JoinAs(t, r, bus.JoinOptions{Recv: true})
	bustest.Send(src, []byte{0xff})
	for l.Net.Memory().Charge(1 << 20) {
		defer l.Net.Memory().Refund(1 << 20)
	}
	var b frame.Batch
	b.AddPlain(make([]byte, 1<<19))
	c.Return(&b, 0, 1)
	b.Reset()
	if s := l.Net.Stats(); s.Received != 0 || s.Dropped() != 1 {
		t.Errorf("%d were received, %d lost", s.Received, s.Dropped())
	}
}

// An endpoint hears of another mtu, and of nothing else.
func TestResize(t *testing.T) {
	l, p := bustest.NewLab(t, hub), &passer{}
	l.Join(t, p)
	set(t, l, func(s *bus.Settings) { s.Queue = 7 })
	if p.resized.Load() != 0 {
		t.Error("the queue is no mtu")
	}
	set(t, l, func(s *bus.Settings) { s.MTU = 1500 })
	if p.resized.Load() != 1500 {
		t.Errorf("it heard of %d", p.resized.Load())
	}
}
