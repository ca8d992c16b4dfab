package l2switch

import (
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// What is behind a link that goes down is forgotten, and the tree takes the
// port for disabled until it comes back.
func TestLinkDown(t *testing.T) {
	l := bustest.NewLab(t, Name)
	var ears [2]bustest.Recorder
	conns := [2]*bus.Conn{l.Join(t, &ears[0]), l.Join(t, &ears[1])}
	s := l.Net.Policy().(*Switch)
	command := func(f func() error) {
		t.Helper()
		if err := l.Net.UsePolicy(func(policy.Policy) error { return f() }); err != nil {
			t.Fatal(err)
		}
	}
	report := func() (text string) {
		command(func() error { text = s.readSTP(); return nil })
		return text
	}
	command(func() error { return s.writeSTP("rstp") })
	command(func() error { return parseInto(s, conns[0].Port(), "edge=on") })
	bustest.Send(conns[0], append([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 0}, make([]byte, 46)...))
	if s.fdb.Len() != 1 || !strings.Contains(report(), "port=1 vlan=0 role=designated state=forwarding") {
		t.Fatalf("at first:\n%s%s", s.readFDB(), report())
	}

	conns[0].SetLink(false)
	conns[0].SetLink(false)
	if s.fdb.Len() != 0 || !strings.Contains(report(), "port=1 vlan=0 role=disabled state=discarding") {
		t.Errorf("the link is down:\n%s%s", s.readFDB(), report())
	}
	if err := l.Net.SetPolicy(Name); err != nil { // the next one must know it, too
		t.Fatal(err)
	}
	s = l.Net.Policy().(*Switch)
	command(func() error { return s.writeSTP("rstp") })
	if !strings.Contains(report(), "port=1 vlan=0 role=disabled") {
		t.Errorf("another policy:\n%s", report())
	}

	conns[0].SetLink(true)
	if !strings.Contains(report(), "port=1 vlan=0 role=designated") {
		t.Errorf("the link is up again:\n%s", report())
	}
}

// parseInto sets up a port's part in the trees, as a write to its file does.
func parseInto(s *Switch, p policy.Port, command string) error {
	for _, k := range s.PortKnobs() {
		if k.Name == "stp" {
			return k.Set(p, command)
		}
	}
	return fail.Errorf(fail.Unknown, "no knob stp")
}
