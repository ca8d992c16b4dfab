package l2switch

import (
	"testing"

	"ipnfs/bus"
)

// openLab has a router at port 1, programs at 2 and 3, of which 2 is a member
// and 3 is none, and at the taps 4 and 5 other switches with a member behind
// 4. None of what is there sees what happens to the switch.
func openLab(t *testing.T, spec string, settings ...string) *lab {
	l := newLab(t, Name+" snooping=on "+spec, 3)
	l.tap()
	l.tap()
	l.set(settings...)
	l.answer()
	l.at(3).say(toGroup, "before")
	l.wantHeard("a group before", "before", 1, 2, 4)
	return l
}

// answer lets the router ask, the members answer, and the time for it pass.
func (l *lab) answer() {
	l.at(1).send(generalQuery(1))
	l.at(2).send(membershipReport(2, "224.1.2.3"))
	l.at(4).send(membershipReport(4, "224.1.2.3"))
	l.tick(11)
	l.heard()
}

// Whatever makes the switch forget who is where, nobody is cut off from a group
// who did not leave: it goes everywhere until the next query was answered.
func TestChangesOpenGroups(t *testing.T) {
	for _, c := range []struct {
		name, spec string
		change     func(l *lab)
		opens      bool
	}{
		{"link down and up", "", func(l *lab) { l.at(4).conn.SetLink(false); l.at(4).conn.SetLink(true) }, true},
		{"link up, with a query while it was down", "", func(l *lab) {
			l.at(4).conn.SetLink(false)
			l.at(1).send(generalQuery(1))
			l.at(2).send(membershipReport(2, "224.1.2.3"))
			l.tick(12)
			l.at(4).conn.SetLink(true)
		}, true},
		{"link of another switch", "", func(l *lab) { l.at(5).conn.SetLink(false) }, true},
		{"VLAN added", "vlan=on", func(l *lab) { l.set("4/vlans=20"); l.set("4/vlans=none") }, false},
		{"VLAN tagged and untagged", "vlan=on", func(l *lab) { l.set("4/vlans=1"); l.set("4/vlans=none") }, true},
		{"PVID", "vlan=on", func(l *lab) { l.set("4/pvid=20"); l.set("4/pvid=1") }, true},
		{"TPID", "vlan=on", func(l *lab) { l.set("4/tpid=0x88a8"); l.set("4/tpid=0x8100") }, true},
		{"isolated", "", func(l *lab) { l.set("4/isolated=on") }, true},
		{"VLANs looked at", "", func(l *lab) { l.set("vlan=on") }, true},
		{"VLANs not looked at", "vlan=on", func(l *lab) { l.set("vlan=off") }, true},
		{"PVID where there are no VLANs", "", func(l *lab) { l.set("4/pvid=20") }, false},
		{"snooping off and on", "", func(l *lab) { l.set("snooping=off"); l.set("snooping=on") }, true},
		{"flush", "", func(l *lab) { l.set("groups=flush") }, true},
		{"a tap joins", "", func(l *lab) { l.tap().conn.Close(); l.stations = l.stations[:5] }, true},
		{"a tap leaves", "", func(l *lab) { l.at(5).conn.Close(); l.stations = l.stations[:4] }, true},
		{"a file is opened and closed", "", func(l *lab) { l.join(bus.JoinOptions{}).conn.Close(); l.stations = l.stations[:5] }, false},
		{"a station moves", "", func(l *lab) {
			for _, n := range []int{4, 5} { // behind 4, then behind 5
				l.at(n).send(makeFrame(macOf(2), macOf(99), "here I am"))
			}
		}, true},
		{"a station speaks again", "", func(l *lab) {
			for range 2 {
				l.at(4).send(makeFrame(macOf(2), macOf(99), "here I am"))
			}
		}, false},
		{"another querier", "", func(l *lab) { l.at(3).send(generalQuery(0)) }, true},
		{"the querier at another port", "", func(l *lab) { l.at(3).send(generalQuery(1)) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := openLab(t, c.spec)
			c.change(l)
			l.heard()
			l.at(3).say(toGroup, "after")
			everybody := []int{1, 2, 4, 5}[:len(l.stations)-1]
			want := everybody
			if !c.opens {
				want = []int{1, 2, 4}
			}
			l.wantHeard("a group after", "after", want...)
			if !c.opens {
				return
			}
			l.tick(5)
			l.at(2).say(toGroup, "later")
			for _, s := range l.stations {
				if heard := len(s.heard()) == 1; !heard && s.number() != 2 && l.Net.Port(s.number()) != nil {
					t.Errorf("later: port %d did not hear the group", s.number())
				}
			}
			l.answer()
			l.at(2).say(toGroup, "in the end")
			if len(l.at(4).heard()) != 1 {
				t.Error("in the end: the member did not hear the group")
			}
			if len(l.stations) == 5 && len(l.at(5).heard()) != 0 {
				t.Error("in the end: a port without members heard the group")
			}
		})
	}
}

// Nothing is asked through a port that does not forward. When it begins to, it
// may have been left out; and so when the tree begins or ends.
func TestTreesOpenGroups(t *testing.T) {
	for _, mode := range []string{"rstp", "per-vlan"} {
		l := openLab(t, "vlan=on", "1/stp=edge=on", "2/stp=edge=on", "3/stp=edge=on")
		l.set("stp=" + mode)
		l.answer() // not heard at 4 and 5, which do not forward yet
		for i := 0; i < 60 && l.get("4/stp") != "" && l.field(4, vlanOf(mode), "state") != "forwarding"; i++ {
			l.tick(1)
		}
		l.heard()
		l.at(3).say(toGroup, "forwarding")
		l.wantHeard(mode+": a port that begins to forward", "forwarding", 1, 2, 4, 5)
		l.answer()
		l.at(3).say(toGroup, "asked")
		l.wantHeard(mode+": and was asked", "asked", 1, 2, 4)
		l.set("stp=off")
		l.at(3).say(toGroup, "off")
		l.wantHeard(mode+": the tree ends", "off", 1, 2, 4, 5)
	}
}

func vlanOf(mode string) int {
	if mode == "rstp" {
		return 0
	}
	return 1
}

// What happens in one VLAN opens no other.
func TestChangesOpenOneVLAN(t *testing.T) {
	l := newLab(t, Name+" snooping=on vlan=on", 3)
	l.tap()
	l.set("1/vlans=10,20", "2/pvid=10", "3/pvid=20", "4/vlans=10,20,30")
	for _, vlan := range []int{10, 20} {
		l.at(1).send(tagged(generalQuery(1), ctag(vlan)))
	}
	l.tick(11)
	l.heard()
	l.set("4/vlans=20,30", "4/vlans=10,20,30")
	l.at(1).say(toGroup, "in 10", ctag(10))
	l.wantHeard("the VLAN that was taken and given back", "in 10", 2, 4)
	l.at(1).say(toGroup, "in 20", ctag(20))
	l.wantHeard("another VLAN", "in 20")
}
