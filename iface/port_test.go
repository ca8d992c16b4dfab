package iface_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/iface/link"
	"ipnfs/iface/nstest"
	_ "ipnfs/policies/l2switch"
)

// newSwitch is a lab whose network is a switch.
func newSwitch(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	if err := l.Net.SetPolicy("switch vlan=on"); err != nil {
		t.Fatal(err)
	}
	return l
}

// knob reads what the policy has for a port.
func (l *lab) knob(number int, name string) (value string) {
	l.t.Helper()
	p := l.Net.Port(number)
	if p == nil {
		l.t.Fatalf("there is no port %d", number)
	}
	err := p.UsePolicy(func(current policy.Policy) error {
		knobs := current.(policy.PortKnobber).PortKnobs()
		i := slices.IndexFunc(knobs, func(k policy.PortKnob) bool { return k.Name == name })
		value, _, _ = strings.Cut(knobs[i].Get(p), "\n")
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return value
}

func (l *lab) wantKnobs(number int, want map[string]string) {
	l.t.Helper()
	for name, value := range want {
		if got := l.knob(number, name); got != value {
			l.t.Errorf("port %d has %s %q, want %q", number, name, got, value)
		}
	}
}

// An interface becomes the port that it is told, set up as it is told.
func TestPortOptions(t *testing.T) {
	l := newSwitch(t)
	veth, _ := nstest.Veth(t, l.ns)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	for file, name := range map[string]string{"tap": "lnk0", "veth": "lnk0", "grab": veth} {
		for _, port := range []string{"7", "12"} {
			number := map[string]int{"7": 7, "12": 12}[port]
			line := l.attach(file, name+" port="+port+" pvid=10 vlans=20,30-31 name=uplink storm=broadcast=5 storm=multicast=6 stp=edge=off")
			if !hasWords(line, "port="+port) {
				t.Errorf("%s shows %q", file, line)
			}
			l.wantKnobs(number, map[string]string{
				"pvid": "10", "vlans": "20,30-31", "storm": "broadcast=5 multicast=6 unknown=off",
				"stp": "cost=20000 priority=128 edge=off p2p=on guard=off root_guard=off",
			})
			if got := l.Net.Port(number).Info(); got.Name != "uplink" || got.Conns[0].Detail != name || got.Reserved != (number == 7) {
				t.Errorf("port %s is %+v", port, got)
			}
			l.detach(file, name)
		}
	}
	if got := l.Net.Ports(); !slices.Equal(got, []int{7}) {
		t.Errorf("ports %v are left, want the reserved one", got)
	}
}

// What is refused changes nothing: not the port, not the interface, and
// nothing is published.
func TestPortOptionsRefused(t *testing.T) {
	l := newSwitch(t)
	veth, _ := nstest.Veth(t, l.ns)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	l.attach("tap", "lnkholds port=3")
	if err := l.Net.Change(func(s *bus.Settings) { s.MaxPorts = 20 }); err != nil {
		t.Fatal(err)
	}
	events := &bustest.Events{}
	if err := l.Net.Subscribe(events); err != nil {
		t.Fatal(err)
	}
	for options, kind := range map[string]fail.Kind{
		"port=0":                           fail.Range,
		"port=21":                          fail.Range,
		"port=x":                           fail.Invalid,
		"port=3":                           fail.Busy,
		"port=3 pvid=10":                   fail.Busy,
		"port=7 pvid=10 colour=red":        fail.Invalid,
		"port=7 pvid=4095":                 fail.Range,
		"port=9 pvid=10 vlans=1-":          fail.Invalid,
		"pvid=10 mtux=1400":                fail.Invalid,
		"port=7 pvid":                      fail.Invalid,
		"name=" + strings.Repeat("x", 129): fail.Range,
	} {
		l.want(kind, l.root, "tap", "lnk0 up "+options)
		l.want(kind, l.root, "veth", "lnk0 up "+options)
		l.want(kind, l.root, "grab", veth+" "+options)
	}
	if lines := events.Lines(); len(lines) != 0 {
		t.Errorf("refusals are events: %q", lines)
	}
	if _, err := link.Get(l.ns, "lnk0"); err == nil {
		t.Error("a refusal left a device")
	}
	if promiscuous(t, l.ns, veth) != 0 || programs(t, l.ns, veth) != 0 {
		t.Error("a refusal left traces")
	}
	l.wantKnobs(7, map[string]string{"pvid": "1", "vlans": "none"})
	if got := l.Net.Ports(); !slices.Equal(got, []int{3, 7}) {
		t.Errorf("refusals left ports %v", got)
	}
	// Both what the file takes and what the policy takes is told; and who has
	// the port.
	for options, words := range map[string][]string{
		"colour=red": {"colour", "port=", "mtu=", "policy switch", "pvid=", "vlans="},
		"port=3":     {"port 3", "tap lnkholds", "uid 0"},
	} {
		err := attach(l.Net, l.root, "tap", "lnk0 "+options)
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not tell %q", options, err, word)
			}
		}
	}
}

// The setup of a reserved port waits for who comes back, in whatever way the
// interface went, and for another one.
func TestReservedPortWaits(t *testing.T) {
	l := newSwitch(t)
	p, err := l.Net.Reserve(7)
	if err != nil {
		t.Fatal(err)
	}
	overflow := bus.DropOld
	access := bus.Access{Mode: 0o700, UID: 5, GID: 6}
	for _, err := range []error{p.SetQueue(3), p.SetOverflow(&overflow), p.SetMirror([]int{9}), p.SetName("host")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p.ChangeAccess(func(a *bus.Access) { *a = access })
	l.attach("tap", "lnk0 port=7 pvid=10 vlans=20 isolated=on tpid=0x88a8")
	check := func(what string) {
		t.Helper()
		nstest.Wait(t, what, func() bool { return len(p.Info().Conns) == 0 })
		l.wantKnobs(7, map[string]string{"pvid": "10", "vlans": "20", "isolated": "on", "tpid": "0x88a8"})
		if l.Net.Port(7) != p || p.Queue() != 3 || p.Overflow() != bus.DropOld || p.Access() != access || p.Info().Name != "host" || !slices.Equal(p.Mirror(), []int{9}) {
			t.Errorf("%s: the port is another: %+v", what, p.Info())
		}
	}
	l.detach("tap", "lnk0")
	check("taken off")
	l.attach("tap", "lnk0 port=7")
	nstest.Change(t, l.ns, "lnk0", netlink.LinkDel)
	check("deleted")
	name, ns := nstest.New(t)
	l.attach("tap", "lnk0 port=7 netns="+name)
	nstest.Delete(name)
	ns.Close()
	check("its namespace ended")
	l.attach("veth", "lnk0 port=7")
	nstest.Change(t, l.ns, "lnk0", netlink.LinkDel)
	check("a veth, deleted")
	veth, _ := nstest.Veth(t, l.ns)
	l.attach("grab", veth+" port=7")
	nstest.Change(t, l.ns, veth, netlink.LinkDel)
	check("another one, deleted")
	l.attach("tap", "lnk0 port=7")
	l.wantKnobs(7, map[string]string{"pvid": "10", "vlans": "20", "isolated": "on", "tpid": "0x88a8"})

	// A setting is of the policy: another one has none of it, and does not know
	// its words.
	if err := l.Net.SetPolicy("switch"); err != nil {
		t.Fatal(err)
	}
	l.wantKnobs(7, map[string]string{"pvid": "1", "vlans": "none"})
	if err := l.Net.SetPolicy("broadcast"); err != nil {
		t.Fatal(err)
	}
	l.want(fail.Invalid, l.root, "tap", "lnk1 pvid=10")
}

// Which port it is does not take root: a user's own tap has it all.
func TestUserSetsPortUp(t *testing.T) {
	l := newSwitch(t)
	u := userIn(t, l, user)
	nstest.Tap(t, l.ns, "lnkmine", nstest.Tun{Owner: user})
	l.want(0, u, "tap", "lnkmine port=5 pvid=10 name=mine")
	l.wantKnobs(5, map[string]string{"pvid": "10"})
	if err := detach(l.Net, u, "tap", "lnkmine"); err != nil {
		t.Fatal(err)
	}
	l.want(fail.Denied, u, "tap", "lnkmine port=5 up")
}
