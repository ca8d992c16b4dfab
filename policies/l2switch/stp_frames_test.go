package l2switch

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/policies/ether"
)

// Flags of a BPDU (IEEE 802.1D-2004, 9.3.3).
const (
	flagTC         = 0x01
	flagDesignated = 0x0c
	flagForwarding = 0x30 // learning, too
)

// rstBPDU is a BPDU of RSTP from a bridge that takes itself for the root.
func rstBPDU(bridge uint64, flags byte) []byte {
	be := binary.BigEndian
	b := append(bridgeGroup(0).bytes(), macOf(99).bytes()...)
	b = be.AppendUint16(b, 39)
	b = append(b, llc...)
	b = append(b, 0, 0, 2, 2, flags)
	b = be.AppendUint64(b, bridge)
	b = be.AppendUint32(b, 0)
	b = be.AppendUint64(b, bridge)
	b = be.AppendUint16(b, 0x8001)
	for _, seconds := range []uint16{0, 20, 2, 15} {
		b = be.AppendUint16(b, seconds<<8)
	}
	return append(b, make([]byte, 60-len(b))...)
}

// tap joins with a kind behind which there may be a bridge.
func (l *lab) tap() *station {
	return l.join(bus.JoinOptions{Info: bus.Info{Kind: "tap"}})
}

// A guarded port is disabled by the first BPDU until it is set again.
func TestBPDUGuard(t *testing.T) {
	l := newLab(t, Name, 2)
	l.set("stp=rstp", "2/stp=guard=on")
	var events bustest.Events
	if err := l.Net.Subscribe(&events); err != nil {
		t.Fatal(err)
	}
	l.at(2).say(toAll, "x")
	l.wantHeard("before a BPDU", "x", 1)
	l.at(2).send(rstBPDU(0x1000<<48|1, flagDesignated))
	for range 40 {
		l.at(2).say(toAll, "x")
		l.at(1).say(toAll, "y")
		l.tick(1)
	}
	l.wantHeard("at a port that is disabled", "")
	if got := l.at(2).dropped(frame.DropSTP); got != 40 {
		t.Errorf("%d frames were counted as stp, want 40", got)
	}
	if text := l.get("2/stp"); !strings.Contains(text, "guard=tripped") {
		t.Errorf("2/stp shows %s", text)
	}
	if root := l.root(0); strings.HasPrefix(root, "1000") {
		t.Errorf("a guarded port was believed: the root is %s", root)
	}
	tripped := 0
	for _, line := range events.Lines() {
		if strings.Contains(line, "bpdu-guard") && strings.Contains(line, "port=2") {
			tripped++
		}
	}
	if tripped != 1 {
		t.Errorf("%d events of the guard, want 1: %q", tripped, events.Lines())
	}
	l.set("2/stp=guard=on")
	l.at(2).say(toAll, "x")
	l.wantHeard("set again", "x", 1)
}

// More BPDUs in a second than a port may bring are not looked at; a second
// later it may again. All of them are counted, and none is forwarded.
func TestBPDUFlood(t *testing.T) {
	l := newLab(t, Name, 1)
	tap := l.tap()
	l.set("stp=rstp")
	received := func() int {
		n, err := strconv.Atoi(l.field(tap.number(), 0, "received"))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for second := 1; second <= 2; second++ {
		for i := range 1000 {
			tap.send(rstBPDU(0x1000<<48|uint64(1000-i), flagDesignated))
		}
		if got := received(); got != second*maxBPDUs {
			t.Errorf("second %d: %d BPDUs were looked at, want %d", second, got, second*maxBPDUs)
		}
		l.tick(1)
	}
	if got := tap.dropped(frame.DropFiltered); got != 2000 {
		t.Errorf("%d frames were counted as filtered, want 2000", got)
	}
	if got := len(l.at(1).heard()); got != 0 {
		t.Errorf("%d frames came through", got)
	}
}

// BPDUs of any bytes do no harm.
func TestBadBPDUs(t *testing.T) {
	l := newLab(t, Name, 1)
	tap := l.tap()
	l.set("stp=rstp")
	good := rstBPDU(0x1000<<48|1, flagDesignated)
	for n := ether.HeaderLen; n < 53; n++ {
		tap.send(good[:n]) // its length field lies
	}
	l.tick(10)
	if root := l.root(0); !strings.HasPrefix(root, "8000") {
		t.Errorf("a BPDU that was cut is believed: the root is %s", root)
	}
	tap.send(good[:53])
	if root := l.root(0); root != "1000.000000000001" {
		t.Errorf("a whole BPDU is not believed: the root is %s", root)
	}
}

// What is said of a topology change makes the others forget, but not what is
// known of edge ports (IEEE 802.1D-2004, 17.11).
func TestTopologyChangeFlushes(t *testing.T) {
	l := newLab(t, Name, 1)
	root, other := l.tap(), l.tap()
	l.set("stp=rstp")
	root.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
	l.set(fmt.Sprintf("%d/stp=edge=off", other.number()))
	l.tick(40)
	for range 5 { // lest the root ages out
		root.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
		l.tick(2)
	}
	for l.field(root.number(), 0, "state") != "forwarding" || l.field(other.number(), 0, "state") != "forwarding" {
		root.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
		l.tick(1)
	}
	for _, s := range l.stations {
		s.say(toAll, "x")
	}
	want := entry(macOf(1), 0, 1, 0) + entry(macOf(2), 0, 2, 0) + entry(macOf(3), 0, 3, 0)
	l.want("fdb", want)
	root.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding|flagTC))
	l.want("fdb", entry(macOf(1), 0, 1, 0)+entry(macOf(2), 0, 2, 0))
}

// A station whose way has changed is found at once: its old way is forgotten.
func TestTopologyChangeInRing(t *testing.T) {
	f := newFabric(t, 3, "stp=rstp")
	f.ring() // 1-2, 2-3, 3-1; the root is 1, so 2-3 is not in use
	f.converge(10)
	for range 40 {
		f.tick()
	}
	f.probe() // all learn
	from, to := f.at(3).at(1), f.at(2).at(1)
	from.say(to.mac, "by switch 1")
	f.settle()
	if got := len(to.heard()); got != 1 {
		t.Fatalf("%d copies came", got)
	}
	f.pull(f.cables[0])
	from.say(to.mac, "by cable 2")
	f.settle()
	if got := len(to.heard()); got != 1 {
		t.Errorf("%d copies came by the new way, want 1\n%s", got, f)
	}
}

// What a port does with frames by its state (IEEE 802.1D-2004, 7.4): it learns
// before it forwards, and a frame to a station behind it is dropped meanwhile.
// On a link that may have several bridges each state takes the forward delay.
func TestStates(t *testing.T) {
	l := newLab(t, Name, 1)
	tap := l.tap()
	l.set("2/stp=edge=off p2p=off", "stp=rstp")
	for _, c := range []struct {
		state           string
		learns, forward bool
		seconds         int // until the next state
	}{
		{"discarding", false, false, 15},
		{"learning", true, false, 15},
		{"forwarding", true, true, 0},
	} {
		if got := l.field(2, 0, "state"); got != c.state && c.state != "discarding" {
			t.Fatalf("the port is %s, want %s", got, c.state)
		}
		l.set("fdb=flush")
		before := tap.dropped(frame.DropSTP)
		tap.say(toAll, "from it")
		if got := len(l.at(1).heard()) == 1; got != c.forward {
			t.Errorf("%s: a frame from the port came: %v", c.state, got)
		}
		if got := tap.dropped(frame.DropSTP) == before; got != c.forward {
			t.Errorf("%s: a frame from the port was not counted as stp: %v", c.state, got)
		}
		if got := linesOf(l.get("fdb"), macOf(2).String()) == 1; got != c.learns {
			t.Errorf("%s: the address was learned: %v", c.state, got)
		}
		l.set("fdb=add " + macOf(9).String() + " port=2")
		before = l.at(1).dropped(frame.DropSTP)
		l.at(1).say(macOf(9), "to it")
		if got := len(tap.heard()) == 1; got != c.forward {
			t.Errorf("%s: a frame to the port came: %v", c.state, got)
		}
		if got := l.at(1).dropped(frame.DropSTP) == before; got != c.forward {
			t.Errorf("%s: a frame to the port was not counted as stp: %v", c.state, got)
		}
		for i := 0; i < 2*c.seconds && l.field(2, 0, "state") == c.state; i++ {
			l.tick(1)
		}
	}
}

// What was learned without trees is of no use with them, and the other way
// round.
func TestModesFlush(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 2)
	for _, mode := range []string{"rstp", "per-vlan", "rstp", "off", "per-vlan", "off"} {
		l.at(1).say(toAll, "x")
		if l.get("fdb") == "" {
			t.Fatalf("before %s: nothing was learned", mode)
		}
		l.set("stp=" + mode)
		l.want("fdb", "")
	}
	l.at(1).say(toAll, "x")
	l.set("stp=off", "stp=priority=4096") // no other mode
	l.want("fdb", entry(macOf(1), 1, 1, 0))
}

// A program that claims to be the root moves no tree, unless its port is told to
// let it; a device does.
func TestRootGuardOfPrograms(t *testing.T) {
	for _, c := range []struct {
		kind, setting string
		moves         bool
	}{
		{"port", "", false}, {"stream", "", false}, {"tap", "", true},
		{"port", "root_guard=off", true}, {"tap", "root_guard=on", false},
	} {
		l := newLab(t, Name, 1)
		l.set("stp=rstp")
		s := l.join(bus.JoinOptions{Info: bus.Info{Kind: c.kind}})
		if c.setting != "" {
			l.set("2/stp=" + c.setting)
		}
		s.send(rstBPDU(0x1000<<48|1, flagDesignated))
		if moved := strings.Contains(l.get("stp"), "root_port=2"); moved != c.moves {
			t.Errorf("a better root by a %s with %q: the tree follows it: %v\n%s", c.kind, c.setting, moved, l.get("stp"))
		}
	}
}

// A BPDU that makes no sense is counted where it came.
func TestInvalidBPDU(t *testing.T) {
	l := newLab(t, Name, 2)
	l.set("stp=rstp")
	bad := rstBPDU(0x1000<<48|1, flagDesignated)
	bad[20] = 7 // no such type
	l.at(2).send(bad)
	if text := l.get("2/stp"); !strings.HasSuffix(text, " received=1 sent=1 invalid=1") {
		t.Errorf("the port shows %s", text)
	}
}
