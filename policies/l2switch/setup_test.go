package l2switch

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
)

// setup makes options of a join from settings of the port, NAME=VALUE each.
func setup(number int, settings ...string) bus.JoinOptions {
	o := bus.JoinOptions{Number: number, Make: true, Alone: true, Recv: true, Send: true}
	for _, s := range settings {
		name, text := cut(s)
		o.Setup = append(o.Setup, bus.PortSetting{Name: name, Value: text})
	}
	return o
}

// A port can join set up, whether it is reserved or made; and what a reserved
// one had else stays.
func TestJoinSetUp(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 1)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	l.set("7/isolated=on", "7/pvid=99")
	for _, number := range []string{"7", "9", "2"} {
		n := int(number[0] - '0')
		s := l.join(setup(n, append([]string{"storm=broadcast=1"}, settings[:3]...)...))
		l.wantSettings("joined", number, append([]string{"storm=broadcast=1 multicast=off unknown=off"}, settings[:3]...)...)
		s.conn.Close()
	}
	l.wantSettings("the reserved port", "7", "pvid=20", "isolated=on")
	l.stations = l.stations[:1]
	if kept := len(l.Net.Policy().(*Switch).kept); kept != 1 {
		t.Errorf("the settings of %d ports are kept, want those of 7", kept)
	}
	l.at(1).say(toAll, "to nobody of VLAN 1")
	l.join(bus.JoinOptions{Number: 7})
	l.wantSettings("who comes back", "7", "pvid=20", "isolated=on")
}

// A join that is refused changes nothing of a reserved port, and nothing is
// kept of one that was to be made.
func TestJoinSetUpRefused(t *testing.T) {
	l := newLab(t, Name, 1)
	for _, number := range []int{7, 8} {
		if _, err := l.Net.Reserve(number); err != nil {
			t.Fatal(err)
		}
	}
	l.set("7/pvid=30")
	for _, number := range []int{7, 8, 9, 0} {
		for _, last := range []string{"pvid=4095", "colour=red", "stp=cost=0", "vlans=1-"} {
			_, err := l.Net.Join(&station{tb: t}, setup(number, "pvid=20", "vlans=all", "stp=edge=on", last))
			if fail.KindOf(err) == 0 {
				t.Errorf("port %d with %s: joined, or %v", number, last, err)
			}
		}
	}
	l.wantSettings("refused", "7", "pvid=30", "vlans=none")
	l.wantSettings("refused", "8", "pvid=1", "vlans=none")
	if kept := len(l.Net.Policy().(*Switch).kept); kept != 1 {
		t.Errorf("the settings of %d ports are kept, want those of 7", kept)
	}
	// Nobody has set port 8 up: it follows, as to its edge too.
	l.set("default_pvid=40")
	l.join(bus.JoinOptions{Number: 8, Info: bus.Info{Kind: "tap"}})
	l.wantSettings("joined", "8", "pvid=40", "stp=cost=20000 priority=128 edge=auto p2p=on guard=off root_guard=off")
}

// The pvid that a port begins with: ports that are there keep theirs.
func TestDefaultPVID(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 2)
	for _, number := range []int{7, 8} {
		if _, err := l.Net.Reserve(number); err != nil {
			t.Fatal(err)
		}
	}
	l.set("7/vlans=5", "default_pvid=0")
	l.wantSettings("there before", "1", "pvid=1")
	l.wantSettings("set up before", "7", "pvid=1")
	l.wantSettings("not set up", "8", "pvid=0")
	fresh := l.join(bus.JoinOptions{})
	l.join(bus.JoinOptions{Number: 8})
	l.wantSettings("joined", "3", "pvid=0")
	l.want("vlans", "1 name=\"\" untagged=1,2 tagged=none\n")
	l.at(1).say(toAll, "VLAN 1")
	l.wantHeard("untagged, to a port without a pvid", "VLAN 1", 2)
	fresh.say(toAll, "none")
	l.wantHeard("untagged, from a port without a pvid", "none")
	if got := fresh.dropped(frame.DropVLAN); got != 1 {
		t.Errorf("%d frames dropped for their VLAN, want 1", got)
	}
	l.set("default_pvid=20")
	l.wantSettings("there before", "3", "pvid=0")
	l.join(bus.JoinOptions{})
	l.wantSettings("joined", "4", "pvid=20")
}

// As an argument it holds for the ports that are there: not one untagged frame
// passes.
func TestDefaultPVIDAsArgument(t *testing.T) {
	l := newLab(t, "broadcast", 2)
	l.at(1).say(toAll, "before")
	l.wantHeard("a hub", "before", 2)
	if err := l.Net.SetPolicy(Name + " vlan=on default_pvid=0"); err != nil {
		t.Fatal(err)
	}
	l.at(1).say(toAll, "after")
	l.wantHeard("without a pvid", "after")
	l.want("vlans", "")
	l.set("1/pvid=10", "2/pvid=10")
	l.at(1).say(toAll, "10")
	l.wantHeard("with a pvid", "10", 2)
	l.set("stp=per-vlan")
	if trees := linesOf(l.get("stp"), "tree vlan="); trees != 1 {
		t.Errorf("%d spanning trees, want one for VLAN 10", trees)
	}
}
