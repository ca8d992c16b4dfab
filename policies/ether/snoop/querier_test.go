package snoop

import (
	"testing"
	"time"
)

// The querier with the lowest address counts; all who ask are at router ports.
func TestElection(t *testing.T) {
	h := newSwitch(t, 10)
	h.from(7, query2("10.0.0.5", "0.0.0.0", 100))
	h.after(11)
	h.from(8, query2("10.0.0.6", "0.0.0.0", 100))
	q := &h.tab.domains[domainKey{1, false}].querier
	if q.address != ip("10.0.0.5") || q.port != 7 {
		t.Errorf("the querier is %s at %d, want 10.0.0.5", q.address, q.port)
	}
	h.want("239.1.1.1", "7 8")
	h.from(8, query2("10.0.0.4", "0.0.0.0", 100))
	if q.address != ip("10.0.0.4") || q.port != 8 {
		t.Errorf("the querier is %s at %d, want 10.0.0.4", q.address, q.port)
	}
	h.want("239.1.1.1", "flood") // until it was answered
	h.after(10)
	h.want("239.1.1.1", "flood")
	h.after(1)
	h.want("239.1.1.1", "7 8")
	h.from(8, query2("10.0.0.4", "0.0.0.0", 100))
	h.want("239.1.1.1", "7 8") // it is known
	h.from(9, query2("10.0.0.4", "0.0.0.0", 100))
	h.want("239.1.1.1", "flood") // its port is another
	h.after(11)
	h.want("239.1.1.1", "7 8 9")
	// The lower one falls silent, and the other is heard again.
	h.after(239)
	h.from(7, query2("10.0.0.5", "0.0.0.0", 100))
	h.after(5)
	h.from(7, query2("10.0.0.5", "0.0.0.0", 100))
	if q.address != ip("10.0.0.5") {
		t.Errorf("the querier is %s, want 10.0.0.5", q.address)
	}
	h.want("239.1.1.1", "flood")
	h.after(11)
	h.want("239.1.1.1", "7")
}

// A proxy's query is none of a querier: RFC 4541, 2.1.1 (1b) and section 3.
func TestProxyQuery(t *testing.T) {
	h := newSwitch(t, 10)
	for _, f := range [][]byte{query2("0.0.0.0", "0.0.0.0", 100), mldAsk("::", "::", 10000)} {
		if v := h.from(7, f); v.Action != Flood {
			t.Errorf("the query goes to %v", v)
		}
	}
	h.after(20)
	h.want("239.1.1.1", "flood")
	h.want("ff05::1:3", "flood")
	if v := h.from(1, report2("239.1.1.1")); v.Action != Flood {
		t.Errorf("a report goes to %v, though there is no router", v)
	}
}

// A querier that says more than the settings is believed, one that says less
// is not, and one that says days is not either.
func TestQuerierTimes(t *testing.T) {
	for _, c := range []struct {
		response        byte
		flags, qqic     byte
		present, member int // seconds
	}{
		{100, 2, 125, 255, 260},
		{100, 1, 10, 255, 260},
		{10, 0, 0, 255, 260},
		{100, 3, 125, 380, 385},
		{100, 2, 0x8c, 2*224 + 5, 2*224 + 10},
		{100, 7, 0xff, 3605, 3610}, // an hour and not 62
		{0x94, 2, 125, 266, 282},   // 32 seconds
	} {
		h := newSwitch(t, 10)
		h.from(7, query3("10.0.0.1", "0.0.0.0", c.response, c.flags, c.qqic))
		h.from(1, report2("239.1.1.1"))
		present, member := h.tab.times(h.tab.domains[domainKey{1, false}])
		if d := present - time.Duration(c.present)*time.Second; d.Abs() > time.Second {
			t.Errorf("QRV %d QQIC %#x: present for %v, want %d s", c.flags, c.qqic, present, c.present)
		}
		if d := member - time.Duration(c.member)*time.Second; d.Abs() > time.Second {
			t.Errorf("QRV %d QQIC %#x: member for %v, want %d s", c.flags, c.qqic, member, c.member)
		}
		h.after(40)
		h.want("239.1.1.1", "1 7")
		h.after(c.present - 42)
		h.want("239.1.1.1", "1 7")
		h.after(4)
		h.want("239.1.1.1", "flood")
	}
	h := newSwitch(t, 10)
	h.tab.SetSettings(Settings{}) // nonsense: a second and once
	h.from(7, query2("10.0.0.1", "0.0.0.0", 10))
	h.from(1, report2("239.1.1.1"))
	h.after(2)
	h.want("239.1.1.1", "1 7")
	h.after(3)
	h.want("239.1.1.1", "1 7")
	h.after(1)
	h.want("239.1.1.1", "flood")
}

// Who wants an answer at once gets a second.
func TestNoResponseTime(t *testing.T) {
	h := newSwitch(t, 10)
	h.from(7, query3("10.0.0.1", "0.0.0.0", 0, 2, 125))
	h.after(1)
	h.want("239.1.1.1", "flood")
	h.after(1)
	h.want("239.1.1.1", "7")
}

// A shorter interval holds from the next report on.
func TestShorterInterval(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	h.from(1, report2("239.1.1.1"))
	h.from(2, report2("239.1.1.1"))
	s := DefaultSettings()
	s.QueryInterval = 20 * time.Second
	h.tab.SetSettings(s)
	h.from(1, report2("239.1.1.1"))
	h.after(49)
	h.want("239.1.1.1", "1 2 7")
	h.after(1)
	h.want("239.1.1.1", "2 7")
}

// RFC 4286: an advertisement makes a router port for three of its intervals,
// and no querier.
func TestAdvertisement(t *testing.T) {
	h := newSwitch(t, 10)
	adv := igmp("10.0.0.2", "224.0.0.106", []byte{igmpAdvertisement, 20, 0, 0, 0, 125, 0, 2}).frame()
	h.from(8, adv)
	h.after(20)
	h.want("239.1.1.1", "flood")
	h.query()
	h.want("239.1.1.1", "7 8")
	h.from(7, adv) // takes nothing from the querier
	h.after(28)
	h.want("239.1.1.1", "7 8")
	h.after(1)
	h.want("239.1.1.1", "7")
	h.after(60)
	h.want("239.1.1.1", "7")
	h.from(8, mld("fe80::2", "ff02::6a", []byte{mldAdvertisement, 0, 0, 0, 0, 125, 0, 2}).frame())
	h.want("ff05::1:3", "7 8")
	h.after(11)
	h.want("ff05::1:3", "7 8")
	h.after(1)
	h.want("ff05::1:3", "7")
}

// A router port that is set has everything, in every VLAN.
func TestSetRouter(t *testing.T) {
	h := newSwitch(t, 10)
	h.tab.SetRouter(9, true)
	h.tab.SetRouter(9, true)
	h.want("239.1.1.1", "flood") // there is no querier all the same
	if v := h.from(1, report2("239.1.1.1")); v.Action != Forward || len(v.Ports) != 1 || v.Ports[0] != 9 {
		t.Errorf("a report goes to %v, want port 9", v)
	}
	h.query()
	h.tab.SetRouter(3, true)
	h.want("239.1.1.1", "1 3 7 9")
	h.want("239.1.1.2", "3 7 9")
	h.want("ff05::1:3", "3 7 9")
	h.tab.Forget(3)
	h.want("239.1.1.2", "3 7 9")
	h.tab.SetRouter(3, false)
	h.tab.SetRouter(4, false)
	h.want("239.1.1.1", "1 7 9")
	h.want("239.1.1.2", "7 9")
	check(t, h.tab)
	h.tab.Flush()
	h.tab.SetRouter(7, true) // known already
	h.query()
	h.want("239.1.1.2", "7 9")
	h.tab.SetRouter(9, false)
	h.want("239.1.1.2", "7")
}

func TestForget(t *testing.T) {
	setUp := func() *testSwitch {
		h := newSwitch(t, 10)
		h.from(8, query2("10.0.0.2", "0.0.0.0", 100))
		h.query()
		for _, port := range []int{1, 2} {
			h.from(port, report2("239.1.1.1"))
			h.from(port, mldReport2(rec(isInclude, "ff05::1:3", "2001:db8::1", "2001:db8::2")))
		}
		h.from(2, report2("239.1.1.2"))
		return h
	}
	h := setUp()
	h.tab.Forget(2)
	check(t, h.tab)
	h.want("239.1.1.1", "1 7 8")
	h.want("239.1.1.2", "7 8")
	h.want("ff05::1:3", "1 7")
	for _, router := range []int{8, 7} { // the other one, and the querier
		h.tab.Forget(router)
		check(t, h.tab)
		h.want("239.1.1.1", "flood")
		h.after(20)
		h.want("239.1.1.1", "flood")
		h.query()
		h.want("239.1.1.1", "1 7")
	}

	h = setUp()
	h.in(2, 7, query2("10.0.0.1", "0.0.0.0", 100))
	h.in(2, 1, report2("239.1.1.1"))
	h.after(11)
	h.tab.ForgetVLAN(1)
	check(t, h.tab)
	h.want("239.1.1.1", "flood")
	h.want("ff05::1:3", "flood")
	if got := h.to(2, "239.1.1.1"); got != "1 7" {
		t.Errorf("in the other VLAN: %s", got)
	}
	h.tab.Flush()
	check(t, h.tab)
	if s := h.tab.Stats(); s.Groups != 0 || h.to(2, "239.1.1.1") != "flood" {
		t.Errorf("after a flush there are %d groups", s.Groups)
	}
	h.query()
	h.want("239.1.1.1", "7")
}
