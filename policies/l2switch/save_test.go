package l2switch

import (
	"slices"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/policy"
)

// saved lists what a table saves.
func (l *lab) saved(name string) []string {
	return l.list(name, func(t policy.Table) func() []string { return t.Save })
}

// list is what one of the lists of a table has, if it has that.
func (l *lab) list(name string, of func(policy.Table) func() []string) (commands []string) {
	_ = l.Net.UsePolicy(func(p policy.Policy) error {
		for _, t := range p.(*Switch).Tables() {
			if list := of(t); t.Name == name && list != nil {
				commands = list()
			}
		}
		return nil
	})
	return commands
}

// wantGiven checks what is told of the spanning trees to people.
func (l *lab) wantGiven(what, want string) {
	l.tb.Helper()
	if got := l.list("stp", func(t policy.Table) func() []string { return t.Given }); !slices.Equal(got, []string{want}) {
		l.tb.Errorf("%s: given is %q, want %q", what, got, want)
	}
}

func (l *lab) wantSaved(what, name string, want ...string) {
	l.tb.Helper()
	if got := l.saved(name); !slices.Equal(got, want) {
		l.tb.Errorf("%s: %s saves %q, want %q", what, name, got, want)
	}
}

// Tables save what people put into them, and nothing that was learned.
func TestSaveTables(t *testing.T) {
	l := newLab(t, Name, 2)
	l.at(1).say(toAll, "x")
	l.wantSaved("learned", "fdb")
	l.set("fdb=add " + macOf(7).String() + " port=2")
	l.wantSaved("without VLANs", "fdb", "add "+macOf(7).String()+" port=2 vlan=0")
	l.set("vlan=on", "fdb=add "+macOf(8).String()+" port=1 vlan=20")
	l.wantSaved("with VLANs", "fdb", "add "+macOf(8).String()+" port=1 vlan=20")
	l.wantSaved("ports in a VLAN", "vlans")
	l.set("vlans=add 20 name=office", "vlans=add 10")
	l.wantSaved("added", "vlans", "add 10 name=", "add 20 name=office")
	line, _, _ := strings.Cut(l.get("stp"), "\n")
	l.set("stp=" + line)
	l.wantGiven("an address is drawn", "off priority=32768 hello=2 max_age=20 forward_delay=15 tx_hold=6")
	l.set("stp=per-vlan hello=1 mac=02:00:00:00:00:99")
	l.wantSaved("a tree for each VLAN", "stp", "per-vlan priority=32768 hello=1 max_age=20 forward_delay=15 tx_hold=6 mac=02:00:00:00:00:99")
	l.wantGiven("an address is set", "per-vlan priority=32768 hello=1 max_age=20 forward_delay=15 tx_hold=6 mac=02:00:00:00:00:99")
	l.wantSaved("seen", "groups")
	l.wantSaved("counted", "counters")
}

// A port saves all settings once it was set up, but for those that nobody set
// and that follow from the kind of port.
func TestSavePortKnobs(t *testing.T) {
	l := newLab(t, Name, 1)
	p, err := l.Net.Reserve(5)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, want ...string) {
		t.Helper()
		var got []string
		_ = p.UsePolicy(func(current policy.Policy) error {
			for _, k := range current.(*Switch).PortKnobs() {
				if text := k.Save(p); text != "" {
					got = append(got, k.Name+"="+text)
				}
			}
			return nil
		})
		if !slices.Equal(got, want) {
			t.Errorf("%s: it saves %q, want %q", what, got, want)
		}
	}
	check("as it was reserved")
	l.set("default_pvid=9")
	check("it follows default_pvid")
	l.set("5/isolated=on")
	want := []string{"pvid=9", "vlans=none", "tpid=0x8100", "isolated=on", "storm=broadcast=off multicast=off unknown=off",
		"mrouter=auto", "stp=cost=20000 priority=128 p2p=on guard=off"}
	check("one is set", want...)
	s := l.join(bus.JoinOptions{Number: 5})
	check("joined", want...)
	s.conn.Close()
	l.stations = l.stations[:1]
	check("left", want...)
	l.set("5/fdb_max=off", "5/stp=edge=auto root_guard=on guard=on")
	want = append(slices.Insert(want[:5:5], 5, "fdb_max=off", "mrouter=auto"), "stp=cost=20000 priority=128 edge=auto p2p=on guard=on root_guard=on")
	check("what follows is set, too", want...)
	if text := l.get("5/stp"); !strings.HasPrefix(text, "cost=20000 priority=128 edge=auto p2p=on guard=on root_guard=on") {
		t.Errorf("it shows %s", text)
	}
}
