package iface

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/link"
)

// The options that a refusal of an unknown one tells.
const (
	tapUsage  = "port=, name=, netns=, mac=, mtu=, addr=, up, owner=, group=, persist, queues="
	vethUsage = "port=, name=, netns=, mac=, mtu=, addr=, up"
	grabUsage = "port=, name=, netns=, copy"
)

func TestParseTap(t *testing.T) {
	for command, want := range map[string]tapCommand{
		"tap0":            {name: "tap0", queues: 1},
		"  tap0\t up ":    {name: "tap0", queues: 1, config: link.Config{Up: true}},
		"tap0 netns=h1":   {name: "tap0", queues: 1, netns: "h1"},
		"tap0 netns=/a=b": {name: "tap0", queues: 1, netns: "/a=b"},
		"tap0 mac=02:00:00:00:00:01 mtu=68 queues=8 persist": {name: "tap0", queues: 8, persist: true, config: link.Config{
			MAC: []byte{2, 0, 0, 0, 0, 1}, MTU: 68,
		}},
		"a-b_c.d+15bytes": {name: "a-b_c.d+15bytes", queues: 1},
		"tap\u00e9":       {name: "tap\u00e9", queues: 1},
	} {
		got, err := parseTap(command)
		want.port = bus.JoinOptions{Make: true, Alone: true, Words: tapUsage}
		if err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%q is read as %+v, %v; want %+v", command, got, err, want)
		}
	}
	c, err := parseTap("tap0 addr=10.0.0.1/24 addr=fd00::1/64 owner=5 group=6")
	if err != nil || len(c.config.Addrs) != 2 || c.config.Addrs[1].String() != "fd00::1/64" || *c.owner != 5 || *c.group != 6 {
		t.Errorf("it is read as %+v, %v", c, err)
	}
	if c, err := parseTap("tap0 owner=root group=root"); err != nil || *c.owner != 0 || *c.group != 0 {
		t.Errorf("names are read as %+v, %v", c, err)
	}
}

func TestParseVeth(t *testing.T) {
	for command, want := range map[string]vethCommand{
		"eth0":             {name: "eth0"},
		"eth0 netns=/a=b":  {name: "eth0", netns: "/a=b"},
		"eth0 up mtu=9000": {name: "eth0", config: link.Config{Up: true, MTU: 9000}},
		"eth0 mac=02:00:00:00:00:01 addr=10.0.0.1/24 addr=fd00::1/64": {name: "eth0", config: link.Config{
			MAC: []byte{2, 0, 0, 0, 0, 1}, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")},
		}},
	} {
		want.port = bus.JoinOptions{Make: true, Alone: true, Words: vethUsage}
		if got, err := parseVeth(command); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%q is read as %+v, %v; want %+v", command, got, err, want)
		}
	}
	// What only a tap has is refused, and says so.
	for _, option := range []string{"owner=5", "group=root", "persist", "queues=2"} {
		_, err := parseVeth("eth0 up " + option)
		if fail.KindOf(err) != fail.Invalid || !strings.Contains(err.Error(), "is an option of tap") || !strings.Contains(err.Error(), vethUsage) {
			t.Errorf("%s: error %v", option, err)
		}
	}
	for command, kind := range map[string]fail.Kind{
		"": fail.Invalid, "eth%d": fail.Invalid, "eth0 mtu=67": fail.Range, "eth0 mtu=65522": fail.Range,
		"eth0 mac=01:00:00:00:00:01": fail.Invalid, "eth0 addr=10.0.0.1": fail.Invalid, "eth0 up up": fail.Invalid,
	} {
		if _, err := parseVeth(command); fail.KindOf(err) != kind {
			t.Errorf("%q: error %v of kind %d, want kind %d", command, err, fail.KindOf(err), kind)
		}
	}
}

func TestParseGrab(t *testing.T) {
	for command, want := range map[string]grabCommand{
		"eth1":               {name: "eth1"},
		"eth1 copy":          {name: "eth1", share: true},
		"eth1 netns=h1 copy": {name: "eth1", share: true, netns: "h1"},
	} {
		want.port = bus.JoinOptions{Make: true, Alone: true, Words: grabUsage}
		if got, err := parseGrab(command); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%q is read as %+v, %v; want %+v", command, got, err, want)
		}
	}
}

// What is no option is a setting of the port, which the network knows or not.
func TestParsePort(t *testing.T) {
	c, err := parseTap("tap0 port=7 name=printer pvid=10 storm=broadcast=1 up storm=multicast=2 isolated")
	want := bus.JoinOptions{Number: 7, Name: "printer", Make: true, Alone: true, Words: tapUsage, Setup: []bus.PortSetting{
		{Name: "pvid", Value: "10"}, {Name: "storm", Value: "broadcast=1"}, {Name: "storm", Value: "multicast=2"}, {Name: "isolated"},
	}}
	if err != nil || !c.config.Up || !reflect.DeepEqual(c.port, want) {
		t.Errorf("it is read as %+v, %v", c, err)
	}
	if c.options() != true {
		t.Error("up is no option")
	}
	if c, err := parseTap("tap0 port=7 name=printer pvid=10"); err != nil || c.options() {
		t.Errorf("which port it is takes root: %v", err)
	}
}

func TestParseDetach(t *testing.T) {
	for command, want := range map[string][2]string{"eth0": {"eth0", ""}, " eth0  netns=h1 ": {"eth0", "h1"}, "e netns=/a=b": {"e", "/a=b"}} {
		if name, where, err := parseDetach(command); err != nil || name != want[0] || where != want[1] {
			t.Errorf("%q is read as %s, %s, %v", command, name, where, err)
		}
	}
	for _, command := range []string{"", " ", "eth0 now", "eth0 netns", "eth0 netns=", "eth0 netns=h1 now", "eth0 up", "eth0 netns=h1 netns=h1"} {
		if _, _, err := parseDetach(command); fail.KindOf(err) != fail.Invalid {
			t.Errorf("%q: error %v", command, err)
		}
	}
}

func TestParseRefused(t *testing.T) {
	for command, kind := range map[string]fail.Kind{
		"":                                  fail.Invalid,
		" \t":                               fail.Invalid,
		".":                                 fail.Invalid,
		"..":                                fail.Invalid,
		"a/b":                               fail.Invalid,
		"a:b":                               fail.Invalid,
		"tap%d":                             fail.Invalid,
		"a\x00b":                            fail.Invalid,
		"a\x7fb":                            fail.Invalid,
		strings.Repeat("x", 128):            fail.NameTooLong,
		"t =":                               fail.Invalid,
		"t pvid=":                           fail.Invalid,
		"t pvid=1 pvid=1":                   fail.Invalid,
		"t storm=unknown=1 storm=unknown=2": fail.Invalid,
		"t port=":                           fail.Invalid,
		"t port=x":                          fail.Invalid,
		"t port=0":                          fail.Range,
		"t port=-1":                         fail.Invalid,
		"t port=65537":                      fail.Range,
		"t port=1 port=2":                   fail.Invalid,
		"t name=":                           fail.Invalid,
		"t name=a name=b":                   fail.Invalid,
		"t up=1":                            fail.Invalid,
		"t up=":                             fail.Invalid,
		"t up up":                           fail.Invalid,
		"t persist=yes":                     fail.Invalid,
		"t netns":                           fail.Invalid,
		"t netns=":                          fail.Invalid,
		"t netns=a netns=b":                 fail.Invalid,
		"t mtu=x":                           fail.Invalid,
		"t mtu=1500b":                       fail.Invalid,
		"t mtu=67":                          fail.Range,
		"t mtu=-1":                          fail.Invalid,
		"t mtu=65522":                       fail.Range,
		"t mtu=1500 mtu=1500":               fail.Invalid,
		"t queues=0":                        fail.Range,
		"t queues=9":                        fail.Range,
		"t mac=x":                           fail.Invalid,
		"t mac=01:00:00:00:00:01":           fail.Invalid,
		"t mac=ff:ff:ff:ff:ff:ff":           fail.Invalid,
		"t mac=00:00:00:00:00:00":           fail.Invalid,
		"t mac=02:00:00:00:00:00:00:01":     fail.Invalid,
		"t addr=10.0.0.1":                   fail.Invalid,
		"t addr=10.0.0.1/33":                fail.Invalid,
		"t addr=224.0.0.1/24":               fail.Invalid,
		"t addr=0.0.0.0/0":                  fail.Invalid,
		"t addr=::/0":                       fail.Invalid,
		"t addr=ff02::1/64":                 fail.Invalid,
		"t addr=fe80::1%eth0/64":            fail.Invalid,
		"t addr=::ffff:1.2.3.4/96":          fail.Invalid,
		"t owner=4294967295":                fail.Invalid,
		"t owner=4294967296":                fail.Invalid,
		"t owner=1x":                        fail.Invalid,
		"t owner=no-such-user":              fail.Unknown,
		"t group=no-such-group":             fail.Unknown,
	} {
		if _, err := parseTap(command); fail.KindOf(err) != kind || err.Error() == "" {
			t.Errorf("%q: error %v of kind %d, want kind %d", command, err, fail.KindOf(err), kind)
		}
	}
	for command, kind := range map[string]fail.Kind{
		"": fail.Invalid, "a/b": fail.Invalid, "eth1 copy=1": fail.Invalid, "eth1 copy copy": fail.Invalid,
	} {
		if _, err := parseGrab(command); fail.KindOf(err) != kind {
			t.Errorf("%q: error %v of kind %d, want kind %d", command, err, fail.KindOf(err), kind)
		}
	}
}

func FuzzTapCommand(f *testing.F) {
	for _, seed := range []string{
		"tap0", "tap0 up", "eth0 netns=/run/netns/h1 mac=02:00:00:00:00:01 mtu=1500 addr=10.0.0.1/24 addr=fd00::1/64 up",
		"t owner=5 group=root persist queues=8", "tap%d", "t =", "t netns==", "\x00",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		c, err := parseTap(command)
		if err != nil {
			if fail.KindOf(err) == 0 || err.Error() == "" {
				t.Errorf("a refusal without a kind or a reason: %v", err)
			}
			return
		}
		checkParsed(t, c.name)
		if m := c.config.MTU; m != 0 && (m < minMTU || m > maxMTU) || c.queues < 1 || c.queues > maxQueues {
			t.Errorf("out of range: %+v", c)
		}
		if mac := c.config.MAC; mac != nil && (len(mac) != 6 || mac[0]&1 != 0) {
			t.Errorf("no station's address: %v", mac)
		}
		for _, a := range c.config.Addrs {
			if !a.IsValid() {
				t.Errorf("no address: %v", a)
			}
		}
		if (c.owner != nil && *c.owner == link.Nobody) || (c.group != nil && *c.group == link.Nobody) {
			t.Errorf("nobody: %+v", c)
		}
	})
}

func FuzzGrabCommand(f *testing.F) {
	for _, seed := range []string{"eth1", "eth1 copy", "eth1 netns=h1", "eth1 netns=", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, command string) {
		if c, err := parseGrab(command); err == nil {
			checkParsed(t, c.name)
		}
	})
}

func checkParsed(t *testing.T, name string) {
	t.Helper()
	if name == "" || len(name) > 127 || strings.ContainsAny(name, "/%: \t\n\x00") {
		t.Errorf("the kernel gets the name %q", name)
	}
}
