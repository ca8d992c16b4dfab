package bus_test

import (
	"slices"
	"sync"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// reasons are why a policy or an endpoint drops, and the names of the counters.
var reasons = map[frame.Drop]string{
	frame.DropVLAN: "vlan", frame.DropSTP: "stp", frame.DropStorm: "storm", frame.DropIsolated: "isolated",
	frame.DropFiltered: "filtered", frame.DropMalformed: "malformed", frame.DropLoop: "loop",
}

// A frame that the policy drops is counted at its sender, by reason.
func TestDroppedByPolicy(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
		for why, name := range reasons {
			s := script{forward: func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
				if f.Data()[0] == 1 {
					out.Drop(why)
				} else if f.Data()[0] == 2 {
					out.Flood()
				}
			}}
			l := s.lab(t)
			set(t, l, func(s *bus.Settings) { s.Overflow = overflow })
			ear := &bustest.Recorder{}
			l.Join(t, ear)
			from := l.Join(t, &bustest.Sink{})
			bustest.SendBatch(from, []byte{1}, []byte{1}, []byte{2}, []byte{0}, []byte{1}, []byte{2})
			bustest.Send(from, []byte{1})
			want := bus.Stats{Frames: 7, Bytes: 7, Nobody: 1, Offered: 2, Received: 2, ReceivedBytes: 2, Ports: 2, Readers: 2, Writers: 2}
			want.Barred[why] = 4
			if got := l.Net.Stats(); got != want || drop(got, name) != 4 || got.Dropped() != 5 {
				t.Errorf("%s, %v: the network's are\n%+v, want\n%+v", name, overflow, got, want)
			}
			port := bus.Stats{Frames: 7, Bytes: 7, Nobody: 1}
			port.Barred[why] = 4
			if got := from.Port().Stats(); got != port {
				t.Errorf("%s, %v: the sender's are\n%+v, want\n%+v", name, overflow, got, port)
			}
			// A port's reset keeps the network's; that of the network ends all.
			from.Port().ResetStats()
			if got := l.Net.Stats(); got != want {
				t.Errorf("%s: after the port's reset\n%+v, want\n%+v", name, got, want)
			}
			if got := from.Port().Stats(); got != (bus.Stats{}) {
				t.Errorf("%s: the port's are %+v after its reset", name, got)
			}
			for range 3 {
				from.CountDrop(why, 1)
			}
			l.Leave(from)
			if got := drop(l.Net.Stats(), name); got != 7 {
				t.Errorf("%s: %d are counted when the sender has left, want 7", name, got)
			}
			l.Net.ResetStats()
			if got := l.Net.Stats(); got.Dropped() != 0 {
				t.Errorf("%s: %d are counted after a reset", name, got.Dropped())
			}
		}
	}
}

// A frame that goes somewhere is not dropped, whatever else the policy says.
func TestDropAndAdd(t *testing.T) {
	ear := &bustest.Recorder{}
	var port *bus.Port
	s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
		out.Drop(frame.DropSTP)
		out.Add(port)
	}}
	l := s.lab(t)
	port = l.Join(t, ear).Port()
	from := l.Join(t, &bustest.Sink{})
	bustest.Send(from, []byte{1})
	if got := drop(l.Net.Stats(), "stp"); got != 0 || len(ear.Frames()) != 1 {
		t.Errorf("%d frames came and %d are counted as dropped, of 1", len(ear.Frames()), got)
	}
}

// What has passed as many cables as it may goes to no other, and keeps no room there.
func TestTooManyHops(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
		l := bustest.NewLab(t, hub)
		set(t, l, func(s *bus.Settings) { s.Overflow, s.Queue = overflow, 8 })
		cable := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Recv: true, Hops: true})
		tap := &bustest.Recorder{}
		l.Join(t, tap)
		from := l.Join(t, &bustest.Sink{})
		for range 2 {
			var b bus.Batch
			for _, hops := range []byte{frame.MaxHops, 0, frame.MaxHops - 1, frame.MaxHops} {
				b.AddIn(frame.Hops4, []byte{hops, 0, 0, 1, hops})
			}
			if n := from.Send(&b); n != 4 {
				t.Fatalf("%v: %d of 4 frames went", overflow, n)
			}
			b.Reset()
		}
		if n := bustest.SendBatch(from, []byte{1}, []byte{2}, []byte{3}, []byte{4}); n != 4 {
			t.Errorf("%v: %d of 4 frames find room", overflow, n)
		}
		if len(tap.Frames()) != 12 {
			t.Errorf("%v: %d of 12 frames came to who counts no hops", overflow, len(tap.Frames()))
		}
		stats := cable.Port().Stats()
		if got := drop(stats, "loop"); got != 4 || stats.Queued != 8 || stats.Offered != 8 || stats.Dropped() != 4 {
			t.Errorf("%v: the cable's are %+v", overflow, stats)
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Error(err)
		}
	}
}

// What was dropped at the door is counted where it came from, and as sent.
func TestCountDrop(t *testing.T) {
	l := bustest.NewLab(t, hub)
	c := l.Join(t, &bustest.Sink{})
	for why, name := range reasons {
		c.CountDrop(why, 2)
		c.CountDrop(why, 0)
		c.CountDrop(why, 1)
		if got := drop(c.Port().Stats(), name); got != 3 {
			t.Errorf("%s: %d are counted, want 3", name, got)
		}
	}
	stats := l.Net.Stats()
	if all := uint64(3 * len(reasons)); stats.Dropped() != all || stats.Frames != all || stats.Bytes != all || stats.Offered != 0 {
		t.Errorf("stats are %+v", stats)
	}
	if err := bustest.CheckBalance(stats); err != nil {
		t.Error(err)
	}
}

// losing is an endpoint like a device: it takes all, and then loses some.
type losing struct {
	bustest.Recorder
	lose   func(frame []byte) bool
	before func() // the loss is counted
}

// Emit keeps what it does not lose.
func (e *losing) Emit(b *frame.Batch, i, j int, token uint64) {
	lost, bytes := 0, 0
	for k := i; k < j; k++ {
		if f := &b.Frames[k]; e.lose(f.Data()) {
			lost, bytes = lost+1, bytes+f.Len()
		} else {
			e.Recorder.Emit(b, k, k+1, token)
		}
	}
	if e.before != nil {
		e.before()
	}
	if lost > 0 {
		e.Conn().Lost(lost, bytes)
	}
}

// What a device did not take was not received.
func TestLost(t *testing.T) {
	l := bustest.NewLab(t, hub)
	e := &losing{lose: func(f []byte) bool { return f[0] == 1 }}
	conn := l.Join(t, e)
	from := l.Join(t, &bustest.Sink{})
	bustest.SendBatch(from, []byte{0, 0}, []byte{1, 0, 0}, []byte{1}, []byte{0, 1, 2, 3})
	bustest.Send(from, []byte{1, 0})
	want := bus.Stats{Offered: 5, Received: 2, ReceivedBytes: 6}
	want.Drops[slices.Index([]string{"full", "displaced", "memory", "too_long", "left", "device"}, "device")] = 3
	if got := conn.Port().Stats(); got != want || drop(got, "device") != 3 || bustest.CheckBalance(got) != nil {
		t.Errorf("stats are\n%+v, want\n%+v", got, want)
	}
	l.Leave(conn)
	if got := l.Net.Stats(); got.Received != 2 || got.Dropped() != 3 || bustest.CheckBalance(got) != nil {
		t.Errorf("when it has left they are %+v", got)
	}
}

// The counters may be reset while a device is about to lose what it has
// claimed: they do not run backwards.
func TestLostAfterReset(t *testing.T) {
	for what, reset := range map[string]func(c *bus.Conn){
		"network": func(c *bus.Conn) { c.Network().ResetStats() },
		"port":    func(c *bus.Conn) { c.Port().ResetStats() },
	} {
		l := bustest.NewLab(t, hub)
		e := &losing{lose: func(f []byte) bool { return f[0] == 1 }}
		conn := l.Join(t, e)
		from := l.Join(t, &bustest.Sink{})
		bustest.Send(from, []byte{0})
		e.before = func() { reset(conn) }
		bustest.SendBatch(from, []byte{1}, []byte{0}, []byte{1})
		for whose, stats := range map[string]bus.Stats{"port": conn.Port().Stats(), "network": l.Net.Stats()} {
			if stats.Received > 4 || stats.ReceivedBytes > 4 || stats.Offered > 4 || drop(stats, "device") > 2 {
				t.Errorf("reset of the %s: the %s's are %+v", what, whose, stats)
			}
			if err := bustest.CheckBalance(stats); err != nil {
				t.Errorf("reset of the %s: the %s's: %v", what, whose, err)
			}
		}
		e.before = nil
		bustest.SendBatch(from, []byte{1}, []byte{0})
		if got := conn.Port().Stats(); got.Received > 2 || bustest.CheckBalance(got) != nil {
			t.Errorf("reset of the %s, and then more: %+v", what, got)
		}
	}
}

// Devices lose, policies drop, receivers are full, all are reset and leave at
// once: in the end all is accounted for. Run it with -race.
func TestLossesRace(t *testing.T) {
	var s script
	s.forward = func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		if n := f.Data()[0]; n%3 == 0 {
			out.Drop(frame.Drop(1 + n%5))
		} else {
			out.Flood()
		}
	}
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Queue = 4 })
	l.Join(t, &bustest.Sink{})
	l.Join(t, &losing{lose: func(f []byte) bool { return f[0]%2 == 0 }})
	senders := []*bus.Conn{l.Join(t, &bustest.Sink{}), l.Join(t, &bustest.Sink{})}
	together(4, 400, func(who, i int) {
		switch who {
		case 0, 1:
			bustest.SendBatch(senders[who], []byte{byte(i)}, []byte{byte(i + 1)}, []byte{byte(i + 2)})
			senders[who].CountDrop(frame.DropMalformed, 1)
		case 2:
			e := &losing{lose: func(f []byte) bool { return f[0]%2 == 1 }}
			if c, err := l.Net.Join(e, bus.JoinOptions{Recv: true}); err == nil {
				c.Close()
			}
		case 3:
			if i%50 == 0 {
				senders[0].Port().ResetStats()
			}
			_ = l.Net.Stats()
		}
	})
	stats := l.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil {
		t.Error(err)
	}
	if stats.Frames != 2*(3+1)*400 || drop(stats, "malformed") != 2*400 || drop(stats, "device") == 0 || drop(stats, "full") == 0 {
		t.Errorf("stats are %+v", stats)
	}
}

// together lets n threads do something so many times at once.
func together(n, times int, do func(who, i int)) {
	var all sync.WaitGroup
	for who := range n {
		all.Go(func() {
			for i := range times {
				do(who, i)
			}
		})
	}
	all.Wait()
}
