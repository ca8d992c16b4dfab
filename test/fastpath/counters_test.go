package fastpath

import (
	"os"
	"strconv"
	"testing"

	"ipnfs/test/harness"
)

// pairLAN is a network of two hosts that the kernel forwards between.
func pairLAN(t *testing.T, m *harness.Mounted, name string, settings ...string) (l *lan, a, b *host) {
	t.Helper()
	l = newLAN(t, m, name, 2, settings...)
	a, b = l.hosts[0], l.hosts[1]
	l.speak(a, b)
	l.awaitAlone(a, b)
	l.settle()
	return l, a, b
}

// unicast starts frames from one host to another.
func unicast(fl byte, from, to *host, rate uint64) *sender {
	return from.start(traffic{frames: [][]byte{frame(fl, to.mac, from.mac)}, rate: rate})
}

// exact checks that so many frames, each for one receiver, were sent, and each was offered
// or counted.
func (c counts) exact(what string, sent uint64) {
	c.l.t.Helper()
	s := c.balanced(what)
	if s["frames"]+s["refused_too_long"] != sent {
		c.l.t.Errorf("%s: %d were sent, and frames is %d: %v", what, sent, s["frames"], s)
	}
}

// balanced checks that of frames for one receiver each was offered or counted, and each
// that was offered was received or counted. It returns what changed.
func (c counts) balanced(what string) map[string]uint64 {
	c.l.t.Helper()
	s := c.since()
	if s["frames"]+s["refused_too_long"] != s["offered"]+barred(s) || s["offered"] != s["received"]+harness.Dropped(s) {
		c.l.t.Errorf("%s: frames %d is not offered %d + %d, or that not received %d + dropped %d: %v",
			what, s["frames"], s["offered"], barred(s), s["received"], harness.Dropped(s), s)
	}
	return s
}

// What was sent was received or is counted, over both paths, in bytes as well; a reset
// sets all to zero.
func TestCounters(t *testing.T) {
	m := mount(t)
	l, a, b := pairLAN(t, m, "counters")
	counted := l.countFrom()
	ab, ba := unicast(there, a, b, 0), unicast(back, b, a, 0)
	for range 10 {
		for _, mode := range []string{"off", "on"} {
			ab.await(a, few(5_000))
			l.set("switch/fastpath=" + mode)
		}
	}
	sent := ab.end() + ba.end()
	l.settle()
	counted.exact("both paths", sent)
	for _, h := range l.hosts {
		s, is := h.stats(), h.link().Statistics
		if s["bytes"] != is.TxBytes || s["received_bytes"] != is.RxBytes {
			t.Errorf("port %d: bytes %d and received_bytes %d, but eth0 sent %d and received %d", h.port, s["bytes"], s["received_bytes"], is.TxBytes, is.RxBytes)
		}
		h.checkOrder(there)
		h.checkOrder(back)
	}
	for _, c := range []struct{ metric, stat string }{{"frames", "frames"}, {"received_frames", "received"}} {
		name := `ipnfs_network_` + c.metric + `_total{network="counters"}`
		if n, want := m.Metric(t, name), l.stats()[c.stat]; n != want {
			t.Errorf("%s is %d, and %s %d", name, n, c.stat, want)
		}
	}

	before := a.stats()["frames"]
	l.set("ports/1/stats=reset")
	if s := a.stats(); s["frames"] != 0 || s["received"] != 0 {
		t.Errorf("after a reset of the port: %v", s)
	}
	if s := l.stats(); s["frames"] < before {
		t.Errorf("a reset of a port has changed the network: %v", s)
	}
	l.set("stats=reset")
	for name, s := range map[string]map[string]uint64{"network": l.stats(), "port": b.stats()} {
		if s["frames"]+s["offered"]+s["received"]+s["received_bytes"]+s["drop_overrun"] != 0 {
			t.Errorf("after a reset of the %s: %v", name, s)
		}
	}
	l.probe = 0
	if !l.alone(a, b) {
		t.Fatal("the kernel does not forward after a reset")
	}
	if s := l.stats(); s["frames"] != 10 || s["received"] != 10 || s["bytes"] != 10*minFrame {
		t.Errorf("after 10 frames more: %v", s)
	}

	// While frames flow a reset loses none of what is offered.
	s := unicast(back, a, b, 0)
	for range 20 {
		s.await(a, few(2_000))
		l.set("stats=reset")
	}
	s.end()
	harness.Eventually(t, "the books to balance", func() bool {
		s := l.stats()
		return s["offered"] == s["received"]+harness.Dropped(s)
	})
}

// What a receiver that is down, or whose MTU is smaller, does not take is counted to it.
func TestReceiverRefuses(t *testing.T) {
	m := mount(t)
	t.Run("down", func(t *testing.T) {
		l, a, b := pairLAN(t, m, "down")
		counted := l.countFrom()
		s := unicast(there, a, b, 0)
		for range 5 {
			s.await(a, few(5_000))
			b.IP("link set eth0 down")
			s.await(a, few(5_000))
			b.IP("link set eth0 up")
			b.awaitUp()
			b.say(b.mac)
		}
		b.deaf = true
		sent := s.end()
		l.settle()
		counted.exact("down", sent+5)
		lost := counted.since()
		if lost["drop_device"]+lost["drop_nobody"] == 0 {
			t.Errorf("nothing was counted: %v", lost)
		}
		if n := l.nowhere(there, sent); n < barred(lost) || n > barred(lost)+harness.Dropped(lost)+l.socketsLost() {
			t.Errorf("%d frames came to nobody: %v", n, lost)
		}
		b.checkOrder(there)
	})
	t.Run("smaller mtu", func(t *testing.T) {
		l, a, b := pairLAN(t, m, "small")
		b.IP("link set eth0 mtu 500")
		harness.Eventually(t, "the mtu to be known", func() bool { return harness.Field(b.line(), "mtu") == "500" })
		counted := l.countFrom()
		short, long := frame(there, b.mac, a.mac), frame(there, b.mac, a.mac)
		long = append(long, make([]byte, 1000-len(long))...)
		const count = 5_000
		s := a.start(traffic{frames: [][]byte{short, long}, pick: func(n uint64) int { return int(n & 1) }, count: count, rate: 20_000})
		s.wait()
		l.settle()
		counted.exact("a smaller mtu", count)
		lost := counted.since()
		if n := b.count(there); n+barred(lost)+harness.Dropped(lost)+l.socketsLost() != count {
			t.Errorf("%d frames came: %v", n, lost)
		}
		if n := lost["drop_too_long"] + lost["drop_device"]; n < count/2-barred(lost) || n > count/2 {
			t.Errorf("%d are counted as too long for the device: %v", n, lost)
		}
		b.checkOrder(there)
	})
	t.Run("mtu changes", func(t *testing.T) {
		l, a, b := pairLAN(t, m, "changes")
		counted := l.countFrom()
		f := frame(there, b.mac, a.mac)
		s := a.start(traffic{frames: [][]byte{append(f, make([]byte, 1000-len(f))...)}})
		for _, mtu := range []string{"500", "1500", "985", "986", "9000", "68"} {
			b.IP("link set eth0 mtu " + mtu)
			s.await(a, few(5_000))
		}
		sent := s.end()
		l.settle()
		counted.exact("changes of the mtu", sent)
		b.checkOrder(there)
	})
}

// A host that ends under load leaves balanced books.
func TestReceiverEnds(t *testing.T) {
	m := mount(t)
	for _, c := range []struct {
		name string
		end  func(h *host)
	}{
		{"namespace deleted", func(h *host) {
			h.close()
			h.Delete()
		}},
		{"eth0 deleted", func(h *host) { h.IP("link del eth0") }},
		{"taken off", func(h *host) { h.attach("-eth0") }},
		{"rmdir of the port", func(h *host) { must(h.l, os.Remove(h.l.path("ports", strconv.Itoa(h.port)))) }},
	} {
		for _, which := range []int{0, 1} {
			t.Run(c.name+map[int]string{0: ", the sender", 1: ", the receiver"}[which], func(t *testing.T) {
				l, a, b := pairLAN(t, m, "ends")
				counted := l.countFrom()
				s := unicast(there, a, b, 0)
				s.await(a, few(20_000))
				gone := l.hosts[which]
				gone.gone = true
				if which == 0 { // what holds the namespace
					s.end()
				}
				c.end(gone)
				harness.Eventually(t, "the port to be gone", func() bool { return l.stats()["ports"] == 1 })
				if which == 1 {
					s.await(a, few(20_000))
				}
				sent := s.end()
				l.settle()
				if which == 1 {
					counted.exact(c.name, sent)
				} else if n := counted.balanced(c.name)["frames"]; n > sent { // what was on its way has ended with it
					t.Errorf("%d frames were sent, and frames is %d", sent, n)
				} else if came := b.count(there); n < came {
					t.Errorf("%d frames came, and frames is %d", came, n)
				}
				b.checkOrder(there)
			})
		}
	}
}
