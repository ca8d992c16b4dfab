package l2switch

import (
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// ring joins all switches in a circle: cable i is between i and i+1.
func (f *fabric) ring() {
	n := len(f.switches)
	for i := range n {
		f.plug(i+1, (i+1)%n+1)
	}
}

// A ring becomes a tree that reaches everybody, in which one port discards;
// each cable that is cut is replaced, and comes back. At no moment does a
// broadcast come twice. A cable may be cut so that the ports end, so that they
// have no carrier, or silently: then it takes until three hellos are missed.
func TestRing(t *testing.T) {
	for _, c := range []struct {
		how       string
		within    int // seconds until another way is found
		cut, heal func(f *fabric, i int)
	}{
		{"pulled", 0, func(f *fabric, i int) { f.pull(f.cables[i]) }, func(f *fabric, i int) {
			f.connect(i+1, f.cables[i].ends[0])
			f.connect((i+1)%len(f.switches)+1, f.cables[i].ends[1])
		}},
		{"without carrier", 0, func(f *fabric, i int) { f.cables[i].carrier(false) }, func(f *fabric, i int) { f.cables[i].carrier(true) }},
		{"silent", 20, func(f *fabric, i int) { f.cables[i].mute = true }, func(f *fabric, i int) {
			f.cables[i].mute = false
			f.hello() // until then neither end can know: no protocol helps
		}},
	} {
		for _, n := range []int{3, 4} {
			t.Run(fmt.Sprintf("%d switches, %s", n, c.how), func(t *testing.T) {
				f := newFabric(t, n, "stp=rstp")
				f.ring()
				f.converge(1)
				for range 5 {
					f.tick() // what is no edge is found out
				}
				f.checkRing(n)
				for i := range n {
					c.cut(f, i)
					f.settle()
					t.Logf("cable %d was cut: %d s", i+1, f.converge(c.within))
					for range 40 {
						f.tick()
					}
					c.heal(f, i)
					f.settle()
					for range 40 {
						f.tick()
					}
					f.checkRing(n)
				}
			})
		}
	}
}

// checkRing checks that everybody reaches everybody, that one port of the
// ring discards, and that all agree on the root.
func (f *fabric) checkRing(n int) {
	f.tb.Helper()
	if !f.whole() {
		f.tb.Fatalf("not everybody reaches everybody\n%s", f)
	}
	if s := f.states(0); s["discarding"] != 1 || s["forwarding"] != 2*n-1 {
		f.tb.Fatalf("states %v, want 1 discarding, the others forwarding\n%s", s, f)
	}
	for i, l := range f.switches {
		if got := l.root(0); got != "8000.020000000001" {
			f.tb.Errorf("switch %d takes %s for the root", i+1, got)
		}
	}
}

// What settings are for: the bridge priority makes the root, and the cost says
// which way to it.
func TestPriorityAndCost(t *testing.T) {
	f := newFabric(t, 3, "stp=rstp")
	f.at(3).set("stp=priority=4096")
	f.ring() // 1-2, 2-3, 3-1
	f.converge(10)
	if got := f.at(1).root(0); got != "1000.020000000003" {
		t.Errorf("the root is %s, want switch 3", got)
	}
	toRoot := f.at(1).stpPort("root")
	f.at(1).set(fmt.Sprintf("%d/stp=cost=200000", toRoot))
	for range 5 {
		f.tick()
	}
	f.converge(5)
	if now := f.at(1).stpPort("root"); now == toRoot {
		t.Errorf("port %d is the root port at any cost\n%s", now, f)
	}
	f.at(2).set("stp=priority=0")
	for range 5 {
		f.tick()
	}
	f.converge(5)
	if got := f.at(1).root(0); got != "0000.020000000002" {
		t.Errorf("the root is %s, want switch 2", got)
	}
}

// stpPort is the first port with that role, 0 if none has it.
func (l *lab) stpPort(role string) int {
	l.tb.Helper()
	for _, number := range l.Net.Ports() {
		if l.field(number, 0, "role") == role {
			return number
		}
	}
	return 0
}

// Two cables between two switches: one discards, and takes over.
func TestTwoCables(t *testing.T) {
	f := newFabric(t, 2, "stp=rstp")
	first, second := f.plug(1, 2), f.plug(1, 2)
	f.converge(10)
	for range 5 {
		f.tick()
	}
	if s := f.states(0); s["discarding"] != 1 {
		t.Errorf("states %v, want 1 discarding", s)
	}
	f.pull(first)
	f.converge(3)
	f.pull(second)
	f.tick()
	if f.probe() != 0 {
		t.Error("frames came without a cable")
	}
}

// A cable from one port of a switch to another: one is a backup.
func TestLoopedPorts(t *testing.T) {
	f := newFabric(t, 2, "stp=rstp")
	f.plug(1, 2)
	loop := f.plug(1, 1)
	f.converge(10)
	for range 40 {
		f.tick()
	}
	a, b := loop.ports()
	if s := f.at(1).field(a, 0, "state"); s != "forwarding" {
		t.Errorf("port %d is %s", a, s)
	}
	if r, s := f.at(1).field(b, 0, "role"), f.at(1).field(b, 0, "state"); r != "backup" || s != "discarding" {
		t.Errorf("port %d is %s and %s, want backup and discarding", b, r, s)
	}
	if !f.whole() {
		t.Errorf("not everybody reaches everybody\n%s", f)
	}
}

// A port behind which all frames turn round never forwards.
func TestReflectingPort(t *testing.T) {
	f := newFabric(t, 2, "stp=rstp")
	f.plug(1, 2)
	c := &cable{}
	e := &end{fabric: f, cable: c}
	e.other = e
	f.connect(1, e)
	for range 60 {
		f.tick()
	}
	if s := f.at(1).field(e.conn.Port().Number(), 0, "state"); s != "discarding" {
		t.Errorf("the port is %s, want discarding", s)
	}
	if !f.whole() {
		t.Errorf("not everybody reaches everybody\n%s", f)
	}
}

// A ring in which the trees are begun while frames run in circles calms down.
func TestBeginInAStorm(t *testing.T) {
	f := newFabric(t, 3)
	f.plug(1, 2)
	f.plug(2, 3)
	f.plug(3, 1)
	f.at(1).at(1).say(toAll, "round and round")
	for range 100 {
		p := f.way[0]
		f.way = f.way[1:]
		bustest.Send(p.to.conn, p.frame)
	}
	for _, l := range f.switches {
		l.set("stp=rstp")
	}
	f.settle()
	for _, l := range f.switches {
		l.heard()
	}
	f.converge(10)
	f.checkRing(3)
}

// A station is no bridge: what opens a port may talk at once; behind a device
// there may be one, and it waits.
func TestEdgePorts(t *testing.T) {
	l := newLab(t, Name, 1)
	l.set("stp=rstp")
	for kind, atOnce := range map[string]bool{"port": true, "stream": true, "tap": false, "grab": false} {
		s := l.join(bus.JoinOptions{Info: bus.Info{Kind: kind}})
		s.say(toAll, "at once")
		if got := len(l.at(1).heard()) == 1; got != atOnce {
			t.Errorf("a frame of a %s came at once: %v", kind, got)
		}
		if got := s.dropped(frame.DropSTP) == 0; got != atOnce {
			t.Errorf("a frame of a %s was counted as stp: %v", kind, !got)
		}
		l.tick(4)
		l.heard()
		s.say(toAll, "later")
		if len(l.at(1).heard()) != 1 {
			t.Errorf("a frame of a %s did not come after 4 seconds", kind)
		}
		s.conn.Close()
	}
	l.set("1/stp=edge=off")
	again := l.join(bus.JoinOptions{Info: bus.Info{Kind: "tap"}})
	l.set(fmt.Sprintf("%d/stp=edge=on", again.number()))
	again.say(toAll, "set by hand")
	if len(l.at(1).heard()) != 1 {
		t.Error("a frame of a port that was made an edge did not come at once")
	}
}
