package snoop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// testSwitch is a table with a clock. Ports 1 to 5 are hosts in VLAN 1, 7 and
// 8 have routers.
type testSwitch struct {
	t   *testing.T
	tab *Table
	now time.Time
}

func newSwitch(t *testing.T, limit int) *testSwitch {
	return &testSwitch{t, New(limit, nil), time.Unix(1e9, 0)}
}

// after lets time pass, a Tick a second.
func (h *testSwitch) after(seconds int) {
	for range seconds {
		h.now = h.now.Add(time.Second)
		h.tab.Tick(h.now)
	}
}

// from brings a frame in by a port.
func (h *testSwitch) from(port int, frame []byte) Verdict { return h.in(1, port, frame) }

func (h *testSwitch) in(vlan uint16, port int, frame []byte) Verdict {
	h.t.Helper()
	if !Control(frame) {
		h.t.Error("Control does not see the frame")
	}
	v := h.tab.Snoop(vlan, port, frame, h.now)
	check(h.t, h.tab)
	return v
}

// query lets the router at port 7 ask both protocols, and hosts answer.
func (h *testSwitch) query() {
	h.t.Helper()
	h.from(7, query2("10.0.0.1", "0.0.0.0", 100))
	h.from(7, mldAsk("fe80::1", "::", 10000))
	h.after(11)
}

// to tells where frames for a group go: "flood", or ports with spaces.
func (h *testSwitch) to(vlan uint16, group string) string {
	m := macOf(ip(group))
	var mac [6]byte
	for i := range mac {
		mac[i] = byte(m >> (40 - 8*i))
	}
	members, routers, known := h.tab.Lookup(vlan, mac)
	ports := slices.Compact(slices.Sorted(slices.Values(slices.Concat(members, routers))))
	if !known {
		return "flood"
	}
	return strings.Trim(fmt.Sprint(ports), "[]")
}

func (h *testSwitch) want(group, ports string) {
	h.t.Helper()
	if got := h.to(1, group); got != ports {
		h.t.Errorf("%s goes to %s, want %s", group, got, ports)
	}
}

// check fails the test if the table contradicts itself.
func check(t testing.TB, tab *Table) {
	t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	groups, places := 0, 0
	want := map[key][]int{}
	for k, d := range tab.domains {
		if d.domainKey != k {
			t.Errorf("domain %v is kept under %v", d.domainKey, k)
		}
		for a, g := range d.groups {
			groups++
			if g.address != a || len(g.members) == 0 || !tracked(a) {
				t.Errorf("group %s under %s with %d members", g.address, a, len(g.members))
			}
			for _, m := range g.members {
				places += 1 + len(m.sources)
				if m.any.until == 0 && len(m.sources) == 0 {
					t.Errorf("group %s port %d wants nothing", a, m.port)
				}
				for _, x := range m.sources {
					if x.timer.until < g.next {
						t.Errorf("group %s: a source ends at %v, before %v", a, x.timer.until, g.next)
					}
				}
				if m.any.until > tab.now && m.any.until < g.next {
					t.Errorf("group %s: port %d ends at %v, before %v", a, m.port, m.any.until, g.next)
				}
				mac := d.key(macOf(a))
				want[mac] = append(want[mac], m.port)
			}
		}
		if len(d.routers) > maxRouters {
			t.Errorf("%d router ports", len(d.routers))
		}
		for mac, s := range d.addresses {
			if len(*s) == 0 {
				t.Errorf("%#x is kept for no port", mac)
			}
		}
		if d.pruned {
			want[d.gate()] = slices.Clone(d.ports)
		}
	}
	if groups != tab.groups || places != tab.places {
		t.Errorf("counted %d groups and %d places, there are %d and %d", tab.groups, tab.places, groups, places)
	}
	if groups > max(tab.limit, 0) || places > max(tab.limit, 0)*placesPerGroup {
		t.Errorf("%d groups and %d places above a limit of %d", groups, places, tab.limit)
	}
	entries := 0
	chains := *tab.snapshot.chains.Load()
	for i := range chains {
		for e := chains[i].first.Load(); e != nil; e = e.next {
			entries++
			ports := want[e.key]
			slices.Sort(ports)
			if !slices.Equal(e.ports, slices.Compact(ports)) {
				t.Errorf("%#x goes to %v, want %v", e.key, e.ports, ports)
			}
			delete(want, e.key)
		}
	}
	if entries != tab.snapshot.count || entries > max(len(chains), minChains) {
		t.Errorf("%d entries in %d chains, counted %d", entries, len(chains), tab.snapshot.count)
	}
	for k := range want {
		t.Errorf("Lookup is not told of %#x", k)
	}
}

func TestNoQuerier(t *testing.T) {
	h := newSwitch(t, 10)
	h.from(1, report2("239.1.1.1"))
	h.after(20)
	h.want("239.1.1.1", "flood")
	h.want("239.1.1.2", "flood")
}

// Pruning begins when the hosts have had their time to answer, and ends when
// the querier has gone.
func TestPruning(t *testing.T) {
	h := newSwitch(t, 10)
	h.from(7, query2("10.0.0.1", "0.0.0.0", 100))
	h.from(1, report2("239.1.1.1"))
	h.after(10)
	h.want("239.1.1.1", "flood")
	h.want("239.1.1.2", "flood")
	h.after(1) // for those who answer in the last moment
	h.want("239.1.1.1", "1 7")
	h.want("239.1.1.2", "7")
	h.want("ff05::1", "flood") // nobody asks by MLD
	h.after(100)
	h.from(7, query2("10.0.0.1", "0.0.0.0", 100)) // not the first any more
	h.want("239.1.1.1", "1 7")
	h.after(254)
	h.want("239.1.1.2", "7")
	h.after(1) // 2*125 + 10/2 seconds after the last query
	h.want("239.1.1.1", "flood")
	h.want("239.1.1.2", "flood")
	h.after(1000)
	if n := len(h.tab.domains); n != 0 {
		t.Errorf("%d domains left of which nothing is known", n)
	}
}

// A membership lasts 2*125 + 10 seconds after the last report.
func TestMembershipEnds(t *testing.T) {
	for _, c := range []struct {
		group  string
		report []byte
	}{
		{"239.1.1.1", report1("239.1.1.1")},
		{"239.1.1.1", report2("239.1.1.1")},
		{"239.1.1.1", report3(rec(toExclude, "239.1.1.1"))},
		{"239.1.1.1", report3(rec(isExclude, "239.1.1.1", "10.1.1.1"))},
		{"239.1.1.1", report3(rec(isInclude, "239.1.1.1", "10.1.1.1"))},
		{"239.1.1.1", report3(rec(toInclude, "239.1.1.1", "10.1.1.1"))},
		{"239.1.1.1", report3(rec(allowNew, "239.1.1.1", "10.1.1.1"))},
		{"ff05::1:3", mldReport("ff05::1:3")},
		{"ff05::1:3", mldReport2(rec(toExclude, "ff05::1:3"))},
		{"ff02::1:ff00:1", mldReport2(rec(isInclude, "ff02::1:ff00:1", "2001:db8::1"))},
	} {
		h := newSwitch(t, 10)
		h.query()
		h.from(1, c.report)
		h.after(100)
		h.query()
		h.from(1, c.report)
		h.from(2, c.report)
		h.after(100)
		h.query()
		h.from(2, c.report)
		h.after(148)
		h.want(c.group, "1 2 7")
		h.after(1)
		h.want(c.group, "2 7")
		check(t, h.tab)
	}
}

// Records that join nobody.
func TestNoJoin(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	for _, f := range [][]byte{
		report3(rec(isInclude, "239.1.1.1")),
		report3(rec(toInclude, "239.1.1.1")),
		report3(rec(allowNew, "239.1.1.1")),
		report3(rec(blockOld, "239.1.1.1", "10.1.1.1")),
		report3(rec(7, "239.1.1.1", "10.1.1.1")),
		report3(rec(0, "239.1.1.1")),
		leave2("239.1.1.1"),
	} {
		h.from(1, f)
		h.want("239.1.1.1", "7")
	}
	if s := h.tab.Stats(); s.Groups != 0 || s.Leaves != 0 {
		t.Errorf("%d groups and %d leaves of nothing", s.Groups, s.Leaves)
	}
}

// TestLeave: ports 1 and 2 are members, 1 leaves. The querier asks after a
// second, twice; each leave has its own way to ask.
func TestLeave(t *testing.T) {
	ask := query2("10.0.0.1", "239.1.1.1", 10)
	ask3 := query3("10.0.0.1", "239.1.1.1", 10, 2, 125)
	for _, c := range []struct {
		name, group      string
		join, leave, ask []byte
		seconds          int // until the membership has ended
	}{
		{"IGMPv2", "239.1.1.1", report2("239.1.1.1"), leave2("239.1.1.1"), ask, 2},
		{"IGMPv3", "239.1.1.1", report3(rec(toExclude, "239.1.1.1")), report3(rec(toInclude, "239.1.1.1")), ask3, 2},
		{"QRV 3", "239.1.1.1", report3(rec(toExclude, "239.1.1.1")), report3(rec(toInclude, "239.1.1.1")), query3("10.0.0.1", "239.1.1.1", 10, 3, 125), 3},
		{"source", "239.1.1.1", report3(rec(allowNew, "239.1.1.1", "10.1.1.1")), report3(rec(blockOld, "239.1.1.1", "10.1.1.1")), query3("10.0.0.1", "239.1.1.1", 10, 2, 125, "10.1.1.1"), 2},
		{"sources at once", "239.1.1.1", report3(rec(allowNew, "239.1.1.1", "10.1.1.1", "10.1.1.2")), report3(rec(toInclude, "239.1.1.1")), ask3, 2},
		{"MLDv1", "ff05::1:3", mldReport("ff05::1:3"), mldLeave("ff05::1:3"), mldAsk("fe80::1", "ff05::1:3", 1000), 2},
		{"MLDv2", "ff05::1:3", mldReport2(rec(toExclude, "ff05::1:3")), mldReport2(rec(toInclude, "ff05::1:3")), mldAsk("fe80::1", "ff05::1:3", 3000), 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newSwitch(t, 10)
			h.query()
			h.from(1, c.join)
			h.from(2, c.join)

			// Nobody asks: nothing is taken away.
			h.from(1, c.leave)
			h.after(60)
			h.want(c.group, "1 2 7")

			// One host answers from behind the same port.
			h.from(7, c.ask)
			h.after(1)
			h.from(1, c.join)
			h.after(c.seconds + 1)
			h.want(c.group, "1 2 7")

			// A query that nobody's leave brought takes nothing away.
			h.from(7, c.ask)
			h.after(c.seconds + 1)
			h.want(c.group, "1 2 7")

			// The last one goes. Asking again does not put it off.
			h.from(1, c.leave)
			h.from(7, c.ask)
			h.after(1)
			h.from(7, c.ask)
			h.after(c.seconds - 2)
			h.want(c.group, "1 2 7")
			h.after(1)
			h.want(c.group, "2 7")
			if n := h.tab.Stats().Leaves; n != 2 {
				t.Errorf("%d leaves counted, want 2", n)
			}
		})
	}
}

// A host that includes sources keeps its port as long as one is left.
func TestSources(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	const g = "232.1.1.1"
	ask := func(sources ...string) {
		h.from(7, query3("10.0.0.1", g, 10, 2, 125, sources...))
		h.after(3)
	}
	h.from(1, report3(rec(allowNew, g, "10.1.1.1", "10.1.1.2", "10.1.1.3")))
	h.from(1, report3(rec(blockOld, g, "10.1.1.1", "10.9.9.9")))
	ask("10.1.1.1")
	h.want(g, "1 7")
	h.from(1, report3(rec(toInclude, g, "10.1.1.3", "10.1.1.4"))) // 2 is left
	count := func(want int) {
		t.Helper()
		if s := h.tab.domains[domainKey{1, false}].groups[ip(g)].members[0].sources; len(s) != want {
			t.Errorf("sources %v are left, want %d", s, want)
		}
	}
	ask("10.1.1.4") // of another one
	count(3)
	ask("10.1.1.2", "10.1.1.3")
	count(2)
	h.want(g, "1 7")
	// An EXCLUDE has nothing to do with sources that are blocked.
	h.from(1, report3(rec(toExclude, g)))
	h.from(1, report3(rec(blockOld, g, "10.1.1.3", "10.1.1.4")))
	ask("10.1.1.3", "10.1.1.4")
	ask()
	h.want(g, "1 7")
	h.from(1, report3(rec(toInclude, g)))
	ask()
	h.want(g, "7")
}

// While there may be a host that knows IGMPv1 only, who would not object, no
// leave counts.
func TestVersion1(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	h.from(1, report1("239.1.1.1"))
	h.from(2, report2("239.1.1.1"))
	h.from(1, report2("239.1.1.1"))
	for _, port := range []int{1, 2} {
		h.from(port, leave2("239.1.1.1"))
	}
	h.from(7, query2("10.0.0.1", "239.1.1.1", 10))
	h.after(3)
	h.want("239.1.1.1", "1 7")
	h.after(100)
	h.query()
	h.from(1, report2("239.1.1.1"))
	h.after(146) // 260 since the report of version 1
	h.from(1, leave2("239.1.1.1"))
	h.from(7, query2("10.0.0.1", "239.1.1.1", 10))
	h.after(3)
	h.want("239.1.1.1", "7")
}

// MLDv1 is no IGMPv1: it has a leave.
func TestMLDVersion1(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	h.from(1, mldReport("ff05::1:3"))
	h.from(1, mldLeave("ff05::1:3"))
	h.from(7, mldAsk("fe80::1", "ff05::1:3", 1000))
	h.after(3)
	h.want("ff05::1:3", "7")
}

func TestSuppress(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	h.from(1, report3(rec(toExclude, "239.1.1.1")))
	h.from(1, report3(rec(toInclude, "239.1.1.1")))
	h.from(7, query3("10.0.0.1", "239.1.1.1", 10, 8|2, 125))
	h.after(10)
	h.want("239.1.1.1", "1 7")
}

func TestFastLeave(t *testing.T) {
	h := newSwitch(t, 10)
	s := DefaultSettings()
	s.FastLeave = true
	h.tab.SetSettings(s)
	h.query()
	h.from(1, report2("239.1.1.1"))
	h.from(2, report2("239.1.1.1"))
	h.from(1, leave2("239.1.1.1"))
	h.want("239.1.1.1", "2 7")
	h.from(3, report3(rec(allowNew, "232.2.2.2", "10.1.1.1", "10.1.1.2")))
	h.from(3, report3(rec(blockOld, "232.2.2.2", "10.1.1.1")))
	h.want("232.2.2.2", "3 7")
	h.from(3, report3(rec(toInclude, "232.2.2.2", "10.1.1.3")))
	h.want("232.2.2.2", "3 7")
	h.from(3, report3(rec(blockOld, "232.2.2.2", "10.1.1.3")))
	h.want("232.2.2.2", "7")
	h.from(3, report1("239.1.1.3"))
	h.from(3, leave2("239.1.1.3"))
	h.want("239.1.1.3", "3 7")
}

// Groups with one MAC address share their ports; a leave of one is no leave
// of the other.
func TestSharedAddress(t *testing.T) {
	h := newSwitch(t, 10)
	s := DefaultSettings()
	s.FastLeave = true
	h.tab.SetSettings(s)
	h.query()
	h.from(1, report2("239.1.1.1"))
	h.from(2, report2("238.129.1.1"))
	h.from(1, report2("225.1.1.1"))
	h.want("239.1.1.1", "1 2 7")
	h.want("225.129.1.1", "1 2 7")
	h.from(1, leave2("239.1.1.1"))
	h.want("239.1.1.1", "1 2 7")
	h.from(1, leave2("225.1.1.1"))
	h.want("239.1.1.1", "2 7")
	h.from(2, leave2("238.129.1.1"))
	h.want("239.1.1.1", "7")
	h.from(1, mldReport("ff05::1:0:5"))
	h.from(2, mldReport("ff0e::2:0:5"))
	h.want("ff0e::5", "1 2 7")
}

func TestAlwaysEverywhere(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	for _, g := range []string{"224.0.0.1", "224.0.0.251", "239.128.0.7"} {
		h.from(1, report2(g))
		h.want(g, "flood")
	}
	for _, g := range []string{"ff02::1", "ff05::1"} {
		h.from(1, mldReport(g))
		h.want(g, "flood")
	}
	h.from(1, mldReport2(rec(toExclude, "ff01::5"), rec(toExclude, "ff00::5"))) // never on a link
	h.want("ff01::5", "7")
	if n := h.tab.Stats().Groups; n != 0 {
		t.Errorf("%d groups are kept for nothing", n)
	}
	for _, mac := range [][6]byte{
		{1, 0, 0x5e, 0x80, 0, 1}, // not IP: RFC 5332 has MPLS there
		{1, 0x80, 0xc2, 0, 0, 1},
		{255, 255, 255, 255, 255, 255},
		{2, 0, 0, 0, 0, 1},
	} {
		if _, _, known := h.tab.Lookup(1, mac); known {
			t.Errorf("%x does not go everywhere", mac)
		}
	}
}

// Reports go to routers, and to all if there is none; all else to all.
func TestVerdict(t *testing.T) {
	h := newSwitch(t, 10)
	same := func(what string, got Verdict, action Action, ports ...int) {
		t.Helper()
		if got.Action != action || !slices.Equal(got.Ports, ports) {
			t.Errorf("%s: %v %v, want %v %v", what, got.Action, got.Ports, action, ports)
		}
	}
	broken := report2("239.1.1.1")
	broken[len(broken)-1]++
	dvmrp := igmp("10.0.0.1", "224.0.0.4", []byte{0x13, 1, 0, 0, 0, 0, 0, 0}).frame()

	same("a report without a router", h.from(1, report2("239.1.1.1")), Flood)
	same("a broken one", h.from(1, broken), Drop)
	same("a message unknown", h.from(1, dvmrp), Flood)
	same("a query", h.from(8, query2("10.0.0.2", "0.0.0.0", 100)), Flood)
	same("a lesser query", h.from(7, query2("10.0.0.3", "0.0.0.0", 100)), Flood)
	for name, f := range map[string][]byte{
		"v1": report1("239.1.1.1"), "v2": report2("239.1.1.1"), "leave": leave2("239.1.1.1"),
		"v3": report3(rec(toExclude, "239.1.1.1")), "local": report2("224.0.0.251"),
	} {
		same(name, h.from(1, f), Forward, 7, 8)
	}
	same("MLD, where no router is", h.from(1, mldReport("ff05::1:3")), Flood)
	same("another VLAN", h.in(2, 1, report2("239.1.1.1")), Flood)
	if s := h.tab.Stats(); s.Invalid != 1 || s.Messages != 10 {
		t.Errorf("%d invalid and %d good messages, want 1 and 10", s.Invalid, s.Messages)
	}
}

// VLANs and protocols know nothing of each other.
func TestDomains(t *testing.T) {
	h := newSwitch(t, 10)
	h.in(1, 7, query2("10.0.0.1", "0.0.0.0", 100))
	h.in(2, 8, mldAsk("fe80::1", "::", 10000))
	for vlan := uint16(1); vlan <= 3; vlan++ {
		h.in(vlan, int(vlan), report2("239.1.1.1"))
		h.in(vlan, int(vlan), mldReport("ff05::1:3"))
	}
	h.after(11)
	for _, c := range []struct {
		vlan        uint16
		group, want string
	}{
		{1, "239.1.1.1", "1 7"}, {1, "ff05::1:3", "flood"}, {1, "239.1.1.2", "7"},
		{2, "239.1.1.1", "flood"}, {2, "ff05::1:3", "2 8"}, {2, "ff05::1:4", "8"},
		{3, "239.1.1.1", "flood"}, {3, "ff05::1:3", "flood"},
		{4, "239.1.1.1", "flood"},
	} {
		if got := h.to(c.vlan, c.group); got != c.want {
			t.Errorf("VLAN %d: %s goes to %s, want %s", c.vlan, c.group, got, c.want)
		}
	}
}
