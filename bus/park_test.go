package bus_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// parked is a send that waits, and what became of it.
type parked struct {
	bus.Parked
	calls atomic.Int64
	sent  atomic.Bool
}

// park sends frames, and lets wait what did not go.
func park(from *bus.Conn, frames ...[]byte) *parked {
	p := &parked{}
	p.Conn = from
	p.Resume = func(sent bool) { p.calls.Add(1); p.sent.Store(sent) }
	p.Batch.SetStream(bustest.Stream(frames...), frame.MaxPrefixed)
	n := from.Send(&p.Batch)
	if n == len(frames) {
		p.Batch.Reset()
		p.Resume(true)
		return p
	}
	p.Batch.SetStream(bustest.Stream(frames[n:]...), frame.MaxPrefixed)
	p.Park()
	return p
}

func (p *parked) state() string {
	switch calls, sent := p.calls.Load(), p.sent.Load(); {
	case calls == 0:
		return "waits"
	case calls > 1:
		return fmt.Sprintf("resumed %d times", calls)
	case sent:
		return "sent"
	}
	return "not sent"
}

func (p *parked) want(t *testing.T, what, state string) {
	t.Helper()
	if got := p.state(); got != state {
		t.Errorf("%s: the send %s, want: %s", what, got, state)
	}
}

// lossless makes a network where n receivers block, with room for queue
// frames each, and a sender at the next port.
func lossless(t *testing.T, n, queue int) (*bustest.Lab, []*bustest.Sink, *bus.Conn) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = queue, bus.BlockSender })
	var sinks []*bustest.Sink
	for range n {
		s := &bustest.Sink{}
		l.Join(t, s)
		sinks = append(sinks, s)
	}
	return l, sinks, l.Join(t, &bustest.Recorder{})
}

func TestParkedSendGoesOn(t *testing.T) {
	l, sinks, from := lossless(t, 1, 2)
	p := park(from, []byte{255, 0}, []byte{255, 1}, []byte{255, 2}, []byte{255, 3})
	p.want(t, "2 of 4 fit", "waits")
	sinks[0].Take()
	p.want(t, "1 more fits", "waits")
	if got := sinks[0].Queued(); got != 2 {
		t.Errorf("%d frames are queued, want 2", got)
	}
	sinks[0].Take()
	p.want(t, "all fit", "sent")
	if got := numbers(sinks[0].TakeAll()); got != "[2 3]" {
		t.Errorf("received %s, want [2 3]", got)
	}
	if stats := l.Net.Stats(); stats.Frames != 4 || stats.Received != 4 || stats.Dropped() != 0 {
		t.Errorf("stats are %+v", stats)
	}
}

// Room that was made between the attempt to send and the waiting counts.
func TestRoomBeforePark(t *testing.T) {
	_, sinks, from := lossless(t, 1, 1)
	fill(from, 0, 1, 1)
	p := &parked{}
	p.Conn = from
	p.Resume = func(sent bool) { p.calls.Add(1); p.sent.Store(sent) }
	p.Batch.SetFrame([]byte{255, 1})
	if from.Send(&p.Batch) != 0 {
		t.Fatal("a frame went to a full receiver")
	}
	sinks[0].Take()
	p.Park()
	p.want(t, "there is room", "sent")
}

// meddler takes frames and does something in the middle of it.
type meddler struct {
	bustest.Recorder
	meddle func()
}

func (m *meddler) Emit(b *frame.Batch, i, j int, token uint64) {
	m.Recorder.Emit(b, i, j, token)
	if m.meddle != nil {
		m.meddle()
	}
}

// A place is kept for a frame that in the end needs none. Who found the queue
// full because of it must hear that it is not.
func TestKeptPlaceIsGivenBack(t *testing.T) {
	for what, o := range map[string]struct {
		pull   int // reads that wait
		maxLen int
	}{"a waiting read took the frame": {1, 0}, "the frame was too long": {0, 2}} {
		l := bustest.NewLab(t, directed)
		set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.BlockSender })
		first, second := &meddler{}, &bustest.Puller{}
		l.Join(t, first)
		l.JoinAs(t, second, bus.JoinOptions{Recv: true, MaxLen: o.maxLen})
		second.Pull(o.pull)
		a, b := l.Join(t, &bustest.Sink{}), l.Join(t, &bustest.Sink{})
		var p *parked
		first.meddle = func() { // a has a place kept at second, and is just sending to first
			done := make(chan bool)
			go func() {
				p = park(b, []byte{2, 1})
				close(done)
			}()
			<-done
			p.want(t, what+", before", "waits")
		}
		bustest.Send(a, []byte{255, 0, 0})
		p.want(t, what, "sent")
		p.Cancel()
	}
}

// A frame goes to all its receivers or, for now, to none.
func TestAllOrNone(t *testing.T) {
	_, sinks, from := lossless(t, 3, 1)
	if fill(from, 0, 1, 1) != 1 {
		t.Fatal("the first frame did not go")
	}
	for _, i := range []int{2, 0} {
		sinks[i].Take()
		if fill(from, 1, 1, 1) != 0 {
			t.Errorf("a frame went though receiver 2 is full")
		}
		if n := sinks[i].Queued(); n != 0 {
			t.Errorf("receiver %d got a frame that another has no room for", i+1)
		}
	}
	p := park(from, []byte{255, 1})
	p.want(t, "one is full", "waits")
	sinks[1].Take()
	p.want(t, "none is full", "sent")
	for i := range sinks {
		if got := numbers(sinks[i].TakeAll()); got != "[1]" {
			t.Errorf("receiver %d got %s", i+1, got)
		}
	}
}

// Only who sends to the full receiver waits.
func TestOthersGoOn(t *testing.T) {
	l, sinks, from := lossless(t, 2, 1)
	other := l.Join(t, &bustest.Recorder{})
	bustest.Send(from, []byte{1, 0})
	p := park(from, []byte{1, 1})
	p.want(t, "1 is full", "waits")
	if !bustest.Send(other, []byte{2, 0}) {
		t.Error("another sender, to another receiver, was held up")
	}
	if !bustest.Send(from, []byte{3, 0}) {
		t.Error("the same sender, to nobody, was held up")
	}
	sinks[1].Take()
	p.want(t, "the other receiver took a frame", "waits")
	sinks[0].Take()
	p.want(t, "it took one", "sent")
}

// Those who wait go on oldest first, and each by itself keeps its order.
func TestOrderOfParked(t *testing.T) {
	l, sinks, first := lossless(t, 1, 2)
	second := l.Join(t, &bustest.Recorder{})
	fill(first, 0, 2, 2)
	a := park(first, []byte{255, 10}, []byte{255, 11}, []byte{255, 12})
	b := park(second, []byte{1, 20}, []byte{1, 21})
	var got [][]byte
	for f := sinks[0].Take(); f != nil; f = sinks[0].Take() {
		got = append(got, f)
	}
	if numbers(got) != "[0 1 10 11 12 20 21]" {
		t.Errorf("received %s", numbers(got))
	}
	a.want(t, "first", "sent")
	b.want(t, "second", "sent")
}

func TestCancel(t *testing.T) {
	l, sinks, from := lossless(t, 1, 1)
	fill(from, 0, 1, 1)
	p := park(from, []byte{1, 1}, []byte{1, 2}, []byte{1, 3})
	sinks[0].Take() // 1 goes
	if p.Sent != len(bustest.Stream([]byte{1, 1})) {
		t.Errorf("1 of 3 frames went while waiting: %d bytes are counted", p.Sent)
	}
	if !p.Cancel() {
		t.Error("a send that waits cannot be cancelled")
	}
	if p.Cancel() {
		t.Error("it can be cancelled twice")
	}
	sinks[0].Take()
	if n := sinks[0].Queued(); n != 0 {
		t.Errorf("%d frames of a cancelled send came", n)
	}
	p.want(t, "cancelled", "waits")
	done := park(from, []byte{1, 9})
	if done.Cancel() {
		t.Error("a send that is done can be cancelled")
	}
	if stats := l.Net.Stats(); stats.Frames != 3 {
		t.Errorf("3 frames went, counted %d", stats.Frames)
	}
}

// exhaust charges m until it has room for less than n bytes more.
func exhaust(m *frame.Memory, n int) (charged int) {
	for step := n << 20; step > 0; step /= 2 {
		for m.Charge(step) {
			charged += step
		}
	}
	m.Refund(n - 1)
	return charged - (n - 1)
}

// What waits for a sender whose memory does not stay is charged. What there is no
// memory for is lost, and counted at who had no room for it.
func TestTakeIsCharged(t *testing.T) {
	const length, block = 3000, 16 << 10 // of a frame, and of what it lies in
	l, sinks, from := lossless(t, 1, 1)
	m := l.Net.Memory()
	for _, c := range []struct {
		room int // bytes of memory, one more than there are; 0: all
		fit  int // of 3 frames
		got  string
	}{{0, 3, "[9 0 1 2]"}, {block + 1, 1, "[9 0]"}, {block, 0, "[9]"}} {
		fill(from, 9, 1, 1)
		before, charged := l.Net.Stats(), 0
		if c.room > 0 {
			charged = exhaust(m, c.room)
		}
		used, lent := m.Used(), make([]byte, 3*length)
		var b bus.Batch
		for i := range 3 {
			frame := lent[length*i:][:length]
			frame[0], frame[1] = 255, byte(i)
			b.AddPlain(frame)
		}
		p := &parked{}
		p.Conn, p.Resume = from, func(sent bool) { p.calls.Add(1); p.sent.Store(sent) }
		if from.Send(&b) != 0 || p.Take(&b, 0) != (c.fit > 0) || len(p.Batch.Frames) != c.fit {
			t.Errorf("%d frames were taken, want %d", len(p.Batch.Frames), c.fit)
		}
		b.Reset()
		clear(lent)
		if got := m.Used() - used; got != int64(c.fit*block) {
			t.Errorf("%d bytes are charged for %d frames", got, c.fit)
		}
		m.Refund(charged)
		after := l.Net.Stats()
		if lost := drop(after, "memory") - drop(before, "memory"); lost != uint64(3-c.fit) || after.Frames-before.Frames != lost {
			t.Errorf("%d frames fit, but %d are lost and %d sent", c.fit, lost, after.Frames-before.Frames)
		}
		if c.fit > 0 {
			p.Park()
			p.want(t, "a full receiver", "waits")
		}
		var got [][]byte
		for f := sinks[0].Take(); f != nil; f = sinks[0].Take() {
			got = append(got, f)
		}
		if numbers(got) != c.got {
			t.Errorf("received %s, want %s", numbers(got), c.got)
		}
		if used := m.Waiting(); used != 0 {
			t.Errorf("%d bytes are charged when all was taken", used)
		}
	}
	if port := l.Net.Port(1).Stats(); drop(port, "memory") != 5 {
		t.Errorf("the receiver lost %d frames, want 5", drop(port, "memory"))
	}
}

// What lets a waiting sender go on, beside a receiver that takes a frame.
func TestUnpark(t *testing.T) {
	for what, c := range map[string]struct {
		do    func(l *bustest.Lab) error
		state string
	}{
		"longer queue":         {func(l *bustest.Lab) error { return l.Net.Change(func(s *bus.Settings) { s.Queue = 10 }) }, "sent"},
		"longer queue of port": {func(l *bustest.Lab) error { return l.Net.Port(1).SetQueue(10) }, "sent"},
		"other overflow":       {func(l *bustest.Lab) error { return l.Net.Change(func(s *bus.Settings) { s.Overflow = bus.DropOld }) }, "sent"},
		"other overflow of port": {func(l *bustest.Lab) error {
			o := bus.DropNew
			return l.Net.Port(1).SetOverflow(&o)
		}, "sent"},
		"receiver removed": {func(l *bustest.Lab) error { return l.Net.RemovePort(1) }, "sent"},
		"other policy":     {func(l *bustest.Lab) error { return l.Net.SetPolicy(directed + " limit=1") }, "waits"},
		"silent policy":    {func(l *bustest.Lab) error { return l.Net.SetPolicy("test-silent") }, "sent"},
		"sender removed":   {func(l *bustest.Lab) error { return l.Net.RemovePort(2) }, "not sent"},
		"somebody joined":  {func(l *bustest.Lab) error { l.Join(t, &bustest.Sink{}); return nil }, "waits"},
		"network ended":    {func(l *bustest.Lab) error { l.Bus.Shutdown(); return nil }, "not sent"},
	} {
		l, _, from := lossless(t, 1, 1)
		fill(from, 0, 1, 1)
		p := park(from, []byte{1, 1})
		p.want(t, what+", before", "waits")
		wantKind(t, what, c.do(l), 0)
		p.want(t, what, c.state)
		if p.state() == "waits" {
			p.Cancel()
		}
	}
}

// Who waits for one receiver is not asked again when another has taken a frame,
// but when it may go elsewhere.
func TestStuckIsNotAsked(t *testing.T) {
	var asked, only int
	s := &script{forward: func(_ *script, in policy.Port, _ *frame.Frame, out *policy.Egress) {
		asked++
		if only == 0 {
			out.Flood()
		} else {
			out.Add(in.(*bus.Port).Network().Port(only))
		}
	}}
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.BlockSender })
	var sinks []*bustest.Sink
	for range 3 {
		sink := &bustest.Sink{}
		l.Join(t, sink)
		sinks = append(sinks, sink)
	}
	from := l.Join(t, &bustest.Recorder{})
	fill(from, 0, 1, 1)
	var waiting []*parked
	for i := range 20 {
		waiting = append(waiting, park(from, []byte{255, byte(i)}))
	}
	sinks[0].Take() // they all wait for the second one now
	asked = 0
	sinks[2].Take()
	if asked != 0 {
		t.Errorf("the policy was asked %d times for frames that cannot go", asked)
	}
	only = 3
	wantKind(t, "other way", l.Net.UsePolicy(func(policy.Policy) error { return nil }), 0)
	waiting[0].want(t, "there is room elsewhere", "sent")
	only = 0
	sinks[1].Take()
	sinks[2].Take()
	waiting[1].want(t, "all have room", "sent")
	for _, p := range waiting[2:] {
		p.want(t, "all are full again", "waits")
		p.Cancel()
	}
}

type silentPolicy struct{}

func (silentPolicy) Name() string                                      { return "test-silent" }
func (silentPolicy) Forward(policy.Port, *frame.Frame, *policy.Egress) {}

func init() {
	policy.Register(policy.Type{Name: "test-silent", New: func(map[string]string) (policy.Policy, error) { return silentPolicy{}, nil }})
}

// The receiver leaves by itself, as a reader that is killed does.
func TestReceiverLeavesWhileParked(t *testing.T) {
	l, sinks, from := lossless(t, 1, 1)
	fill(from, 0, 1, 1)
	p := park(from, []byte{255, 1})
	l.Leave(sinks[0].Conn())
	p.want(t, "the only receiver left", "sent")
	if stats := l.Net.Stats(); stats.Nobody != 1 {
		t.Errorf("the frame was for nobody: %+v", stats)
	}
}

// Who waits holds up neither the network's end nor its own.
func TestSenderClosesWhileParked(t *testing.T) {
	l, sinks, from := lossless(t, 1, 1)
	fill(from, 0, 1, 1)
	p := park(from, []byte{255, 1})
	l.Leave(from)
	p.want(t, "the sender closed", "not sent")
	sinks[0].TakeAll()
	if n := sinks[0].Queued(); n != 0 {
		t.Errorf("%d frames came from who has left", n)
	}
}

func TestBlockedAndWantOut(t *testing.T) {
	l, sinks, _ := lossless(t, 2, 1)
	poller := &bustest.Sink{}
	c := l.Join(t, poller)
	if c.Blocked() {
		t.Error("a send would not wait, and Blocked says so")
	}
	if fill(c, 0, 1, 1) != 1 || !c.Blocked() {
		t.Error("all are full, and Blocked does not say so")
	}
	c.WantOut()
	c.WantOut()
	sinks[0].Take()
	if !c.Blocked() {
		t.Error("one is full, and Blocked does not say so")
	}
	wakes := poller.Wakes()
	c.WantOut()
	sinks[1].Take()
	if c.Blocked() || poller.Wakes() == wakes {
		t.Errorf("there is room for all: blocked %v, woken %d times", c.Blocked(), poller.Wakes()-wakes)
	}
	wakes = poller.Wakes()
	fill(c, 1, 1, 1)
	sinks[0].Take()
	sinks[1].Take()
	if poller.Wakes() != wakes {
		t.Error("woken though it did not ask again")
	}
	// A full queue of the sender itself is not in its way.
	own := bus.BlockSender
	wantKind(t, "own queue", c.Port().SetOverflow(&own), 0)
	bustest.Send(sinks[0].Conn(), []byte{byte(c.Port().Number()), 0})
	if c.Blocked() {
		t.Error("blocked by its own queue")
	}
}

// A lossy receiver beside a blocking one loses by itself.
func TestMixedReceivers(t *testing.T) {
	l, sinks, from := lossless(t, 2, 1)
	lossy := bus.DropNew
	wantKind(t, "lossy", l.Net.Port(2).SetOverflow(&lossy), 0)
	fill(from, 0, 1, 1)
	sinks[0].Take()
	if fill(from, 1, 1, 1) != 1 {
		t.Error("a full receiver that loses held up the sender")
	}
	if got := numbers(sinks[0].TakeAll()) + numbers(sinks[1].TakeAll()); got != "[1][0]" {
		t.Errorf("received %s, want [1][0]", got)
	}
}

// Super-frames that wait give back their memory, though they are cut for the receivers.
func TestParkedSuperFrames(t *testing.T) {
	l, sinks, from := lossless(t, 1, 100)
	var b bus.Batch
	b.AddVnet(bustest.Super{To: 0xff, Size: 1000, Payload: 9500}.Raw())
	p := &parked{}
	p.Conn, p.Resume = from, func(sent bool) { p.calls.Add(1); p.sent.Store(sent) }
	p.Take(&b, 0) // as if the network were being changed
	b.Reset()
	p.Park()
	p.want(t, "there is room", "sent")
	if n := len(sinks[0].TakeAll()); n != 10 {
		t.Errorf("%d frames came, want 10", n)
	}
	if used := l.Net.Memory().Waiting(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}
