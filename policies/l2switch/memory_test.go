package l2switch

import (
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/policies/ether/stp"
	"ipnfs/policies/ether/vlan"
)

// A switch that the network's memory has no room for is refused, and what was
// there goes on.
func TestNoMemoryForSwitch(t *testing.T) {
	b := bus.New(bus.Limits{Ports: 10, Networks: 10, Memory: switchSize})
	if _, err := b.Create("n", Name, bus.Access{}, bus.Access{}); fail.KindOf(err) != fail.NoSpace {
		t.Errorf("made with the policy: %v", err)
	}
	n, err := b.Create("n", "bustest-hub", bus.Access{}, bus.Access{})
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, "a switch", n.SetPolicy(Name), fail.NoSpace)
	if n.PolicySpec() != "bustest-hub" || b.Memory.Used() != 0 {
		t.Errorf("policy %s, %d bytes", n.PolicySpec(), b.Memory.Used())
	}
	b.Shutdown()
}

// What the switch holds is charged to its network, and given back with the
// policy.
func TestMemoryOfSwitch(t *testing.T) {
	l := newLab(t, Name, 40)
	used := l.Net.Memory().Used
	full := used()
	if err := l.Net.SetPolicy("bustest-hub"); err != nil {
		t.Fatal(err)
	}
	ports := used() // the network's own table of them
	if full-ports != switchSize {
		t.Errorf("an empty switch: %d bytes", full-ports)
	}
	if err := l.Net.SetPolicy(Name); err != nil {
		t.Fatal(err)
	}
	l.set("vlan=on")
	for i, step := range []struct {
		set  string
		more int
	}{
		{"vlans=add 10", vlan.NameSize},
		{"vlans=add 10 name=x", 0},
		{"1/vlans=10,20", configSize},
		{"1/pvid=2", 0},
		{"stp=per-vlan", 40*statesSize + 4*treeSize + (39+3)*stp.PortSize},
		{"2/vlans=2", configSize + stp.PortSize},
		{"2/vlans=none", -stp.PortSize},
		{"vlans=add 30", vlan.NameSize + treeSize},
		{"stp=rstp", -40*statesSize - 4*treeSize - 2*stp.PortSize},
		{"stp=off", -treeSize - 40*stp.PortSize},
		{"vlans=del 30", -vlan.NameSize},
	} {
		before := used()
		if l.set(step.set); int(used()-before) != step.more {
			t.Errorf("step %d, %s: %d bytes more, want %d", i, step.set, used()-before, step.more)
		}
	}
	l.set("vlan=off")
	before := used()
	for i := range 5000 {
		l.at(3).send(makeFrame(macOf(1), mac{2, 7, 7, 7, byte(i >> 8), byte(i)}, "x"))
	}
	if used()-before > 4*16<<10 {
		t.Errorf("a port with a limit took %d bytes", used()-before)
	}
	l.set("3/fdb_max=off")
	before = used()
	for i := range 5000 {
		l.at(3).send(makeFrame(macOf(1), mac{2, 7, 7, 7, byte(i >> 8), byte(i)}, "x"))
	}
	if used()-before < 3*16<<10 {
		t.Errorf("5000 addresses took %d bytes", used()-before)
	}
	if err := l.Net.SetPolicy("bustest-hub"); err != nil || used() != ports {
		t.Errorf("without the switch: %d bytes, %v", used()-ports, err)
	}
}

// What is kept for a port goes back with its reservation.
func TestMemoryOfReserved(t *testing.T) {
	l := newLab(t, Name, 0)
	for i := range 20 {
		if _, err := l.Net.Reserve(i + 1); err != nil {
			t.Fatal(err)
		}
		l.set(fmt.Sprintf("%d/pvid=7", i+1), fmt.Sprintf("%d/isolated=on", i+1))
	}
	if n := l.Net.Memory().Used() - switchSize; n < 20*configSize {
		t.Errorf("20 ports that are set up: %d bytes", n)
	}
	for i := range 20 {
		if err := l.Net.RemovePort(i + 1); err != nil {
			t.Fatal(err)
		}
	}
	l.tick(1)
	if n := l.Net.Memory().Used(); n != switchSize {
		t.Errorf("afterwards: %d bytes", n)
	}
}

// A command for which memory lacks is refused whole.
func TestNoMemoryForCommand(t *testing.T) {
	b := bus.New(bus.Limits{Ports: 100, Networks: 1, Memory: 64 << 10})
	n, err := b.Create("n", Name, bus.Access{}, bus.Access{})
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if _, err := n.Join(&silent{}, bus.JoinOptions{Recv: true, Send: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := find(t, n, "vlan").set("on"); err != nil {
		t.Fatal(err)
	}
	before := n.Memory().Used()
	wantKind(t, "a tree for each VLAN", find(t, n, "stp").set("per-vlan"), fail.NoSpace)
	s := n.Policy().(*Switch)
	if n.Memory().Used() != before || s.mode.Load().stp != stpOff || len(s.spanning.trees) != 0 {
		t.Errorf("%d bytes more, %d trees, mode %d", n.Memory().Used()-before, len(s.spanning.trees), s.mode.Load().stp)
	}
	last := error(nil)
	for i := 1; i < 41 && last == nil; i++ {
		before = n.Memory().Used()
		last = find(t, n, fmt.Sprintf("%d/pvid", i)).set("9")
	}
	wantKind(t, "the last port that is set up", last, fail.NoSpace)
	if n.Memory().Used() != before {
		t.Errorf("a refused port took %d bytes", n.Memory().Used()-before)
	}
	b.Shutdown()
	if b.Memory.Used() != 0 {
		t.Errorf("%d bytes are left", b.Memory.Used())
	}
}

// A port of a program has few addresses, and those that speak.
func TestPortFDBMax(t *testing.T) {
	l := newLab(t, Name, 2)
	l.set("1/fdb_max=10")
	for i := range 100 {
		l.at(1).send(makeFrame(macOf(2), mac{2, 7, 7, 7, 0, byte(i)}, "x"))
	}
	l.at(1).say(macOf(2), "mine")
	if n := linesOf(l.get("fdb"), "port=1"); n != 10 || linesOf(l.get("fdb"), macString(macOf(1))) != 1 {
		t.Errorf("%d addresses:\n%s", n, l.get("fdb"))
	}
	if l.counter("fdb_evicted") != "91" {
		t.Errorf("evicted %s", l.counter("fdb_evicted"))
	}
	l.at(1).conn.Close() // the next one at that number begins anew
	l.join(bus.JoinOptions{})
	l.want("1/fdb_max", "1024")
}
