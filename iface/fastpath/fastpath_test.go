package fastpath

import (
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/iface/plane"
)

// Known addresses go by the plane once they are learned, both ways, and each of a new port.
func TestForwards(t *testing.T) {
	l := newLab(t, "switch", 2)
	l.settle()
	if l.fast(1, 2) {
		t.Error("addresses that nobody knows are forwarded")
	}
	l.speak()
	l.settle()
	if !l.fast(1, 2) || !l.fast(2, 1) {
		t.Errorf("known addresses: %v, %v", l.fast(1, 2), l.fast(2, 1))
	}
	l.join(bus.JoinOptions{})
	l.speak()
	l.settle()
	if !l.fast(3, 1) || !l.fast(2, 3) {
		t.Errorf("a new port: %v, %v", l.fast(3, 1), l.fast(2, 3))
	}
}

// What is behind a port that is not of the plane is not in it.
func TestOtherPorts(t *testing.T) {
	l := newLab(t, "switch", 2)
	c := l.Join(t, &bustest.Recorder{})
	l.speak()
	bustest.Send(c, makeFrame(toAll, macOf(9)))
	l.settle()
	if n := l.plane.len(); n != 2 {
		t.Errorf("%d entries", n)
	}
	bustest.Send(c, makeFrame(toAll, macOf(1))) // it moves there
	l.settle()
	if n := l.plane.len(); n != 1 || l.fast(2, 1) || l.fast(1, 2) {
		t.Errorf("moved away: %d entries", n)
	}
	l.at(1).send(toAll, macOf(9)) // and this one here
	l.settle()
	if out, _ := l.at(2).gate.decide(makeFrame(macOf(9), macOf(2))); out != l.at(1).gate {
		t.Error("moved here: not forwarded")
	}
}

// Whatever takes a right stops the plane before it returns, though the follower sleeps; Path
// tells why; and when it ends all goes by again.
func TestStopsAtOnce(t *testing.T) {
	const table = "policy broadcast forwards by no table"
	use := func(spec string) func(*lab) {
		return func(l *lab) {
			if err := l.Net.SetPolicy(spec); err != nil {
				l.tb.Fatal(err)
			}
		}
	}
	set := func(setting string) func(*lab) { return func(l *lab) { l.set(setting) } }
	stage := func(s bus.Stage) func(*lab) {
		return func(l *lab) { _ = l.at(2).conn.Port().SetStage(bus.Filter, s) }
	}
	mirror := func(numbers ...int) func(*lab) {
		return func(l *lab) { _ = l.at(3).conn.Port().SetMirror(numbers) }
	}
	var stop func()
	var other *bus.Conn
	for name, c := range map[string]struct {
		do    func(*lab)
		paths []string // afterwards
		undo  func(*lab)
	}{
		"fastpath": {set("fastpath=off"), []string{"switch/fastpath is off", "switch/fastpath is off", "switch/fastpath is off"}, set("fastpath=on")},
		"policy":   {use("broadcast"), []string{table, table, table}, use("switch")},
		"same":     {use("switch"), nil, func(*lab) {}},
		"filter":   {stage(&bustest.Gate{}), []string{"", "filter"}, stage(nil)},
		"mirror":   {mirror(2), []string{"", "mirror"}, mirror()},
		"capture": {func(l *lab) { stop = l.Net.Observe(&bustest.Watcher{}) }, []string{"capture", "capture", "capture"},
			func(*lab) { stop() }},
		"shared": {func(l *lab) { other = l.JoinAs(l.tb, &bustest.Recorder{}, bus.JoinOptions{Number: 2, Recv: true}) }, []string{"", "shared"},
			func(l *lab) { l.Leave(other) }},
		"flush":     {set("fdb=flush"), nil, func(*lab) {}},
		"isolation": {func(l *lab) { l.set("1/isolated=on", "2/isolated=on") }, nil, set("1/isolated=off")},
		"vlan":      {set("vlan=on"), nil, set("vlan=off")},
		"link":      {func(l *lab) { l.at(2).conn.SetLink(false) }, nil, func(l *lab) { l.at(2).conn.SetLink(true) }},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "switch", 3)
			l.speak()
			l.settle()
			if !l.fast(1, 2) || !l.fast(2, 1) || !l.fast(1, 3) {
				t.Fatal("nothing goes by")
			}
			thaw := l.freeze()
			c.do(l)
			if l.fast(1, 2) || l.fast(2, 1) {
				t.Error("it goes on")
			}
			thaw()
			l.settle(c.paths...)
			c.undo(l)
			l.settle()
			l.speak()
			l.settle()
			if !l.fast(1, 2) || !l.fast(2, 1) || !l.fast(1, 3) {
				t.Errorf("afterwards: %v, %v, %v", l.fast(1, 2), l.fast(2, 1), l.fast(1, 3))
			}
		})
	}
}

// A port is closed before the bus said that it may go by, and one that may not send.
func TestClosedAtFirst(t *testing.T) {
	l := newLab(t, "switch", 1)
	p := newPort(l.plane, l.plane.port())
	if p.Path() != pending {
		t.Errorf("before it joined: path %q", p.Path())
	}
	p.Leave() // which is nothing
	g := l.plane.port()
	h := &host{Port: newPort(l.plane, g), gate: g}
	c, err := l.Net.Join(h, bus.JoinOptions{Recv: true})
	if err != nil {
		t.Fatal(err)
	}
	h.conn = c
	l.hosts = append(l.hosts, h)
	l.settle("", "it may not both receive and send")
}

// Of a port that leaves nothing is left, whether or not it was taken off before; and the
// network's follower ends with the last and begins anew.
func TestLeave(t *testing.T) {
	l := newLab(t, "switch", 3)
	l.speak()
	l.settle()
	used := l.Net.Memory().Used()
	thaw := l.freeze()
	go l.at(2).Leave() // it waits for the follower
	bustest.WaitFor(t, "port 2 to close", func() bool { return !l.fast(1, 2) })
	thaw()
	bustest.WaitFor(t, "its entry to go", func() bool { return l.plane.len() == 2 })
	if got := l.Net.Memory().Used(); got != used-entrySize {
		t.Errorf("it gave back %d bytes", used-got)
	}
	l.at(2).conn.Close()
	if err := l.Net.RemovePort(3); err != nil {
		t.Fatal(err)
	}
	if l.fast(1, 3) || l.fast(3, 1) {
		t.Error("a port that was taken off goes on")
	}
	g := l.plane.port()
	h := &host{Port: newPort(l.plane, g), gate: g}
	if h.conn = l.Join(t, h); h.number() != 2 {
		t.Errorf("the new port has number %d", h.number())
	}
	l.hosts[1] = h
	l.settle("", "", "the policy does not have the port")
	f := l.follower()
	for _, h := range l.hosts {
		h.leave()
	}
	<-f.ended
	l.plane.check(t)
	l.hosts = nil
	l.join(bus.JoinOptions{})
	l.join(bus.JoinOptions{})
	l.speak()
	l.settle()
	if !l.fast(1, 2) {
		t.Error("a second follower does not follow")
	}
}

// A port that takes the number of one which was taken off and has not left yet.
func TestNumberAgain(t *testing.T) {
	l := newLab(t, "switch", 2)
	l.speak()
	l.settle()
	if err := l.Net.RemovePort(2); err != nil {
		t.Fatal(err)
	}
	h := l.join(bus.JoinOptions{Number: 2, Make: true})
	l.speak()
	h.send(toAll, macOf(2))
	l.settle("", "the policy does not have the port")
	if out, _ := l.at(1).gate.decide(makeFrame(macOf(2), macOf(1))); out != h.gate {
		t.Error("the new port gets nothing")
	}
	l.hosts[1].Leave()
	l.settle("", "the policy does not have the port")
	if out, _ := l.at(1).gate.decide(makeFrame(macOf(2), macOf(1))); out != h.gate {
		t.Error("when the old one has left, the new one gets nothing")
	}
}

// When the network ends all stops; the ports leave afterwards.
func TestNetworkEnds(t *testing.T) {
	l := newLab(t, "switch", 2)
	l.speak()
	l.settle()
	thaw := l.freeze()
	l.Net.End()
	if l.fast(1, 2) || l.fast(2, 1) {
		t.Error("it goes on")
	}
	thaw()
	l.settle("the network has ended", "the network has ended")
}

// Counters come as what was added since, and once; what the device lost was not received.
func TestCount(t *testing.T) {
	l := newLab(t, "switch", 1)
	h := l.at(1)
	set := func(c plane.Counts) {
		h.gate.mu.Lock()
		defer h.gate.mu.Unlock()
		h.gate.counts = c
	}
	want := func(what string, w bus.Stats) {
		t.Helper()
		s := h.conn.Port().Stats()
		if w.Frames != s.Frames || w.Bytes != s.Bytes || w.Received != s.Received || w.ReceivedBytes != s.ReceivedBytes || w.Dropped() != s.Dropped() {
			t.Errorf("%s: %+v", what, s)
		}
	}
	var w bus.Stats
	set(plane.Counts{In: 10, InBytes: 1000, Out: 20, OutBytes: 2000, Overrun: 1, OverrunBytes: 60, Lost: 3})
	w.Frames, w.Bytes, w.Received, w.ReceivedBytes = 11, 1060, 17, 2000
	w.Barred[frame.DropOverrun] = 1
	w.Drops[5] = 3
	want("at first", w)
	want("again", w)
	set(plane.Counts{In: 11, InBytes: 1100, Out: 20, OutBytes: 2000, Overrun: 1, OverrunBytes: 60, Lost: 4})
	w.Frames, w.Bytes, w.Received = 12, 1160, 16
	w.Drops[5] = 4
	want("later", w)
	h.conn.Port().ResetStats()
	want("reset", bus.Stats{})
	set(plane.Counts{In: 12, InBytes: 1200, Out: 20, OutBytes: 2000, Overrun: 1, OverrunBytes: 60, Lost: 4})
	h.leave()
	if s := l.Net.Stats(); s.Frames != 13 || s.Bytes != 1260 {
		t.Errorf("when it has left: %d frames, %d bytes", s.Frames, s.Bytes)
	}
}

// A station for which there is no memory, or no room in the kernel, stays slow, and is
// looked at again later.
func TestNoRoom(t *testing.T) {
	before := retryAfter
	t.Cleanup(func() { retryAfter = before })
	retryAfter = time.Millisecond
	for name, c := range map[string]struct{ fill, clear func(*lab) }{
		"memory": {
			func(l *lab) {
				for _, n := range []int{1 << 20, 1 << 10, 1} {
					for l.Net.Memory().ChargeTable(n) {
						l.taken += n
					}
				}
			},
			func(l *lab) { l.Net.Memory().RefundTable(l.taken) },
		},
		"table": {
			func(l *lab) { l.plane.limit(1) },
			func(l *lab) { l.plane.limit(0) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "switch", 2)
			l.settle()
			c.fill(l)
			l.speak()
			bustest.WaitFor(t, "a port without memory", func() bool { return l.at(1).Path() == "memory" || l.at(2).Path() == "memory" })
			if l.fast(1, 2) || l.fast(2, 1) {
				t.Error("a pair goes by of which one has no room")
			}
			c.clear(l)
			l.settle()
			bustest.WaitFor(t, "both to go by", func() bool { return l.fast(1, 2) && l.fast(2, 1) })
		})
	}
}

// Frames that are too long for the network or the receiver are for the daemon.
func TestLimits(t *testing.T) {
	l := newLab(t, "switch", 2)
	l.speak()
	l.settle()
	for _, c := range []struct {
		device, mtu int
		fast        bool
	}{{0, 1500, true}, {59, 1500, false}, {60, 1500, true}, {1514, 60, true}, {1514, 64, true}} {
		l.at(2).SetMaxLen(c.device)
		if err := l.Net.Change(func(s *bus.Settings) { s.MTU = c.mtu }); err != nil {
			t.Fatal(err)
		}
		if got := l.fast(1, 2); got != c.fast {
			t.Errorf("%d bytes fit into the device, %d into the network: %v", c.device, c.mtu, got)
		}
	}
	if got := l.at(1).gate.network.Load(); got != 64 {
		t.Errorf("the plane knows an mtu of %d", got)
	}
}

// A station that is heard in the plane alone stays in the policy's table, also if it was
// put there anew.
func TestUsed(t *testing.T) {
	l := newLab(t, "switch ageing=10", 2)
	l.speak()
	l.settle()
	for range 5 {
		l.tick(8)
		l.plane.use(l.follower().key(address{0, macOf(1)}), time.Until(l.now))
		l.set("1/isolated=on", "1/isolated=off") // its port is revoked
		l.settle()
	}
	if n := l.plane.len(); n != 1 {
		t.Errorf("%d entries", n)
	}
	if _, ok := l.follower().Used(0, macOf(2), 2); ok {
		t.Error("one that was not heard is")
	}
	if _, ok := l.follower().Used(0, macOf(1), 9); ok {
		t.Error("one is heard at a port that is not of the plane")
	}
	l.tick(20)
	l.settle()
	if n := l.plane.len(); n != 0 {
		t.Errorf("when it is silent: %d entries", n)
	}
}

// Carried goes to the plane.
func TestCarried(t *testing.T) {
	l := newLab(t, "switch", 1)
	l.at(1).Carried(3)
	if got := l.at(1).gate.carried.Load(); got != 3 {
		t.Errorf("%d", got)
	}
}

// Two networks have nothing of one another.
func TestTwoNetworks(t *testing.T) {
	l := newLab(t, "switch", 1)
	other := newLab(t, "switch", 0)
	other.plane = l.plane
	other.join(bus.JoinOptions{})
	l.at(1).send(toAll, macOf(1))
	other.at(1).send(toAll, macOf(2))
	l.settle()
	other.settle()
	if out, _ := l.at(1).gate.decide(makeFrame(macOf(2), macOf(1))); out != nil || l.plane.len() != 2 {
		t.Errorf("a frame goes to the other network, or not: %d entries", l.plane.len())
	}
}

// Many stations at once go to the plane in pieces, more than the feed holds as well; and
// from it.
func TestMany(t *testing.T) {
	for _, n := range []int{batch + 1, 5000} {
		l := newLab(t, "switch", 2)
		l.settle()
		thaw := l.freeze()
		l.at(1).send(toAll, macOf(n+1))
		for i := range n {
			l.at(2).send(toAll, macOf(i+1))
		}
		l.catch()
		if got := l.plane.len(); got != n+1 {
			t.Errorf("%d entries of %d", got, n+1)
		}
		for i := range n {
			if out, _ := l.at(1).gate.decide(makeFrame(macOf(i+1), macOf(n+1))); out != l.at(2).gate {
				t.Fatalf("station %d of %d is slow", i, n)
			}
		}
		puts := l.plane.puts
		l.set("fastpath=off", "fastpath=on")
		l.catch()
		if more := l.plane.puts - puts; more != n+1 {
			t.Errorf("%d are put anew, of %d", more, n+1)
		}
		l.set("fdb=flush port=2")
		l.catch()
		if got := l.plane.len(); got != 1 {
			t.Errorf("%d entries are left", got)
		}
		thaw()
	}
}

// What the policy and the frame path call allocates nothing.
func TestNoAllocation(t *testing.T) {
	l := newLab(t, "switch", 2)
	l.settle()
	f, h := l.follower(), l.at(1)
	if n := testing.AllocsPerRun(100, func() {
		f.Revoke(1, 0)
		f.Revoke(0, policy.AnyVLAN)
		f.Wake()
		f.Used(0, macOf(1), 1)
		h.Carried(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// While the follower rests from looks through the whole table, who moves is not sent to
// where he was, and nothing is forgotten.
func TestRest(t *testing.T) {
	l := newLab(t, "switch", 3)
	l.speak()
	l.settle()
	undo := l.freeze()
	l.set("3/isolated=on")
	l.at(2).send(toAll, macOf(1))
	f := l.follower()
	for {
		more, later, _ := f.step(false)
		if !later {
			t.Error("the port that was set up is forgotten")
		}
		if !more {
			break
		}
	}
	if l.fast(2, 1) || f.stations[address{0, macOf(1)}].at != l.at(2).Port || l.at(3).Path() == "" {
		t.Errorf("as it rests: %v, path %q", f.stations, l.at(3).Path())
	}
	undo()
	l.settle()
}
