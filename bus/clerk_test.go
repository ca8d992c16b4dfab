package bus_test

import (
	"fmt"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// hold takes a network's lock, as a command that takes long does, until free.
func hold(n *bus.Network) (free func()) {
	held, let, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		_ = n.UsePolicy(func(policy.Policy) error {
			close(held)
			<-let
			return nil
		})
	}()
	<-held
	return func() {
		close(let)
		<-done
	}
}

// hurried makes a batch of one frame as a thread sends it that must not wait.
func hurried(frame string) *bus.Batch {
	b := &bus.Batch{NoWait: true}
	b.SetFrame([]byte(frame))
	return b
}

// Who leaves while the network is held is gone at once, and is off the network
// before anything that is asked later.
func TestLeaveWhileHeld(t *testing.T) {
	for _, policy := range []string{hub, directed} {
		l := bustest.NewLab(t, policy)
		ear := &bustest.Recorder{}
		from, leaver := l.Join(t, &bustest.Recorder{}), l.Join(t, ear)
		bustest.Send(from, []byte(toAll)) // a sender has seen it
		free := hold(l.Net)
		leaver.Leave()
		leaver.Leave()
		if !leaver.Gone() {
			t.Errorf("%s: not gone", policy)
		}
		if sent := from.Send(hurried(toAll)); sent != 1 {
			t.Errorf("%s: %d frames went", policy, sent)
		}
		removed := make(chan error)
		go func() { removed <- l.Net.RemovePort(2) }()
		free()
		wantKind(t, policy+": the port of who left", <-removed, fail.Unknown)
		if got := l.Net.Stats(); len(ear.Frames()) != 1 || got.Ports != 1 || got.Nobody != 1 || got.Offered != 1 {
			t.Errorf("%s: %d frames came; %+v", policy, len(ear.Frames()), got)
		}
	}
}

// A network that is not to outlive its last port ends with it.
func TestLastLeavesWhileHeld(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Persist = false })
	c := l.Join(t, &bustest.Recorder{})
	free := hold(l.Net)
	c.Leave()
	named := make(chan *bus.Network)
	go func() { named <- l.Bus.Network("lab") }()
	free()
	if n := <-named; n != nil {
		t.Error("the network is still there")
	}
	if len(l.Bus.Networks()) != 0 {
		t.Error("the network is still listed")
	}
}

// What is sent while a network that was changed is held goes when it is free, in
// order and once.
func TestSendWhileHeld(t *testing.T) {
	l := bustest.NewLab(t, hub)
	ear := &bustest.Recorder{}
	from, _ := l.Join(t, &bustest.Recorder{}), l.Join(t, ear)
	free := hold(l.Net)
	b := hurried("one")
	if sent := from.Send(b); sent != 0 || !b.Spent {
		t.Fatalf("%d frames went, spent %v", sent, b.Spent)
	}
	if !from.Blocked() || l.Net.Reach() < 1<<20 {
		t.Error("a sender is told that it need not wait")
	}
	var parked []*parked
	for _, frame := range []string{"one", "two"} {
		p := park1(from, frame)
		p.want(t, "held", "waits")
		parked = append(parked, p)
	}
	ready := make(chan struct{})
	if l.Net.Ready(func() { close(ready) }) {
		t.Error("a held network is ready")
	}
	free()
	<-ready
	for _, p := range parked {
		bustest.WaitFor(t, "what waited is sent", func() bool { return p.state() == "sent" })
	}
	if got := fmt.Sprintf("%s", ear.Frames()); got != "[one two]" {
		t.Errorf("%s came", got)
	}
}

// park1 lets a frame wait, without trying it before.
func park1(from *bus.Conn, frame string) *parked {
	p := &parked{}
	p.Conn = from
	p.Resume = func(sent bool) { p.sent.Store(sent); p.calls.Add(1) }
	p.Batch.SetFrame([]byte(frame))
	p.Park()
	return p
}

// A receiver whose queue runs over while the network is held gets no more, and
// is told and off its port when the network is free.
func TestEvictWhileHeld(t *testing.T) {
	l := bustest.NewLab(t, hub)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.Disconnect })
	slow := &bustest.Sink{}
	from, conn := l.Join(t, &bustest.Recorder{}), l.Join(t, slow)
	fill(from, 0, 1, 1)
	free := hold(l.Net)
	for range 3 {
		from.Send(hurried("x"))
	}
	if !conn.Gone() {
		t.Error("not gone")
	}
	free()
	bustest.WaitFor(t, "the slow one is told", func() bool { return slow.GoneCalls() == 1 })
	if got := l.Net.Stats(); got.Ports != 1 || got.Nobody != 2 || drop(got, "full") != 1 {
		t.Errorf("%+v", got)
	}
}

// Whatever a network's lock is held for, and whoever waits for it, the others
// tick, are found, made, renamed and removed.
func TestHeldNetworkKeepsNobodyWaiting(t *testing.T) {
	inTick, let := make(chan struct{}), make(chan struct{})
	slow := script{tick: func(*script) { inTick <- struct{}{}; <-let }}
	var quick script
	quick.tick = func(*script) { quick.note("tick") }
	l := slow.lab(t)
	rights := bus.Access{Mode: 0o755}
	other, err := l.Bus.Create("other", quick.register(t), rights, rights)
	wantKind(t, "create", err, 0)
	quick.noted()

	first, done := make(chan struct{}), make(chan struct{}, 3)
	go func() { l.Bus.Tick(epoch); close(first) }()
	<-inTick
	bustest.WaitFor(t, "the other's tick", func() bool { return slices.Equal(quick.noted(), []string{"tick"}) })
	l.Bus.Tick(epoch) // and not of the one that still is at it
	quick.wantNotes(t, "the next tick", "tick")

	finish := func(f func()) { go func() { f(); done <- struct{}{} }() }
	finish(func() { wantKind(t, "rename", l.Bus.Rename("lab", "moved"), 0) })
	finish(func() { wantKind(t, "remove", l.Bus.Remove("lab"), fail.Unknown) })
	bustest.WaitFor(t, "the new name", func() bool { return l.Bus.Network("moved") == l.Net })
	finish(func() { l.Net.ChangeDirAccess(func(a *bus.Access) { *a = rights }) })
	if l.Bus.NetworkByID(other.ID()) != other || len(l.Bus.Networks()) != 2 || l.Net.Name() != "moved" {
		t.Error("the networks are not found")
	}
	if dir, _ := l.Net.Access(); dir != rights {
		t.Error("the rights are not told")
	}
	_, err = l.Bus.Create("third", hub, rights, rights)
	wantKind(t, "create", err, 0)
	wantKind(t, "rename", l.Bus.Rename("other", "another"), 0)
	wantKind(t, "remove", l.Bus.Remove("another"), 0)
	close(let)
	<-first
	for range 3 {
		<-done
	}
}

// Calls that are urgent come first, and have room however many others wait.
func TestUrgent(t *testing.T) {
	var s script
	s.forward = func(s *script, _ policy.Port, _ *frame.Frame, _ *policy.Egress) {
		for s.env.Defer(func() {}) {
		}
		s.env.Defer(func() { s.note("too many") })
		s.env.Urgent(func() { s.note("urgent") })
	}
	l := s.lab(t)
	from := l.Join(t, &bustest.Recorder{})
	s.noted()
	bustest.Send(from, []byte("x"))
	s.wantNotes(t, "a flood", "urgent")
	from.Send(hurried("x")) // so many are the clerk's
	bustest.WaitFor(t, "the clerk", func() bool { return slices.Equal(s.noted(), []string{"urgent"}) })
}

// More senders wait than a reader's thread may retry: all go, once.
func TestManyParked(t *testing.T) {
	l, sinks, from := lossless(t, 1, 1)
	fill(from, 0, 1, 1)
	const many = 2500
	for i := range many {
		park1(from, string([]byte{255, byte(i), byte(i >> 8)})).want(t, "full", "waits")
	}
	sinks[0].Take()
	set(t, l, func(s *bus.Settings) { s.Queue = bus.MaxQueue })
	bustest.WaitFor(t, "all are sent", func() bool { return sinks[0].Queued() == many })
	came := map[string]bool{}
	for _, f := range sinks[0].TakeAll() {
		came[string(f)] = true
	}
	if len(came) != many {
		t.Errorf("%d of %d came", len(came), many)
	}
}
