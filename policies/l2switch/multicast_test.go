package l2switch

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"ipnfs/bus"
)

// igmp makes a frame with a message of IGMPv2 (RFC 2236) in IPv4.
func igmp(from int, kind byte, maxResponse byte, to, group string) []byte {
	be := binary.BigEndian
	msg := []byte{kind, maxResponse, 0, 0}
	g := netip.MustParseAddr(group).As4()
	msg = append(msg, g[:]...)
	be.PutUint16(msg[2:], ^sum16(0, msg))
	dst := netip.MustParseAddr(to).As4()
	ip := []byte{0x46, 0xc0, 0, 32, 0, 0, 0, 0, 1, 2, 0, 0, 10, 0, 0, byte(from)}
	ip = append(ip, dst[:]...)
	ip = append(ip, 0x94, 4, 0, 0) // router alert
	be.PutUint16(ip[10:], ^sum16(0, ip))
	f := makeFrame(mac{0x01, 0x00, 0x5e, dst[1] & 0x7f, dst[2], dst[3]}, macOf(from), "")
	be.PutUint16(f[12:], 0x0800)
	return append(append(f, ip...), msg...)
}

func membershipReport(from int, group string) []byte { return igmp(from, 0x16, 0, group, group) }

func generalQuery(from int) []byte { return igmp(from, 0x11, 100, "224.0.0.1", "0.0.0.0") }

// tagged puts a tag into a frame.
func tagged(f []byte, tag uint32) []byte {
	out := binary.BigEndian.AppendUint32(append([]byte(nil), f[:12]...), tag)
	return append(out, f[12:]...)
}

// snoopingLab has a router at port 1 that has asked, and hosts at the others,
// of which 2 wants 224.1.2.3.
func snoopingLab(t *testing.T, settings ...string) *lab {
	l := newLab(t, Name+" snooping=on", 5)
	l.set(settings...)
	l.at(1).send(generalQuery(1))
	l.at(2).send(membershipReport(2, "224.1.2.3"))
	l.tick(11) // longer than hosts may take to answer
	l.heard()
	return l
}

// A group that somebody reported goes to him and to the router, what nobody
// reported to the router; what is no group that is reported, to all.
func TestSnooping(t *testing.T) {
	l := snoopingLab(t)
	l.at(3).say(toGroup, "wanted")
	l.wantHeard("a group with a member", "wanted", 1, 2)
	l.at(3).say(mac{0x01, 0x00, 0x5e, 0x09, 0x09, 0x09}, "not wanted")
	l.wantHeard("a group without members", "not wanted", 1)
	l.at(3).say(mac{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}, "mdns")
	l.wantHeard("224.0.0.251", "mdns", 1, 2, 4, 5)
	l.at(3).say(toAll, "broadcast")
	l.wantHeard("broadcast", "broadcast", 1, 2, 4, 5)
	l.at(2).say(toGroup, "from the member")
	l.wantHeard("from the member", "from the member", 1)
	l.set("4/mrouter=on")
	l.at(3).say(toGroup, "for both routers")
	l.wantHeard("a port that is set as a router's", "for both routers", 1, 2, 4)
	l.set("groups=flush")
	l.at(3).say(toGroup, "after a flush")
	l.wantHeard("after a flush", "after a flush", 1, 2, 4, 5)
}

// Reports go to routers only, or hosts would think that others have reported
// already (RFC 4541, 2.1.1 (1)); queries go to all.
func TestReportsGoToRouters(t *testing.T) {
	l := snoopingLab(t)
	l.at(3).send(membershipReport(3, "224.7.7.7"))
	for _, s := range l.stations {
		if got, want := len(s.heard()) == 1, s.number() == 1; got != want {
			t.Errorf("port %d heard a report: %v", s.number(), got)
		}
	}
	l.at(1).send(generalQuery(1))
	for _, s := range l.stations {
		if got, want := len(s.heard()) == 1, s.number() != 1; got != want {
			t.Errorf("port %d heard a query: %v", s.number(), got)
		}
	}
}

// Who is isolated, blocked or in another VLAN gets no group by being a member.
func TestSnoopingWithTheRest(t *testing.T) {
	l := snoopingLab(t, "2/isolated=on", "3/isolated=on")
	l.at(3).say(toGroup, "isolated")
	l.wantHeard("a member that is isolated", "isolated", 1)

	l = newLab(t, Name+" snooping=on vlan=on", 4)
	l.set("1/vlans=10,20", "1/pvid=0", "2/pvid=10", "3/pvid=20", "4/pvid=10")
	for _, vlan := range []int{10, 20} {
		l.at(1).send(tagged(generalQuery(1), ctag(vlan)))
	}
	l.at(2).send(membershipReport(2, "224.1.2.3"))
	l.at(3).send(membershipReport(3, "224.1.2.3"))
	l.tick(11)
	l.heard()
	l.at(1).say(toGroup, "VLAN 10", ctag(10))
	l.wantHeard("a group in VLAN 10", "VLAN 10", 2)
	l.at(1).say(toGroup, "VLAN 20", ctag(20))
	l.wantHeard("a group in VLAN 20", "VLAN 20", 3)
	l.at(4).say(toGroup, "from a host")
	l.wantHeard("a group from a host", "from a host", 1, 2)
}

// A member that goes, or that is in another VLAN, is one no more.
func TestSnoopingForgets(t *testing.T) {
	l := snoopingLab(t)
	l.at(2).conn.Close()
	again := l.join(bus.JoinOptions{})
	l.at(3).say(toGroup, "x")
	if n := len(again.heard()); n != 0 {
		t.Error("who joined at a member's number gets his groups")
	}
	if n := len(l.at(1).heard()); n != 1 {
		t.Errorf("%d frames came to the router", n)
	}
}

// A topology change moves members to other ports: groups go everywhere until
// the next query was answered.
func TestTopologyChangeForgetsGroups(t *testing.T) {
	l := newLab(t, Name+" snooping=on", 3)
	tap := l.tap() // port 4
	l.set("4/stp=edge=off", "stp=rstp")
	tap.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
	for i := 0; i < 60 && l.field(4, 0, "state") != "forwarding"; i++ {
		l.tick(1)
		tap.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
	}
	other := l.tap() // port 5, from which the change will be told on
	l.set("5/stp=edge=off")
	for i := 0; i < 60 && l.field(5, 0, "state") != "forwarding"; i++ {
		l.tick(1)
		tap.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
	}
	l.at(1).send(generalQuery(1))
	other.send(membershipReport(5, "224.1.2.3"))
	for range 6 {
		l.tick(2)
		tap.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding))
	}
	l.heard()
	l.at(2).say(toGroup, "before")
	l.wantHeard("a group with a member", "before", 1, 5)
	tap.send(rstBPDU(0x1000<<48|1, flagDesignated|flagForwarding|flagTC))
	l.at(2).say(toGroup, "after")
	l.wantHeard("after a topology change", "after", 1, 3, 4, 5)
}
