package l2switch

import (
	"fmt"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// trunks sets up all ports of cables: tagged frames of these VLANs.
func (f *fabric) trunks(vlans string) {
	f.tb.Helper()
	for _, l := range f.switches {
		for _, number := range l.Net.Ports()[1:] {
			l.set(fmt.Sprintf("%d/vlans=%s", number, vlans), fmt.Sprintf("%d/pvid=0", number))
		}
		f.settle()
	}
}

// A tree for each VLAN: each has the root and the blocked port that it needs,
// so that each VLAN reaches all its stations.
func TestTreePerVLAN(t *testing.T) {
	f := newFabric(t, 3, "vlan=on", "1/vlans=10,20", "stp=per-vlan")
	f.ring() // 1-2, 2-3, 3-1
	f.trunks("10,20")
	f.at(1).set("1/vlans=10", "2/vlans=10", "3/vlans=10") // switch 1 has no part in VLAN 20
	f.settle()
	for range 40 {
		f.tick()
		f.probe(ctag(10))
		f.probe(ctag(20))
	}
	if n := f.probe(ctag(10)); n != 6 {
		t.Errorf("VLAN 10: %d copies came to all stations, want 6\n%s", n, f)
	}
	if n := f.probe(ctag(20)); n != 2 { // between 2 and 3
		t.Errorf("VLAN 20: %d copies came to all stations, want 2\n%s", n, f)
	}
	if s := f.states(10); s["discarding"] != 1 || s["forwarding"] != 5 {
		t.Errorf("VLAN 10: states %v, want 1 discarding and 5 forwarding\n%s", s, f)
	}
	if s := f.states(20); s["discarding"] != 0 || s["forwarding"] != 4 {
		t.Errorf("VLAN 20: states %v, want 4 forwarding\n%s", s, f)
	}
	for i, want := range [][2]string{{"800a.020000000001", ""}, {"800a.020000000001", "8014.020000000002"}, {"800a.020000000001", "8014.020000000002"}} {
		if got := [2]string{f.at(i + 1).root(10), f.at(i + 1).root(20)}; got != want {
			t.Errorf("switch %d has the roots %v, want %v", i+1, got, want)
		}
	}
	f.pull(f.cables[1]) // between 2 and 3
	for range 3 {
		f.tick()
	}
	if a, b := f.probe(ctag(10)), f.probe(ctag(20)); a != 6 || b != 0 {
		t.Errorf("without the cable between 2 and 3, %d and %d copies came, want 6 and 0\n%s", a, b, f)
	}
}

// What one tree forgets stays known in the others.
func TestTopologyChangeInOneVLAN(t *testing.T) {
	f := newFabric(t, 3, "vlan=on", "1/vlans=10,20", "stp=per-vlan")
	f.ring()
	f.trunks("10,20")
	for range 40 {
		f.tick()
	}
	f.probe(ctag(10))
	f.probe(ctag(20))
	from, to := f.at(3).at(1), f.at(2).at(1)
	count := func() (n10, n20 int) {
		for _, e := range values(f.at(3).Net) {
			if e.name == "fdb" {
				n10, n20 = linesOf(e.get(), "vlan=10 "), linesOf(e.get(), "vlan=20 ")
			}
		}
		return n10, n20
	}
	before10, before20 := count()
	a, b := f.cables[0].ports() // between 1 and 2, in use
	f.at(1).set(fmt.Sprintf("%d/vlans=20", a))
	f.at(2).set(fmt.Sprintf("%d/vlans=20", b)) // VLAN 10 has to go the other way
	f.settle()
	after10, after20 := count()
	if after10 >= before10 || after20 != before20 {
		t.Errorf("switch 3 knew %d and %d addresses in VLANs 10 and 20, and then %d and %d", before10, before20, after10, after20)
	}
	from.say(to.mac, "the other way", ctag(10))
	from.say(to.mac, "the old way", ctag(20))
	f.settle()
	if got := len(to.heard()); got != 2 {
		t.Errorf("%d of 2 frames came\n%s", got, f)
	}
}

// A tree that ends on one side only must not leave a loop to the other side,
// which hears no more BPDUs: nothing is forwarded in a VLAN without a tree.
func TestTreeEnds(t *testing.T) {
	f := newFabric(t, 2, "vlan=on", "1/vlans=all", "stp=per-vlan", "vlans=add 77")
	f.plug(1, 2)
	f.plug(1, 2)
	f.trunks("all")
	for range 40 {
		f.tick()
		f.probe(ctag(77))
	}
	if n := f.probe(ctag(77)); n != 2 {
		t.Fatalf("%d copies came in VLAN 77, want 2\n%s", n, f)
	}
	f.at(1).set("vlans=del 77")
	for range 60 {
		f.tick()
		f.probe(ctag(77))
	}
}

// Many trees on many ports: each sends all its BPDUs, and none is left alone
// with a loop.
func TestManyTrees(t *testing.T) {
	f := newFabric(t, 2, "vlan=on", "1/vlans=1-128", "stp=per-vlan")
	for range 7 { // ends that lead nowhere, so that there are 10 ports
		for i := range 2 {
			c := &cable{mute: true}
			e := &end{fabric: f, cable: c}
			f.connect(i+1, e)
		}
	}
	f.plug(1, 2)
	f.plug(1, 2)
	f.trunks("1-128")
	for range 45 {
		f.tick()
		for _, vlan := range []int{1, 64, 127, 128} {
			f.probe(ctag(vlan))
		}
	}
	for _, vlan := range []int{1, 64, 127, 128} {
		if n := f.probe(ctag(vlan)); n != 2 {
			t.Errorf("VLAN %d: %d copies came, want 2", vlan, n)
		}
	}
}

// There may be no more trees than maxTrees: what would need more is refused;
// what comes with a port that joins is told, and not forwarded.
func TestTooManyTrees(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 2)
	port, err := l.Net.Reserve(7)
	if err != nil {
		t.Fatal(err)
	}
	l.set("1/vlans=1-129")
	l.checkRefusals([]refusal{{"stp", "per-vlan", fail.NoSpace}})
	l.set("1/vlans=1-128", "2/vlans=1-128", "stp=per-vlan")
	l.checkRefusals([]refusal{
		{"1/vlans", "1-129", fail.NoSpace},
		{"2/pvid", "1000", fail.NoSpace},
		{"vlans", "add 129", fail.NoSpace},
	})
	l.set("vlans=add 128 name=last", "1/vlans=all") // all: those that others have
	l.set("7/vlans=128-130")
	var events bustest.Events
	if err := l.Net.Subscribe(&events); err != nil {
		t.Fatal(err)
	}
	l.join(bus.JoinOptions{Number: port.Number()})
	if linesOf(strings.Join(events.Lines(), "\n"), "what=refused vlan=") == 0 {
		t.Errorf("nobody is told: %q", events.Lines())
	}
	for vlan, by := range map[int][]int{128: {2, 7}, 129: nil, 130: nil} {
		l.at(1).say(toAll, "x", ctag(vlan))
		l.wantHeard(fmt.Sprint("VLAN ", vlan), "x", by...)
	}
}

// There may be no more than maxTreePorts ports in all trees together: each costs
// time at every tick, and when a port joins or leaves.
func TestTooManyTreePorts(t *testing.T) {
	l := newLab(t, Name+" vlan=on", maxTreePorts/maxTrees)
	for n := range l.stations {
		l.set(fmt.Sprintf("%d/vlans=1-%d", n+1, maxTrees))
	}
	l.set("stp=per-vlan")
	var events bustest.Events
	if err := l.Net.Subscribe(&events); err != nil {
		t.Fatal(err)
	}
	l.join(bus.JoinOptions{}) // in one VLAN
	if linesOf(strings.Join(events.Lines(), "\n"), "what=refused vlan=1") == 0 {
		t.Errorf("nobody is told: %q", events.Lines())
	}
	l.set("stp=off")
	l.checkRefusals([]refusal{{"stp", "per-vlan", fail.NoSpace}})
}
