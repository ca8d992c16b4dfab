package snoop

import "testing"

// What makes the table forget, or know less than it did, opens a VLAN until the
// next general query was answered, and no longer.
func TestOpens(t *testing.T) {
	only := func(want uint16) func(uint16) bool { return func(vlan uint16) bool { return vlan == want } }
	for _, c := range []struct {
		name   string
		change func(h *testSwitch)
		after  string // where the group goes in the end, in VLAN 1
		other  string // and at once in VLAN 2
	}{
		{"another is behind a port", func(h *testSwitch) { h.tab.Renew(2, only(1)) }, "1 7", "1 2 7"},
		{"another may be behind a new port", func(h *testSwitch) { h.tab.Renew(5, only(1)) }, "1 2 7", "1 2 7"},
		{"a host has moved", func(h *testSwitch) { h.tab.Open(1) }, "1 2 7", "1 2 7"},
		{"the router's port", func(h *testSwitch) { h.tab.Renew(7, only(1)) }, "1 2 7", "1 2 7"},
		{"the router's port, for good", func(h *testSwitch) { h.tab.Forget(7) }, "1 2 7", "flood"},
		{"a VLAN", func(h *testSwitch) { h.tab.ForgetVLAN(1) }, "7", "1 2 7"},
		{"all", func(h *testSwitch) { h.tab.Flush() }, "7", "flood"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newSwitch(t, 10)
			ask := func() {
				for vlan := range uint16(2) {
					h.in(vlan+1, 7, query2("10.0.0.1", "0.0.0.0", 100))
					h.in(vlan+1, 7, mldAsk("fe80::1", "::", 10000))
				}
			}
			ask()
			for vlan := range uint16(2) {
				for _, port := range []int{1, 2} {
					h.in(vlan+1, port, report2("239.1.1.1"))
					h.in(vlan+1, port, mldReport("ff05::1:3"))
				}
			}
			h.after(5)
			c.change(h) // in the middle of answers: those of this query do not count
			h.after(20)
			h.want("239.1.1.1", "flood")
			h.want("ff05::1:3", "flood")
			h.want("239.1.1.2", "flood")
			if got := h.to(2, "239.1.1.1"); got != c.other {
				t.Errorf("in another VLAN: %s, want %s", got, c.other)
			}
			h.from(8, query2("10.0.0.9", "239.1.1.1", 10)) // it asks for one group only
			h.from(8, query2("0.0.0.0", "0.0.0.0", 10))    // and this is no querier
			h.after(20)
			h.want("239.1.1.1", "flood")
			h.tab.Renew(8, only(1))
			ask()
			h.after(10)
			h.want("239.1.1.1", "flood")
			h.after(1)
			h.want("239.1.1.1", c.after)
			h.want("ff05::1:3", c.after)
			h.want("239.1.1.2", "7")
			check(t, h.tab)
		})
	}
}

// A file that comes and goes opens nothing, and takes its memberships with it.
func TestForgetMember(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	h.from(1, report2("239.1.1.1"))
	h.from(2, report2("239.1.1.1"))
	h.tab.Forget(2)
	h.tab.Forget(3)
	h.want("239.1.1.1", "1 7")
	h.want("239.1.1.2", "7")
}

// A querier takes over that gives its hosts more time than is left to a
// membership, as the one before asked more often: nobody is cut off between the
// end of that and the answer.
func TestSlowerQuerier(t *testing.T) {
	for name, takeOver := range map[string]func(h *testSwitch){
		"a lower address": func(h *testSwitch) { h.from(8, query2("10.0.0.0", "0.0.0.0", 255)) },
		"another port":    func(h *testSwitch) { h.from(8, query2("10.0.0.1", "0.0.0.0", 255)) },
	} {
		h := newSwitch(t, 10)
		h.from(7, query2("10.0.0.1", "0.0.0.0", 100))
		h.after(1)
		h.from(1, report2("239.1.1.1"))
		h.after(250) // the querier is trusted for 255 s, the member for 260
		takeOver(h)
		for second := 1; second <= 25; second++ {
			if to := h.to(1, "239.1.1.1"); to != "flood" {
				t.Fatalf("%s: after %d s the group goes to %s, want flood", name, second, to)
			}
			h.after(1)
		}
		h.from(1, report2("239.1.1.1")) // the last moment of the 25.5 s
		h.after(2)
		h.want("239.1.1.1", "1 8")
	}
}

// While a domain is open, reports go to the routers that are known, and else to
// all. A host of IGMPv1 or v2 may then keep its own to itself; but not in answer
// to the query that pruning waits for, since that has made a router known.
func TestReportsWhileOpen(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	to := func(want Action) {
		t.Helper()
		if v := h.from(1, report2("239.1.1.1")); v.Action != want {
			t.Errorf("a report: %v, want %v", v.Action, want)
		}
	}
	h.tab.Open(1)
	to(Forward)
	h.tab.Renew(2, func(uint16) bool { return true })
	to(Forward)
	h.tab.Renew(7, func(uint16) bool { return true })
	to(Flood)
	h.from(7, query2("10.0.0.1", "0.0.0.0", 100))
	to(Forward)
	h.tab.Flush()
	to(Flood)
}
