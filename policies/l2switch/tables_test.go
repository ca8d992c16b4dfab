package l2switch

import (
	"fmt"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

func static(m mac, vlan, port int) string {
	return fmt.Sprintf("%s vlan=%d port=%d static\n", m, vlan, port)
}

// A static entry neither ages nor moves, and survives a flush (IEEE 802.1Q
// 8.8.1).
func TestStaticEntries(t *testing.T) {
	l := newLab(t, Name+" ageing=10", 3)
	l.set("fdb=add " + macOf(7).String() + " port=2")
	l.want("fdb", static(macOf(7), 0, 2))
	l.at(1).say(macOf(7), "x")
	l.wantHeard("to a static entry", "x", 2)
	l.at(3).send(makeFrame(toAll, macOf(7), "I am not where I should be"))
	l.tick(20)
	l.set("fdb=flush", "fdb=flush port=2", "fdb=flush vlan=0")
	l.want("fdb", static(macOf(7), 0, 2))
	l.set("fdb=add 02-00-00-00-00-07 port=3", "fdb=add  02:00:00:00:00:07   port=1 vlan=0") // the last counts
	l.want("fdb", static(macOf(7), 0, 1))
	l.set("fdb=del 02:00:00:00:00:07")
	l.want("fdb", "")
}

// A learned entry becomes static in its place, and can be removed.
func TestStaticOverLearned(t *testing.T) {
	l := newLab(t, Name, 2)
	l.at(1).say(toAll, "x")
	l.set("fdb=add " + macOf(1).String() + " port=2")
	l.want("fdb", static(macOf(1), 0, 2))
	l.at(2).say(toAll, "x")
	l.set("fdb=del " + macOf(2).String())
	l.want("fdb", static(macOf(1), 0, 2))
	l.set("fdb=del " + macOf(1).String())
	l.at(1).say(toAll, "x")
	l.want("fdb", entry(macOf(1), 0, 1, 0))
}

func TestFlush(t *testing.T) {
	cases := []struct{ command, stays string }{
		{"flush", ""},
		{"flush port=1", "2/10 2/20"},
		{"flush port=2", "1/10 1/20"},
		{"flush vlan=10", "1/20 2/20"},
		{"flush vlan=20", "1/10 2/10"},
		{"flush vlan=30", "1/10 1/20 2/10 2/20"},
		{"flush port=1 vlan=20", "1/10 2/10 2/20"},
		{"flush vlan=10 port=2", "1/10 1/20 2/20"},
	}
	for _, c := range cases {
		l := newLab(t, Name+" vlan=on", 2)
		l.set("1/vlans=10,20", "2/vlans=10,20")
		for _, s := range l.stations {
			s.say(toAll, "x", ctag(10))
			s.say(toAll, "x", ctag(20))
		}
		l.set("fdb=" + c.command)
		text := l.get("fdb")
		for port := 1; port <= 2; port++ {
			for _, vlan := range []int{10, 20} {
				want := strings.Contains(c.stays, fmt.Sprintf("%d/%d", port, vlan))
				if got := strings.Contains(text, entry(macOf(port), vlan, port, 0)); got != want {
					t.Errorf("%s: the address of port %d in VLAN %d is there: %v", c.command, port, vlan, got)
				}
			}
		}
	}
}

// refusal is a text that a table or knob refuses, and how.
type refusal struct {
	name, text string
	kind       fail.Kind
}

// checkRefusals writes what must be refused, and checks that nothing changed.
func (l *lab) checkRefusals(refusals []refusal) {
	l.tb.Helper()
	before := snapshot(l.Net)
	for _, r := range refusals {
		what := fmt.Sprintf("echo '%s' > %s", r.text, r.name)
		wantKind(l.tb, what, l.try(r.name, r.text), r.kind)
		if now := snapshot(l.Net); now != before {
			l.tb.Fatalf("%s was refused, and yet changed\n%sto\n%s", what, indent(before), indent(now))
		}
	}
}

// snapshot is all that there is to read.
func snapshot(n *bus.Network) string {
	var b strings.Builder
	for _, v := range values(n) {
		fmt.Fprintf(&b, "%s:\n%s\n", v.name, v.get())
	}
	return b.String()
}

func TestTableRefusals(t *testing.T) {
	l := newLab(t, Name, 2)
	if _, err := l.Net.Reserve(9); err != nil {
		t.Fatal(err)
	}
	l.at(1).say(toAll, "x")
	const a = "02:00:00:00:00:05"
	l.checkRefusals([]refusal{
		{"fdb", "", fail.Invalid},
		{"fdb", "frobnicate", fail.Invalid},
		{"fdb", "add", fail.Invalid},
		{"fdb", "add " + a, fail.Invalid}, // no port
		{"fdb", "add " + a + " port=", fail.Invalid},
		{"fdb", "add " + a + " port=x", fail.Invalid},
		{"fdb", "add " + a + " port=-1", fail.Invalid},
		{"fdb", "add " + a + " port=0", fail.Range},
		{"fdb", "add " + a + " port=99999999999999999999", fail.Range},
		{"fdb", "add " + a + " port=3", fail.Unknown},
		{"fdb", "add " + a + " port=9", fail.Unknown}, // nobody is connected
		{"fdb", "add " + a + " port=1 port=2", fail.Invalid},
		{"fdb", "add " + a + " port=1 colour=red", fail.Invalid},
		{"fdb", "add " + a + " port=1 more", fail.Invalid},
		{"fdb", "add " + a + " port=1 vlan=10", fail.Invalid}, // there are no VLANs
		{"fdb", "add 02:00:00:00:00 port=1", fail.Invalid},
		{"fdb", "add 02:00:00:00:00:00:00:01 port=1", fail.Invalid}, // an EUI-64
		{"fdb", "add ff:ff:ff:ff:ff:ff port=1", fail.Invalid},
		{"fdb", "add 01:00:5e:00:00:01 port=1", fail.Invalid},
		{"fdb", "add 00:00:00:00:00:00 port=1", fail.Invalid},
		{"fdb", "del", fail.Invalid},
		{"fdb", "del " + a, fail.Unknown},
		{"fdb", "del " + macOf(1).String() + " port=1", fail.Invalid},
		{"fdb", "flush now", fail.Invalid},
		{"fdb", "flush port=3", fail.Unknown},
		{"fdb", "flush vlan=1", fail.Invalid},
		{"vlans", "", fail.Invalid},
		{"vlans", "add", fail.Invalid},
		{"vlans", "add 0", fail.Range},
		{"vlans", "add 4095", fail.Range},
		{"vlans", "add ten", fail.Invalid},
		{"vlans", "add 10 11", fail.Invalid},
		{"vlans", "add 10 name=" + strings.Repeat("n", 33), fail.Range},
		{"vlans", "add 10 name=a name=b", fail.Invalid},
		{"vlans", "del 1", fail.Busy}, // both ports are in it
		{"vlans", "del 10", fail.Unknown},
		{"vlans", "flush", fail.Invalid},
		{"groups", "", fail.Invalid},
		{"groups", "add", fail.Invalid},
	})
	l.set("vlan=on")
	l.checkRefusals([]refusal{
		{"fdb", "add " + a + " port=1 vlan=0", fail.Range},
		{"fdb", "add " + a + " port=1 vlan=4095", fail.Range},
		{"fdb", "add " + a + " port=1 vlan=", fail.Invalid},
		{"fdb", "flush vlan=x", fail.Invalid},
	})
	if v := find(t, l.Net, "counters"); v.set != nil {
		t.Error("counters can be written")
	}
}

func TestVLANTable(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 3)
	l.want("vlans", "1 name=\"\" untagged=1,2,3 tagged=none\n")
	l.set("vlans=add 20 name=büro", "vlans=add 4094", "2/pvid=10", "3/vlans=10,30-31", "1/pvid=0", "1/vlans=all")
	l.want("vlans", ""+
		"1 name=\"\" untagged=3 tagged=1\n"+
		"10 name=\"\" untagged=2 tagged=1,3\n"+
		"20 name=büro untagged=none tagged=1\n"+
		"30 name=\"\" untagged=none tagged=1,3\n"+
		"31 name=\"\" untagged=none tagged=1,3\n"+
		"4094 name=\"\" untagged=none tagged=1\n")
	l.set("vlans=add 10 name=lab", "vlans=add 20 name=") // another name; none
	l.checkRefusals([]refusal{{"vlans", "del 10", fail.Busy}, {"vlans", "del 30", fail.Busy}})
	l.set("vlans=del 20", "vlans=del 4094", "2/pvid=1", "3/vlans=none", "vlans=del 10")
	l.want("vlans", "1 name=\"\" untagged=2,3 tagged=1\n")
}

// Deleting a VLAN forgets who was in it.
func TestVLANDeletionFlushes(t *testing.T) {
	l := newLab(t, Name+" vlan=on", 2)
	l.set("vlans=add 20", "1/vlans=all", "2/vlans=all")
	l.at(1).say(toAll, "x", ctag(20))
	l.at(1).say(toAll, "x")
	l.set("vlans=del 20")
	l.want("fdb", entry(macOf(1), 1, 1, 0))
}

func TestCounters(t *testing.T) {
	l := newLab(t, Name, 1)
	l.want("counters", "fdb_entries 0\nfdb_learned 0\nfdb_moved 0\nfdb_damped 0\nfdb_refused 0\nfdb_aged 0\nfdb_evicted 0\n"+
		"groups_entries 0\ngroups_messages 0\ngroups_leaves 0\ngroups_invalid 0\ngroups_refused 0\nstp_unsettled 0\n")
}

// fdb, vlans and groups may be read while the network's lock is held by others.
func TestReadWithoutLock(t *testing.T) {
	l := newLab(t, Name, 3)
	l.set("vlan=on", "snooping=on")
	s := l.Net.Policy().(*Switch)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			l.set(fmt.Sprintf("vlans=add %d name=x", 2+i), fmt.Sprintf("1/pvid=%d", 2+i), "1/pvid=1", fmt.Sprintf("vlans=del %d", 2+i))
			l.at(2).send(makeFrame(macOf(1), mac{2, 7, 7, 7, 0, byte(i)}, "x"))
			c, err := l.Net.Join(&silent{}, bus.JoinOptions{Recv: true, Send: true})
			if err != nil {
				t.Error(err)
				return
			}
			l.Bus.Tick(l.now)
			c.Close()
		}
	}()
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		if text := s.readVLANs(); !strings.HasPrefix(text, "1 name=\"\" untagged=") {
			t.Fatalf("vlans shows %s", text)
		}
		_, _ = s.readFDB(), s.groups.Text()
	}
	if n := linesOf(l.get("fdb"), "port=2"); n != 200 {
		t.Errorf("%d addresses", n)
	}
}
