package l2switch

import (
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// settings are those of a port, all different from those at first.
var settings = []string{"pvid=20", "vlans=30-40", "tpid=0x88a8", "isolated=on",
	"storm=broadcast=1 multicast=2 unknown=3", "stp=cost=7 priority=16 edge=off p2p=off guard=on root_guard=on"}

func (l *lab) configure(port string, settings ...string) {
	l.tb.Helper()
	for _, s := range settings {
		l.set(port + "/" + s)
	}
}

func (l *lab) wantSettings(what, port string, settings ...string) {
	l.tb.Helper()
	for _, s := range settings {
		name, text := cut(s)
		if got := l.get(port + "/" + name); got != text {
			l.tb.Errorf("%s: %s of port %s is %q, want %q", what, name, port, got, text)
		}
	}
}

// The settings of a reserved port can be made before anybody joins, and stay
// when he leaves.
func TestSettingsOfReservedPort(t *testing.T) {
	l := newLab(t, Name, 1)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	l.wantSettings("reserved", "7", "pvid=1", "vlans=none")
	l.configure("7", settings...)
	l.wantSettings("nobody there", "7", settings...)
	l.tick(2)
	l.wantSettings("nobody there, later", "7", settings...)
	for range 3 {
		s := l.join(bus.JoinOptions{Number: 7})
		l.wantSettings("joined", "7", settings...)
		s.conn.Close()
		l.tick(1)
		l.wantSettings("left", "7", settings...)
	}
	s := l.join(bus.JoinOptions{Number: 7})
	l.set("7/pvid=21")
	s.conn.Close()
	l.wantSettings("changed while connected", "7", "pvid=21", "vlans=30-40")
}

// They are in force from the first frame on.
func TestReservedSettingsHold(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 1)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	l.set("7/pvid=20", "7/storm=broadcast=1")
	s := l.join(bus.JoinOptions{Number: 7})
	l.at(1).say(toAll, "VLAN 1")
	l.wantHeard("another VLAN", "VLAN 1")
	l.set("1/pvid=20")
	s.say(toAll, "1")
	s.say(toAll, "2")
	l.wantHeard("the rate", "1", 1)
	if got := s.dropped(frame.DropStorm); got != 1 {
		t.Errorf("%d frames above the rate, want 1", got)
	}
}

// A port that is not reserved begins anew; so does a number that is reserved
// again.
func TestSettingsEndWithThePort(t *testing.T) {
	l := newLab(t, Name, 2)
	l.configure("2", settings...)
	l.at(2).conn.Close()
	l.join(bus.JoinOptions{})
	l.wantSettings("another one at the number", "2", "pvid=1", "vlans=none", "tpid=0x8100", "isolated=off")

	for _, tick := range []int{0, 1} {
		if _, err := l.Net.Reserve(7); err != nil {
			t.Fatal(err)
		}
		l.configure("7", settings...)
		if err := l.Net.RemovePort(7); err != nil {
			t.Fatal(err)
		}
		l.tick(tick)
		if _, err := l.Net.Reserve(7); err != nil {
			t.Fatal(err)
		}
		l.wantSettings("reserved again", "7", "pvid=1", "vlans=none", "tpid=0x8100", "isolated=off")
		if err := l.Net.RemovePort(7); err != nil {
			t.Fatal(err)
		}
	}
	l.tick(1)
	if kept := l.Net.Policy().(*Switch).kept; len(kept) != 0 {
		t.Errorf("the settings of %d ports that have ended are kept", len(kept))
	}
}

// Isolated ports talk to the others, but not to one another.
func TestIsolation(t *testing.T) {
	l := newLab(t, Name, 4)
	l.set("1/isolated=on", "2/isolated=on")
	l.at(1).say(toAll, "from 1")
	l.wantHeard("broadcast of an isolated port", "from 1", 3, 4)
	l.at(2).say(toGroup, "from 2")
	l.wantHeard("multicast of an isolated port", "from 2", 3, 4)
	l.at(3).say(toAll, "from 3")
	l.wantHeard("broadcast of another", "from 3", 1, 2, 4)
	l.at(1).say(macOf(2), "known")
	l.wantHeard("between isolated ports", "known")
	if got := l.at(1).dropped(frame.DropIsolated); got != 1 {
		t.Errorf("%d frames were counted as isolated, want 1", got)
	}
	l.at(1).say(macOf(3), "known")
	l.wantHeard("from an isolated port", "known", 3)
	l.at(3).say(macOf(1), "known")
	l.wantHeard("to an isolated port", "known", 1)
	l.at(1).say(nobody, "unknown")
	l.wantHeard("unknown destination", "unknown", 3, 4)
	l.set("2/isolated=off")
	l.at(1).say(macOf(2), "no more")
	l.wantHeard("one isolated port", "no more", 2)
}

// Who goes takes what the switch has to look at for him along.
func TestIsolationEndsWithThePort(t *testing.T) {
	l := newLab(t, Name, 3)
	l.set("1/isolated=on", "2/isolated=on")
	l.at(2).conn.Close()
	again := l.join(bus.JoinOptions{}) // at port 2
	l.at(1).say(toAll, "x")
	if len(again.heard()) != 1 || len(l.at(3).heard()) != 1 {
		t.Error("a new port is isolated")
	}
}

// A mirror sees what the switch sends to one port only, and what it drops, in
// the form in which it came, once.
func TestMirror(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 4)
	l.set("1/vlans=10", "1/pvid=0", "2/pvid=10", "3/pvid=10", "4/pvid=0")
	if err := l.Net.Port(4).SetMirror([]int{2}); err != nil {
		t.Fatal(err)
	}
	l.at(2).say(toAll, "learn me")
	l.at(3).say(toAll, "learn me")
	l.heard()
	for _, c := range []struct {
		what string
		from *station
		f    []byte
	}{
		{"sent by it", l.at(2), makeFrame(macOf(3), macOf(2), "x")},
		{"sent to it", l.at(1), makeFrame(macOf(2), macOf(1), "x", ctag(10, 3<<pcpShift))},
		{"dropped on its way in", l.at(2), makeFrame(macOf(3), macOf(2), "x", ctag(77))},
		{"malformed", l.at(2), makeFrame(macOf(3), toAll, "x")},
		{"flooded", l.at(3), makeFrame(toAll, macOf(3), "x")},
	} {
		c.from.send(c.f)
		if got := l.at(4).heard(); len(got) != 1 || !slices.Equal(got[0], c.f) {
			t.Errorf("%s: the mirror saw %x, want %x", c.what, got, c.f)
		}
	}
	l.heard()
	l.at(1).send(makeFrame(macOf(3), macOf(1), "not watched", ctag(10)))
	l.wantHeard("not watched", "not watched", 3)
}
