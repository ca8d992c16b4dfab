package snoop

import (
	"fmt"
	"testing"
)

// A host that joins everything opens its domain, and takes nothing from
// others, there or elsewhere.
func TestLimit(t *testing.T) {
	h := newSwitch(t, 20)
	h.query()
	h.in(2, 7, query2("10.0.0.1", "0.0.0.0", 100))
	h.in(2, 1, report2("239.1.1.1"))
	h.after(11)
	h.from(1, report2("239.1.1.1"))
	for i := range 18 {
		h.from(5, report2(fmt.Sprintf("238.1.1.%d", i)))
	}
	h.want("238.2.2.2", "7")
	h.from(5, report2("238.1.2.1"))
	h.from(2, report2("239.1.1.2"))
	for _, g := range []string{"239.1.1.1", "239.1.1.2", "238.1.1.5", "238.2.2.2"} {
		h.want(g, "flood")
	}
	h.want("ff05::1:3", "7")
	if got := h.to(2, "239.1.1.1"); got != "1 7" {
		t.Errorf("in another VLAN: %s", got)
	}
	if s := h.tab.Stats(); s.Refused != 2 || s.Groups != 20 {
		t.Errorf("%d refused, %d groups, want 2 and 20", s.Refused, s.Groups)
	}
	h.from(2, report2("239.1.1.1")) // no new group
	// What was refused would have ended now, and what is there has.
	h.after(100)
	h.query()
	h.after(100)
	h.query()
	h.after(37)
	h.want("238.2.2.2", "flood")
	h.after(1)
	h.want("238.2.2.2", "7")
	h.from(2, report2("239.1.1.2"))
	h.want("239.1.1.2", "2 7")
}

// The number of ports and sources has a limit too.
func TestPlaces(t *testing.T) {
	h := newSwitch(t, 1)
	h.query()
	for port := 100; port < 100+placesPerGroup; port++ {
		h.from(port, report2("239.1.1.1"))
	}
	if s := h.tab.Stats(); s.Refused != 0 {
		t.Errorf("%d refused within the limit", s.Refused)
	}
	h.from(1, report2("239.1.1.1"))
	h.want("239.1.1.1", "flood")

	h = newSwitch(t, 1)
	h.query()
	var sources []string
	for i := range maxSources + 1 {
		sources = append(sources, fmt.Sprintf("10.1.1.%d", i))
	}
	h.from(1, report3(rec(isInclude, "239.1.1.1", sources[:placesPerGroup-1]...)))
	h.from(1, report3(rec(isInclude, "239.1.1.1", sources...)))
	m := h.tab.domains[domainKey{1, false}].groups[ip("239.1.1.1")].members[0]
	if m.any.until == 0 || h.tab.places != placesPerGroup {
		t.Errorf("any source until %v with %d places", m.any.until, h.tab.places)
	}
	h.want("239.1.1.1", "1 7") // it is no refusal

	h = newSwitch(t, 5)
	h.query()
	h.from(1, report3(rec(isInclude, "239.1.1.1", sources[:maxSources]...)))
	m = h.tab.domains[domainKey{1, false}].groups[ip("239.1.1.1")].members[0]
	if m.any.until != 0 || len(m.sources) != maxSources {
		t.Errorf("any source until %v with %d sources", m.any.until, len(m.sources))
	}
	h.from(1, report3(rec(isInclude, "239.1.1.1", sources...)))
	m = h.tab.domains[domainKey{1, false}].groups[ip("239.1.1.1")].members[0]
	if m.any.until == 0 || len(m.sources) != maxSources {
		t.Errorf("any source until %v with %d sources", m.any.until, len(m.sources))
	}
}

func TestManyRouters(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	for port := 100; port < 100+maxRouters-1; port++ {
		h.from(port, query2("10.0.0.2", "0.0.0.0", 100))
	}
	if h.to(1, "239.1.1.1") == "flood" {
		t.Error("opened within the limit")
	}
	h.from(99, query2("10.0.0.2", "0.0.0.0", 100))
	h.want("239.1.1.1", "flood")
	h.from(100, query2("10.0.0.2", "0.0.0.0", 100)) // known, and no reason to prune again
	h.want("239.1.1.1", "flood")
}

func TestNoRoomAtAll(t *testing.T) {
	for _, limit := range []int{0, -1} {
		h := newSwitch(t, limit)
		h.query()
		h.want("239.1.1.1", "7")
		h.from(1, report3(rec(allowNew, "239.1.1.1", "10.1.1.1")))
		h.want("239.1.1.1", "flood")

		// It is not forgotten that a report was refused before there was a
		// querier.
		h = newSwitch(t, limit)
		h.from(1, report2("239.1.1.1"))
		h.after(5)
		h.query()
		h.want("239.1.1.1", "flood")
	}
}
