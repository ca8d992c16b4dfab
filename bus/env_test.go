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

// maxDeferred and maxOutgoing are how much may wait: see Env.Defer and
// Env.Send.
const (
	maxDeferred = 1024
	maxOutgoing = 128 << 10
)

// The calls of a policy come in their order, whatever ends its time.
func TestPolicyLife(t *testing.T) {
	for what, c := range map[string]struct {
		end  func(t *testing.T, l *bustest.Lab, conns []*bus.Conn)
		want []string
	}{
		"replaced": {func(t *testing.T, l *bustest.Lab, _ []*bus.Conn) {
			wantKind(t, "set", l.Net.SetPolicy(hub), 0)
		}, []string{"stop"}},
		"shut down": {func(_ *testing.T, l *bustest.Lab, _ []*bus.Conn) { l.Bus.Shutdown() }, []string{"leave 1", "leave 2", "stop"}},
		"removed": {func(t *testing.T, l *bustest.Lab, conns []*bus.Conn) {
			l.Leave(conns[1])
			l.Leave(conns[0])
			wantKind(t, "remove", l.Bus.Remove("lab"), 0)
		}, []string{"leave 2", "leave 1", "stop"}},
		"the last left": {func(t *testing.T, l *bustest.Lab, conns []*bus.Conn) {
			set(t, l, func(s *bus.Settings) { s.Persist = false })
			l.Leave(conns[0])
			l.Leave(conns[1])
		}, []string{"leave 1", "leave 2", "stop"}},
		"the last port was removed": {func(t *testing.T, l *bustest.Lab, _ []*bus.Conn) {
			set(t, l, func(s *bus.Settings) { s.Persist = false })
			wantKind(t, "remove", l.Net.RemovePort(1), 0)
			wantKind(t, "remove", l.Net.RemovePort(2), 0)
		}, []string{"leave 1", "leave 2", "stop"}},
	} {
		var s script
		l := s.lab(t)
		s.wantNotes(t, what+", made", "start")
		conns := []*bus.Conn{l.Join(t, &bustest.Sink{}), l.Join(t, &bustest.Sink{})}
		s.wantNotes(t, what+", joined", "join 1", "join 2")
		c.end(t, l, conns)
		s.wantNotes(t, what, c.want...)
	}
}

// A new policy hears of the ports that are there, after Start and before any
// frame; the old one has stopped by then.
func TestPolicyReplaced(t *testing.T) {
	var a, b script
	l := a.lab(t)
	b.register(t)
	ear := &bustest.Recorder{}
	l.Join(t, ear)
	from := l.Join(t, &bustest.Sink{})
	if _, err := l.Net.Reserve(9); err != nil { // nobody is there: it has not joined
		t.Fatal(err)
	}
	a.noted()
	b.start = func(*script) { a.wantNotes(t, "when the new one starts", "stop") }
	b.forward = func(s *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) { s.note("forward"); out.Flood() }
	life := l.Net.PolicyLife()
	wantKind(t, "set", l.Net.SetPolicy(b.spec), 0)
	if l.Net.PolicyLife() == life {
		t.Error("two policies have one life")
	}
	bustest.Send(from, []byte{1})
	b.wantNotes(t, "new", "start", "join 1", "join 2", "forward")
	a.wantNotes(t, "old")
	wantKind(t, "set", l.Net.SetPolicy("nothing"), fail.Unknown)
	b.wantNotes(t, "refused")
}

// What a policy sends by itself goes out as soon as the call has ended in
// which it was asked for, whatever call that is.
func TestEnvSend(t *testing.T) {
	hello := []byte{1, 'h', 'e', 'l', 'l', 'o'}
	for what, c := range map[string]struct {
		hook func(s *script, send func())
		do   func(t *testing.T, l *bustest.Lab, from *bus.Conn)
	}{
		"Start": {func(s *script, send func()) { s.start = func(*script) { send() } },
			func(t *testing.T, l *bustest.Lab, _ *bus.Conn) {
				wantKind(t, "set", l.Net.SetPolicy(l.Net.PolicySpec()), 0)
			}},
		"Stop": {func(s *script, send func()) { s.stop = func(*script) { send(); s.stop = nil } },
			func(t *testing.T, l *bustest.Lab, _ *bus.Conn) { wantKind(t, "set", l.Net.SetPolicy(hub), 0) }},
		"Join": {func(s *script, send func()) { s.join = func(*script, policy.Port) { send() } },
			func(t *testing.T, l *bustest.Lab, _ *bus.Conn) { l.Join(t, &bustest.Sink{}) }},
		"Leave of one who closes": {func(s *script, send func()) { s.leave = func(*script, policy.Port) { send(); s.leave = nil } },
			func(_ *testing.T, l *bustest.Lab, from *bus.Conn) { l.Leave(from) }},
		"Leave of one removed": {func(s *script, send func()) { s.leave = func(*script, policy.Port) { send(); s.leave = nil } },
			func(t *testing.T, l *bustest.Lab, _ *bus.Conn) { wantKind(t, "remove", l.Net.RemovePort(2), 0) }},
		"Leave of one too slow": {func(s *script, send func()) { s.leave = func(*script, policy.Port) { send(); s.leave = nil } },
			func(t *testing.T, l *bustest.Lab, from *bus.Conn) {
				slow := bus.Disconnect
				p := l.Join(t, &bustest.Sink{}).Port()
				wantKind(t, "slow", p.SetOverflow(&slow), 0)
				wantKind(t, "slow", p.SetQueue(1), 0)
				fill(from, 0, 2, 1)
			}},
		"Tick": {func(s *script, send func()) { s.tick = func(*script) { send() } },
			func(_ *testing.T, l *bustest.Lab, _ *bus.Conn) { l.Bus.Tick(epoch) }},
		"a knob": {func(s *script, send func()) { s.knob = func(*script, string) { send() } },
			func(t *testing.T, l *bustest.Lab, _ *bus.Conn) {
				wantKind(t, "knob", l.Net.UsePolicy(func(p policy.Policy) error { return p.(policy.Knobber).Knobs()[0].Set("") }), 0)
			}},
		"a port's knob": {func(s *script, send func()) { s.knob = func(*script, string) { send() } },
			func(t *testing.T, l *bustest.Lab, from *bus.Conn) {
				wantKind(t, "knob", from.Port().UsePolicy(func(p policy.Policy) error { return p.(policy.Knobber).Knobs()[0].Set("") }), 0)
			}},
		"Forward": {func(s *script, send func()) {
			s.forward = func(*script, policy.Port, *frame.Frame, *policy.Egress) { send() }
		}, func(_ *testing.T, _ *bustest.Lab, from *bus.Conn) { bustest.Send(from, []byte{0}) }},
		"Defer": {func(s *script, send func()) {
			s.forward = func(*script, policy.Port, *frame.Frame, *policy.Egress) { s.env.Defer(send) }
		}, func(_ *testing.T, _ *bustest.Lab, from *bus.Conn) { bustest.Send(from, []byte{0}) }},
	} {
		var s script
		l := s.lab(t)
		ear := bustest.NewTaper(-1)
		port := l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port()
		from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
		c.hook(&s, func() {
			frame := slices.Clone(hello)
			s.env.Send(port, frame)
			clear(frame)
			if len(ear.Frames()) > 0 && slices.Equal(ear.Frames()[len(ear.Frames())-1], hello) {
				t.Errorf("%s: the frame went before the call had ended", what)
			}
		})
		c.do(t, l, from)
		bustest.WaitFor(t, what, func() bool {
			return slices.ContainsFunc(ear.Frames(), func(f []byte) bool { return len(f) == len(hello) })
		})
		got := slices.DeleteFunc(ear.Frames(), func(f []byte) bool { return len(f) != len(hello) })
		if len(got) != 1 || !slices.Equal(got[0], hello) {
			t.Errorf("%s: %q came, want %q once", what, got, hello)
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		s.tick, s.start, s.forward, s.join = nil, nil, nil, nil
	}
}

// What a policy sends is treated like any other frame where it goes.
func TestEnvSendMeetsReceivers(t *testing.T) {
	var s script
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Queue = 2 })
	send := func(p *bus.Port, n int) {
		s.tick = func(s *script) { s.env.Send(p, make([]byte, n)) }
		l.Bus.Tick(epoch)
		s.tick = nil
	}
	ear := bustest.NewTaper(-1)
	one := l.JoinAs(t, ear, bus.JoinOptions{Recv: true, MaxLen: 60})
	mirror := bustest.NewTaper(-1)
	l.JoinAs(t, mirror, bus.JoinOptions{Recv: true})
	mirrorOf(t, l, 2, 1)
	send(one.Port(), 60)
	send(one.Port(), 61)
	if got := drop(one.Port().Stats(), "too_long"); got != 1 || len(ear.Frames()) != 1 {
		t.Errorf("%d frames came, %d were too long; want 1 and 1", len(ear.Frames()), got)
	}
	if len(mirror.Frames()) != 2 {
		t.Errorf("a mirror shows %d of 2 frames that the policy sent", len(mirror.Frames()))
	}

	full := l.Join(t, &bustest.Sink{})
	for range 3 {
		send(full.Port(), 9)
	}
	if got := drop(full.Port().Stats(), "full"); got != 1 {
		t.Errorf("%d frames are dropped of 3 to a queue of 2", got)
	}
	// Nobody waits in a policy's place.
	set(t, l, func(s *bus.Settings) { s.Overflow = bus.BlockSender })
	send(full.Port(), 9)
	if got := drop(full.Port().Stats(), "full"); got != 2 {
		t.Errorf("a full receiver that blocks senders: %d frames are dropped, want 2", got)
	}

	p := full.Port()
	l.Leave(full)
	send(p, 9)
	shared := bus.JoinOptions{Number: 5, Recv: true}
	if _, err := l.Net.Reserve(5); err != nil {
		t.Fatal(err)
	}
	var twins [2]bustest.Recorder
	l.JoinAs(t, &twins[0], shared)
	l.JoinAs(t, &twins[1], shared)
	send(l.Net.Port(5), 9)
	for i := range twins {
		if n := len(twins[i].Frames()); n != 1 {
			t.Errorf("connection %d of a port got %d frames, want 1", i, n)
		}
	}
	stats := l.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil || stats.Frames != 0 {
		t.Errorf("nobody but the policy has sent: %+v, %v", stats, err)
	}
}

// A deferred call is done once, when the frame is on its way, with the
// network's lock held, and may ask for more.
func TestDefer(t *testing.T) {
	var s script
	l := s.lab(t)
	ear := &bustest.Recorder{}
	l.Join(t, ear)
	from := l.Join(t, &bustest.Sink{})
	events := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(events), 0)
	var order []string
	s.forward = func(s *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		out.Flood()
		n := f.Data()[1]
		ok := s.env.Defer(func() {
			order = append(order, fmt.Sprintf("%d after %d", n, len(ear.Frames())))
			s.env.Event("seen", "n=%d", n)
			if n == 2 {
				s.env.Defer(func() { order = append(order, "later") })
			}
		})
		if !ok {
			t.Error("a deferred call was refused")
		}
	}
	fill(from, 1, 1, 1)
	fill(from, 2, 3, 3)
	l.Bus.Tick(epoch)
	if want := []string{"1 after 1", "2 after 4", "3 after 4", "4 after 4", "later"}; !slices.Equal(order, want) {
		t.Errorf("calls are %q, want %q", order, want)
	}
	if events.Count("seen") != 4 {
		t.Errorf("events are %q", events.Lines())
	}
}

// So many may wait, and no more.
func TestDeferBounds(t *testing.T) {
	var s script
	l := s.lab(t)
	ear := &bustest.Recorder{}
	port := l.JoinAs(t, ear, bus.JoinOptions{Recv: true}).Port()
	from := l.Join(t, &bustest.Sink{})
	for range 2 {
		calls, accepted := 0, 0
		s.forward = func(s *script, _ policy.Port, _ *frame.Frame, _ *policy.Egress) {
			for range 2 * maxDeferred {
				if s.env.Defer(func() { calls++ }) {
					accepted++
				}
			}
		}
		bustest.Send(from, []byte{0})
		if calls != maxDeferred || accepted != calls {
			t.Errorf("%d of %d calls were accepted and %d done, want %d", accepted, 2*maxDeferred, calls, maxDeferred)
		}
	}
	s.forward = nil
	s.tick = func(s *script) {
		for i := range maxOutgoing + 100 {
			s.env.Send(port, []byte{byte(i >> 16), byte(i >> 8), byte(i)})
		}
	}
	l.Bus.Tick(epoch)
	s.tick = nil
	got := ear.Frames()
	if len(got) != maxOutgoing {
		t.Fatalf("%d of %d frames went, want %d", len(got), maxOutgoing+100, maxOutgoing)
	}
	if lost := drop(port.Stats(), "full"); lost != 100 {
		t.Errorf("%d frames were counted as dropped, want 100", lost)
	}
	for i, f := range got {
		if !slices.Equal(f, []byte{byte(i >> 16), byte(i >> 8), byte(i)}) {
			t.Fatalf("frame %d is % x: out of order", i, f)
		}
	}
}

// What a policy left behind is not done when its time is over.
func TestDeferOfThePast(t *testing.T) {
	for what, end := range map[string]func(t *testing.T, l *bustest.Lab){
		"replaced by another":   func(t *testing.T, l *bustest.Lab) { wantKind(t, "set", l.Net.SetPolicy(hub), 0) },
		"replaced by its like":  func(t *testing.T, l *bustest.Lab) { wantKind(t, "set", l.Net.SetPolicy(l.Net.PolicySpec()), 0) },
		"the network has ended": func(_ *testing.T, l *bustest.Lab) { l.Bus.Shutdown() },
	} {
		for _, when := range []string{"before", "after", "by Leave or Stop"} {
			var s script
			l := s.lab(t)
			from := l.Join(t, &bustest.Sink{})
			l.Join(t, &bustest.Sink{})
			stopped := false
			late := func() {
				if stopped {
					s.note("done when it had stopped")
				}
			}
			s.stop = func(s *script) {
				if when == "by Leave or Stop" {
					s.env.Defer(late)
				}
				stopped = true
			}
			s.leave = func(s *script, _ policy.Port) {
				if when == "by Leave or Stop" {
					s.env.Defer(late)
				}
			}
			s.forward = func(s *script, _ policy.Port, _ *frame.Frame, _ *policy.Egress) {
				env := s.env // the policy that comes gets another one
				if when == "before" {
					env.Defer(late)
				}
				end(t, l)
				if when == "after" {
					env.Defer(late)
				}
			}
			bustest.Send(from, []byte{0})
			s.forward, s.stop, s.leave = nil, nil, nil
			l.Bus.Tick(epoch)
			if slices.Contains(s.noted(), "done when it had stopped") {
				t.Errorf("%s, asked for %s: the call was done", what, when)
			}
		}
	}
}

// A send that waited asks the policy once more. What that defers is done with
// it, and not when anybody else happens to send.
func TestDeferOfParked(t *testing.T) {
	var s script
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.BlockSender })
	full := &bustest.Sink{}
	l.Join(t, full)
	from := l.Join(t, &bustest.Sink{})
	last := byte(0)
	s.forward = func(s *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		out.Flood()
		n := f.Data()[1]
		s.env.Defer(func() { last = n })
	}
	fill(from, 1, 1, 1)
	p := park(from, []byte{0, 2})
	p.want(t, "the queue is full", "waits")
	last = 0
	full.Take()
	p.want(t, "it has room", "sent")
	if last != 2 {
		t.Errorf("the frame is sent, and what was deferred with it is not done: %d", last)
	}
}

// A policy may change its mind with time: who waits for a receiver that a
// frame goes to no more goes on.
func TestTickLetsGo(t *testing.T) {
	for what, do := range map[string]func(t *testing.T, l *bustest.Lab, s *script){
		"Tick":   func(_ *testing.T, l *bustest.Lab, _ *script) { l.Bus.Tick(epoch) },
		"a knob": func(t *testing.T, l *bustest.Lab, s *script) { s.turn(t, l.Net, "") },
		"Defer": func(t *testing.T, l *bustest.Lab, s *script) {
			bustest.Send(l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true}), []byte{9})
		},
	} {
		var port *bus.Port
		closed := false // the port
		shut := func(*script) { closed = true }
		s := script{tick: shut, knob: func(*script, string) { closed = true }}
		s.forward = func(s *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
			switch {
			case f.Data()[0] == 9:
				s.env.Defer(func() { closed = true })
			case !closed:
				out.Add(port)
			}
		}
		l := s.lab(t)
		set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.BlockSender })
		port = l.Join(t, &bustest.Sink{}).Port()
		from := l.Join(t, &bustest.Sink{})
		fill(from, 1, 1, 1)
		p := park(from, []byte{0, 2})
		p.want(t, what+", before", "waits")
		do(t, l, &s)
		p.want(t, what, "sent")
		p.Cancel()
	}
}

func TestListening(t *testing.T) {
	var s script
	l := s.lab(t)
	a, b := &bustest.Events{}, &bustest.Events{}
	for _, c := range []struct {
		what string
		do   func()
		want bool
	}{
		{"at first", func() {}, false},
		{"one reads", func() { wantKind(t, "subscribe", l.Net.Subscribe(a), 0) }, true},
		{"two read", func() { wantKind(t, "subscribe", l.Net.Subscribe(b), 0) }, true},
		{"one of them left", func() { l.Net.Unsubscribe(a) }, true},
		{"twice", func() { l.Net.Unsubscribe(a) }, true},
		{"both left", func() { l.Net.Unsubscribe(b) }, false},
		{"one came back", func() { wantKind(t, "subscribe", l.Net.Subscribe(b), 0) }, true},
		{"the network has ended", func() { l.Bus.Shutdown() }, false},
	} {
		c.do()
		if got := s.env.Listening(); got != c.want {
			t.Errorf("%s: Listening says %v", c.what, got)
		}
	}
}

// What a policy may ask about a port that joins and leaves.
func TestKindAndKeeps(t *testing.T) {
	var s script
	tell := func(what string) func(*script, policy.Port) {
		return func(s *script, p policy.Port) {
			s.note("%s %q keeps %v", what, s.env.Kind(p), s.env.Keeps(p))
		}
	}
	s.join, s.leave = tell("joins"), tell("leaves")
	l := s.lab(t)
	s.noted()
	free := l.Join(t, &bustest.Sink{})
	s.wantNotes(t, "a free number", "join 1", `joins "fake" keeps false`)
	l.Leave(free)
	s.wantNotes(t, "a free number", "leave 1", `leaves "" keeps false`)
	if _, err := l.Net.Reserve(3); err != nil {
		t.Fatal(err)
	}
	three := bus.JoinOptions{Number: 3, Recv: true}
	a := l.JoinAs(t, &bustest.Sink{}, three)
	s.wantNotes(t, "a reserved one", "join 3", `joins "fake" keeps true`)
	b := l.JoinAs(t, &bustest.Sink{}, three)
	l.Leave(a)
	s.wantNotes(t, "a second one at it, and one of them leaves")
	l.Leave(b)
	s.wantNotes(t, "both left", "leave 3", `leaves "" keeps true`)
	l.JoinAs(t, &bustest.Sink{}, three)
	s.noted()
	p := l.Net.Port(3)
	wantKind(t, "remove", l.Net.RemovePort(3), 0)
	s.wantNotes(t, "removed", "leave 3", `leaves "" keeps false`)
	if s.env.Keeps(p) {
		t.Error("a port that was removed is kept")
	}
}
