package fastpath

import (
	"fmt"
	"strings"
	"testing"

	"ipnfs/test/harness"
)

// A station is learned, moves and is held in place while frames flow to it: none goes where
// it is not when the switch has seen it elsewhere.
func TestStations(t *testing.T) {
	m := mount(t)
	// flow starts frames from the first host to b's address.
	flow := func(l *lan) *sender {
		a := l.hosts[0]
		s := a.start(traffic{frames: [][]byte{frame(there, l.hosts[1].mac, a.mac)}})
		s.await(a, few(atLeast))
		return s
	}
	// only checks who gets what is sent from now on, while it was known elsewhere.
	only := func(l *lan, s *sender, first uint64, to, other *host, counted counts) {
		l.t.Helper()
		s.await(l.hosts[0], few(atLeast)+s.next.Load()-s.sent.Load())
		end := s.end()
		l.settle()
		lost := counted.since()
		allow := barred(lost) + harness.Dropped(lost) + l.socketsLost()
		if n := other.between(there, first, end); n > 0 {
			l.t.Errorf("%d of %d frames came to port %d", n, end-first, other.port)
		}
		if n := to.between(there, first, end); n+allow < end-first {
			l.t.Errorf("%d of %d frames came to port %d, and %d are counted as lost: %v", n, end-first, to.port, allow, lost)
		}
		for _, h := range l.hosts {
			h.checkOrder(there)
		}
	}
	t.Run("learned", func(t *testing.T) {
		l := newLAN(t, m, "learned", 3)
		a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
		l.speak(a)
		l.settle()
		counted := l.countFrom()
		s := flow(l)
		l.speak(b)
		first := s.next.Load()
		if n := c.between(there, 0, s.sent.Load()); n == 0 {
			t.Error("frames for an unknown address did not come to all")
		}
		only(l, s, first, b, c, counted)
		l.awaitAlone(a, b)
	})
	t.Run("moved", func(t *testing.T) {
		l := newLAN(t, m, "moved", 3)
		a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
		l.speak(a, b, c)
		l.awaitAlone(a, b)
		l.settle()
		counted := l.countFrom()
		s := flow(l)
		c.say(b.mac)
		l.awaitAt(b.mac, c.port)
		only(l, s, s.next.Load(), c, b, counted)
	})
	t.Run("moved to a file", func(t *testing.T) {
		l := newLAN(t, m, "file", 3)
		a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
		l.speak(a, b, c)
		l.awaitAlone(a, b)
		l.settle()
		door := l.open()
		s := flow(l)
		if _, err := door.Write(frame(hello, everybody, b.mac)); err != nil {
			t.Fatal(err)
		}
		l.awaitAt(b.mac, 4)
		first := s.next.Load()
		s.await(a, few(atLeast))
		end := s.end()
		harness.Eventually(t, "frames to come to the file", func() bool { return door.took.Load() > 0 })
		l.settle()
		for _, h := range []*host{b, c} {
			if n := h.between(there, first, end); n > 0 {
				t.Errorf("%d frames came to port %d", n, h.port)
			}
		}
	})
	t.Run("source moved", func(t *testing.T) {
		l := newLAN(t, m, "source", 3)
		a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
		l.speak(a, b, c)
		l.awaitAlone(a, b)
		l.settle()
		counted := l.countFrom()
		s := flow(l)
		moved := harness.ReadStats(t, l.path("switch", "counters"))["fdb_moved"]
		for range 10 {
			c.say(a.mac) // and its next frame moves it back
		}
		harness.Eventually(t, "it to move there and back", func() bool {
			return harness.ReadStats(t, l.path("switch", "counters"))["fdb_moved"] >= moved+2 && l.at(a.mac) == a.port
		})
		only(l, s, 0, b, c, counted)
	})
	t.Run("held in place", func(t *testing.T) {
		l := newLAN(t, m, "held", 3, "switch/damping=1000")
		a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
		l.speak(a, b, c)
		l.awaitAlone(a, b)
		l.settle()
		counted := l.countFrom()
		s := flow(l)
		for range 10 {
			c.say(b.mac)
		}
		harness.Eventually(t, "its frames to be counted", func() bool {
			return harness.ReadStats(t, l.path("switch", "counters"))["fdb_damped"] >= 10
		})
		if at := l.at(b.mac); at != b.port {
			t.Errorf("it moved to port %d", at)
		}
		only(l, s, 0, b, c, counted)
	})
}

// Who talks by the kernel alone keeps his place in a table that another fills, of the
// network or of the port.
func TestTableFull(t *testing.T) {
	m := mount(t)
	for name, settings := range map[string][]string{
		"of the network": {"switch/fdb_max=64"},
		"of a port":      {"ports/3/fdb_max=16"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLAN(t, m, "full"+strings.ReplaceAll(name, " ", ""), 3, settings...)
			a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
			l.speak(a, b)
			l.awaitAlone(a, b)
			l.settle()
			counted := l.countFrom()
			ab := a.start(traffic{frames: [][]byte{frame(there, b.mac, a.mac)}})
			ba := b.start(traffic{frames: [][]byte{frame(back, a.mac, b.mac)}})
			var many [][]byte
			for i := range 1000 {
				many = append(many, frame(hello, everybody, address(1000+i)))
			}
			cs := c.start(traffic{frames: many, pick: func(n uint64) int { return int(n) % len(many) }, rate: 20_000})
			cs.await(c, 10_000)
			cs.end()
			toB, toA := ab.end(), ba.end()
			l.settle()
			lost := counted.since()
			allow := barred(lost) + harness.Dropped(lost) + l.socketsLost()
			if n := c.count(there) + c.count(back); n > 0 {
				t.Errorf("%d frames of the others came to who fills the table", n)
			}
			if n := b.count(there) + a.count(back); n+allow < toA+toB {
				t.Errorf("%d of %d frames came, and %d are counted as lost: %v", n, toA+toB, allow, lost)
			}
			b.checkOrder(there)
			a.checkOrder(back)
			if !l.alone(a, b) || !l.alone(b, a) {
				t.Errorf("the kernel does not forward any more\n%s", harness.Get(t, l.path("switch", "counters")))
			}
			if evicted := harness.ReadStats(t, l.path("switch", "counters"))["fdb_evicted"] + harness.ReadStats(t, l.path("switch", "counters"))["fdb_refused"]; evicted == 0 {
				t.Error("the table was not full")
			}
		})
	}
}

// A storm's limit is for what goes to many, and leaves known addresses alone.
func TestStorm(t *testing.T) {
	l := newLAN(t, mount(t), "storm", 3, "ports/1/storm=broadcast=10 unknown=10")
	a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
	l.speak(a, b, c)
	l.awaitAlone(a, b)
	l.settle()
	counted := l.countFrom()
	known, unknown, all := frame(there, b.mac, a.mac), frame(back, address(77), a.mac), frame(back, everybody, a.mac)
	s := a.start(traffic{frames: [][]byte{known, unknown, all}, count: few(200_000), rate: 100_000, pick: func(n uint64) int {
		if n%50 == 0 {
			return 1 + int(n/50)%2
		}
		return 0
	}})
	sent := s.wait()
	l.settle()
	lost := counted.since()
	if n := c.count(back); n > 200 || n == 0 { // some seconds' worth, and what may come at once
		t.Errorf("%d frames came to c, at a rate of 20 a second", n)
	}
	allow := barred(lost) - lost["drop_storm"] + harness.Dropped(lost) + l.socketsLost()
	if n := b.count(there); n+allow < sent/50*49 {
		t.Errorf("%d of %d frames came to b, and %d are counted as lost: %v", n, sent/50*49, allow, lost)
	}
	if lost["drop_storm"] == 0 {
		t.Error("nothing was counted as drop_storm")
	}
	for _, h := range []*host{b, c} {
		h.checkOrder(there)
		h.checkOrder(back)
	}
}

// Groups that are snooped, and frames to all, go as ever beside known addresses.
func TestGroupsBeside(t *testing.T) {
	l := newLAN(t, mount(t), "groups", 3, "switch/snooping=on")
	a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
	l.speak(a, b, c)
	l.awaitAlone(a, b)
	l.settle()
	counted := l.countFrom()
	group := [6]byte{0x01, 0x00, 0x5e, 1, 2, 3}
	s := a.start(traffic{
		frames: [][]byte{frame(there, b.mac, a.mac), frame(there, group, a.mac), frame(there, everybody, a.mac)},
		pick:   func(n uint64) int { return max(0, int(n%100)-97) },
		count:  few(200_000), rate: 50_000,
	})
	sent := s.wait()
	l.settle()
	lost := counted.since()
	allow := barred(lost) + harness.Dropped(lost) + l.socketsLost()
	if n := b.count(there); n+allow < sent {
		t.Errorf("%d of %d frames came to b, and %d are counted as lost: %v", n, sent, allow, lost)
	}
	if n := c.count(there); n > sent/100*2 || n+allow < sent/100*2 {
		t.Errorf("%d of %d frames came to c, and %d are counted as lost: %v", n, sent/100*2, allow, lost)
	}
	b.checkOrder(there)
	c.checkOrder(there)
	if !l.alone(a, b) {
		t.Errorf("the kernel does not forward: %s", fmt.Sprint(a.line()))
	}
}
