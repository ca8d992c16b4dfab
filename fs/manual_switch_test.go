package fs

import (
	"strings"
	"testing"

	"ipnfs/policies/l2switch"
)

// What the switch serves, in the order in which it is listed.
func TestManualHasTheSwitch(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	ok(t, "mkdir", m.mkdir("lan/ports/2", 0))
	own := ordered(m, "lan/ports/2")
	ok(t, "policy", m.write("lan/policy", l2switch.Name))
	for title, there := range map[string]string{
		"SWITCH POLICY":                   ordered(m, "lan/switch"),
		"PORT FILES OF THE SWITCH POLICY": strings.TrimPrefix(ordered(m, "lan/ports/2"), own+" "),
	} {
		if documented := strings.Join(entries(t, title), " "); documented != there {
			t.Errorf("%s of the manual has\n%s, the policy has\n%s", title, documented, there)
		}
	}
	p := m.bus.Network("lan").Policy().(*l2switch.Switch)
	if files := len(p.Tables()) + len(p.Knobs()); len(m.ls("lan/switch"))-2 != files || len(m.ls("lan/ports/2"))-2-strings.Count(own, " ")-1 != len(p.PortKnobs()) {
		t.Error("some tables or knobs of the switch have names that cannot be shown")
	}
	var counters []string
	for _, line := range strings.Split(strings.TrimSpace(m.read("lan/switch/counters")), "\n") {
		name, _, _ := strings.Cut(line, " ")
		counters = append(counters, name)
	}
	wantWords(t, "SWITCH POLICY", counters)
}
