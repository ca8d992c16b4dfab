package l2switch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
)

// entry is a line of the table fdb.
func entry(m mac, vlan, port, age int) string {
	return fmt.Sprintf("%s vlan=%d port=%d age=%d\n", m, vlan, port, age)
}

// A frame to an address that nobody has shown goes to all, and then the
// answer to one port only (IEEE 802.1Q 8.6.3, 8.7).
func TestLearning(t *testing.T) {
	l := newLab(t, Name, 4)
	l.at(1).say(macOf(2), "who is there")
	l.wantHeard("unknown destination", "who is there", 2, 3, 4)
	l.at(2).say(macOf(1), "I am")
	l.wantHeard("known destination", "I am", 1)
	l.at(1).say(macOf(2), "good")
	l.wantHeard("known destination", "good", 2)
	l.at(3).say(toAll, "all")
	l.wantHeard("broadcast", "all", 1, 2, 4)
	l.at(3).say(toGroup, "group")
	l.wantHeard("multicast", "group", 1, 2, 4)
	l.want("fdb", entry(macOf(1), 0, 1, 0)+entry(macOf(2), 0, 2, 0)+entry(macOf(3), 0, 3, 0))
	for name, want := range map[string]string{"fdb_entries": "3", "fdb_learned": "3", "fdb_moved": "0", "fdb_refused": "0"} {
		if got := l.counter(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// Without VLANs tags are data: the addresses alone decide, and nothing changes.
func TestTagsPassUnawareSwitch(t *testing.T) {
	l := newLab(t, Name, 3)
	for _, tags := range [][]uint32{{ctag(0, 5<<pcpShift)}, {ctag(7)}, {ctag(4095)}, {stag(7), ctag(8)}} {
		f := makeFrame(toAll, macOf(1), "tagged", tags...)
		l.at(1).send(f)
		for _, s := range l.stations[1:] {
			if got := s.heard(); len(got) != 1 || !slices.Equal(got[0], f) {
				t.Errorf("tags %x: port %d heard %x, want %x", tags, s.number(), got, f)
			}
		}
	}
	l.at(2).say(macOf(1), "answer in another VLAN", ctag(9))
	l.wantHeard("one address space", "answer in another VLAN", 1)
}

func TestMoving(t *testing.T) {
	l := newLab(t, Name, 3)
	l.at(1).say(toAll, "here")
	l.wantHeard("broadcast", "here", 2, 3)
	l.at(2).send(makeFrame(toAll, macOf(1), "now here"))
	l.wantHeard("broadcast", "now here", 1, 3)
	l.at(3).say(macOf(1), "where are you")
	l.wantHeard("to the station that moved", "where are you", 2)
	l.want("fdb", entry(macOf(1), 0, 2, 0)+entry(macOf(3), 0, 3, 0))
	if got := l.counter("fdb_moved"); got != "1" {
		t.Errorf("fdb_moved is %s", got)
	}
}

// A station that is at the sender's own port has heard the frame already.
func TestFilteringToTheSamePort(t *testing.T) {
	l := newLab(t, Name, 3)
	l.at(1).send(makeFrame(toAll, macOf(7), "x"))
	l.wantHeard("broadcast", "x", 2, 3)
	l.at(1).say(macOf(7), "neighbour")
	l.wantHeard("to a neighbour", "neighbour")
	l.at(1).say(macOf(1), "myself")
	l.wantHeard("to itself", "myself")
	if got := l.at(1).dropped(frame.DropFiltered); got != 2 {
		t.Errorf("%d frames were counted as filtered, want 2", got)
	}
}

func TestAgeing(t *testing.T) {
	l := newLab(t, Name+" ageing=10", 3)
	l.at(1).say(toAll, "a")
	l.tick(4)
	l.at(2).say(toAll, "b")
	l.want("fdb", entry(macOf(1), 0, 1, 4)+entry(macOf(2), 0, 2, 0))
	l.tick(6)
	l.want("fdb", entry(macOf(1), 0, 1, 10)+entry(macOf(2), 0, 2, 6))
	l.tick(1)
	l.want("fdb", entry(macOf(2), 0, 2, 7))
	l.at(2).say(toAll, "still here")
	l.tick(10)
	l.want("fdb", entry(macOf(2), 0, 2, 10)) // it spoke, so it lives on
	for _, s := range l.stations {
		s.heard()
	}
	l.at(3).say(macOf(1), "gone?")
	l.wantHeard("to a station that aged out", "gone?", 1, 2)
	if got := l.counter("fdb_aged"); got != "1" {
		t.Errorf("fdb_aged is %s", got)
	}
	l.set("ageing=0")
	l.tick(2_000)
	if text := l.get("fdb"); !strings.Contains(text, macOf(2).String()) {
		t.Errorf("an address aged out though ageing is 0:\n%s", text)
	}
}

// Frames that cannot be: nothing is learned from them, and they go nowhere.
func TestMalformed(t *testing.T) {
	l := newLab(t, Name, 2)
	whole := makeFrame(toAll, macOf(1), "")
	var bad [][]byte
	for n := 1; n < len(whole); n++ {
		bad = append(bad, whole[:n])
	}
	for _, src := range []mac{{}, toAll, toGroup, bridgeGroup(0), {0x03, 0, 0, 0, 0, 1}} {
		bad = append(bad, makeFrame(toAll, src, "bad source"), makeFrame(macOf(2), src, "bad source"))
	}
	for i, f := range bad {
		l.at(1).send(f)
		if got := l.at(2).heard(); len(got) != 0 {
			t.Errorf("frame % x came through", f)
		}
		if got := l.at(1).dropped(frame.DropMalformed); got != i+1 {
			t.Fatalf("frame % x: %d frames were counted as malformed, want %d", f, got, i+1)
		}
	}
	l.want("fdb", "")
	l.at(1).send(whole)
	l.wantHeard("the shortest frame", "", 2)
}

// An address is learned at the port that a frame came by, whoever of several
// holders of the port sent it; and none of them gets it.
func TestSharedPort(t *testing.T) {
	l := newLab(t, Name, 2)
	second := l.join(bus.JoinOptions{Number: 1})
	second.send(makeFrame(toAll, macOf(9), "x"))
	l.want("fdb", entry(macOf(9), 0, 1, 0))
	if n := len(l.at(1).heard()) + len(second.heard()); n != 0 {
		t.Errorf("%d copies came back to the sender's port", n)
	}
	l.at(2).heard()
	l.at(2).say(macOf(9), "y")
	if len(l.at(1).heard()) != 1 || len(second.heard()) != 1 {
		t.Error("a holder of the port did not hear a frame to it")
	}
}

// What was learned at a port, or set there, ends with the port.
func TestPortEnds(t *testing.T) {
	l := newLab(t, Name, 3)
	l.at(1).say(toAll, "x")
	l.at(2).say(toAll, "x")
	l.set("fdb=add " + nobody.String() + " port=1")
	l.at(1).conn.Close()
	l.want("fdb", entry(macOf(2), 0, 2, 0))
	again := l.join(bus.JoinOptions{}) // at port 1
	for _, s := range l.stations {
		s.heard()
	}
	l.at(2).say(macOf(1), "who has it now")
	if len(again.heard()) != 1 || len(l.at(3).heard()) != 1 {
		t.Error("the address of a port that ended was not unknown")
	}
}

func TestLearnEvents(t *testing.T) {
	l := newLab(t, Name, 3)
	l.at(1).say(toAll, "nobody listens")
	var events bustest.Events
	if err := l.Net.Subscribe(&events); err != nil {
		t.Fatal(err)
	}
	l.at(1).say(toAll, "known already")
	l.at(2).say(toAll, "new")
	l.at(3).send(makeFrame(toAll, macOf(2), "moved"))
	l.at(3).send(makeFrame(toAll, macOf(2), "known"))
	want := []string{
		"learned mac=02:00:00:00:00:02 vlan=0 port=2",
		"moved mac=02:00:00:00:00:02 vlan=0 from=2 port=3",
	}
	if got := events.Lines(); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	l.set("vlan=on", "2/pvid=20")
	l.at(2).say(toAll, "in its VLAN")
	if got := events.Lines(); got[len(got)-1] != "learned mac=02:00:00:00:00:02 vlan=20 port=2" {
		t.Errorf("events %q", got)
	}
	l.Net.Unsubscribe(&events)
	n := len(events.Lines())
	l.at(1).send(makeFrame(toAll, macOf(8), "nobody listens"))
	if len(events.Lines()) != n {
		t.Error("an event came after Unsubscribe")
	}
}

// Damping keeps an address where it is until it was silent there for more
// than so many seconds.
func TestDamping(t *testing.T) {
	l := newLab(t, Name+" damping=5", 3)
	l.at(1).say(toAll, "here")
	for range 5 {
		l.at(2).send(makeFrame(toAll, macOf(1), "no, here"))
		l.tick(1)
	}
	l.at(2).send(makeFrame(toAll, macOf(1), "no, here"))
	l.want("fdb", entry(macOf(1), 0, 1, 5))
	if got := l.counter("fdb_damped"); got != "6" {
		t.Errorf("fdb_damped is %s, want 6", got)
	}
	l.tick(1)
	l.at(2).send(makeFrame(toAll, macOf(1), "at last"))
	l.want("fdb", entry(macOf(1), 0, 2, 0))
	l.set("damping=0")
	l.at(3).send(makeFrame(toAll, macOf(1), "at once"))
	l.want("fdb", entry(macOf(1), 0, 3, 0))
}

// More addresses than fdb_max are counted as refused; frames to them go to all.
func TestFDBMax(t *testing.T) {
	l := newLab(t, Name+" fdb_max=2", 3)
	for n := 10; n < 15; n++ {
		l.at(1).send(makeFrame(toAll, macOf(n), "x"))
	}
	l.want("fdb", entry(macOf(10), 0, 1, 0)+entry(macOf(11), 0, 1, 0))
	if got := l.counter("fdb_refused"); got != "3" {
		t.Errorf("fdb_refused is %s, want 3", got)
	}
	wantKind(t, "a static entry above the limit", l.try("fdb", "add "+macOf(12).String()+" port=1"), fail.NoSpace)
	l.set("fdb=add " + macOf(11).String() + " port=2") // one that is there
	for _, s := range l.stations {
		s.heard()
	}
	l.at(3).say(macOf(12), "refused")
	l.wantHeard("to an address that was refused", "refused", 1, 2)
	l.set("fdb_max=3")
	l.at(1).send(makeFrame(toAll, macOf(12), "x"))
	if got := l.counter("fdb_entries"); got != "3" {
		t.Errorf("fdb_entries is %s after fdb_max was raised to 3", got)
	}
	l.set("fdb_max=1") // what is there stays
	if got := l.counter("fdb_entries"); got != "3" {
		t.Errorf("fdb_entries is %s after fdb_max was lowered", got)
	}
}
