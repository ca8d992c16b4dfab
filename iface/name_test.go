package iface_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/nstest"
)

// An interface is found by each of its names, however long.
func TestAltNames(t *testing.T) {
	l := newLab(t)
	veth, _ := nstest.Veth(t, l.ns)
	nstest.Tap(t, l.ns, "lnktap", nstest.Tun{})
	long := "a-name-of-an-interface-" + strings.Repeat("x", 90)
	for name, alt := range map[string]string{veth: long, "lnktap": long + "-tap"} {
		nstest.Change(t, l.ns, name, func(k netlink.Link) error { return netlink.LinkAddAltName(k, alt) })
	}
	nstest.Change(t, l.ns, veth, func(k netlink.Link) error { return netlink.LinkAddAltName(k, "lnkshort") })
	for _, c := range []struct{ file, by, is, off string }{
		{"grab", long, veth, long},
		{"grab", "lnkshort", veth, veth},
		{"grab", veth, veth, "lnkshort"},
		{"tap", long + "-tap", "lnktap", long + "-tap"},
	} {
		if line := l.attach(c.file, c.by); !hasWords(line, c.is, "port=1") {
			t.Errorf("%s shows %q", c.file, line)
		}
		if got := l.Net.Port(1).Info().Conns[0].Detail; got != c.is {
			t.Errorf("%s: the port is connected to %q", c.by, got)
		}
		l.detach(c.file, c.off)
		l.wantList(c.file)
	}
	l.want(fail.Exists, l.root, "tap", "lnkshort")
	l.want(fail.Unknown, l.root, "grab", long+"-none")
	l.want(fail.NameTooLong, l.root, "tap", long+"-none")
	l.want(fail.NameTooLong, l.root, "grab", long+long)
	l.want(fail.NameTooLong, l.root, "tap", "sixteen-bytes-xx")
	// One that it got while it was attached, and down: the kernel tells nobody.
	l.attach("grab", veth)
	nstest.Change(t, l.ns, veth, func(k netlink.Link) error { return netlink.LinkAddAltName(k, "lnklate") })
	l.detach("grab", "lnklate")
}

// Of several of one name, in several namespaces, netns= says which.
func TestDetachNamespace(t *testing.T) {
	l := newLab(t)
	other, ns := nstest.New(t)
	third, _ := nstest.New(t)
	outsider := process(t, ns, &syscall.Credential{Uid: user, Gid: group})
	for _, netns := range []string{l.host, other} {
		l.attach("tap", "lnk0 netns="+netns)
	}
	root := l.root
	unknown := outside(root) // so is his own namespace
	try := func(kind fail.Kind, by bus.Caller, command string) {
		t.Helper()
		if err := detach(l.Net, by, "tap", command); fail.KindOf(err) != kind || err != nil && kind == 0 {
			t.Errorf("-%s: %v of kind %d, want kind %d", command, err, fail.KindOf(err), kind)
		}
	}
	try(fail.Invalid, unknown, "lnk0")
	try(fail.Denied, unknown, "lnk0 netns="+other)
	try(fail.Unknown, root, "lnk0 netns="+third)
	try(fail.Unknown, root, "lnk0 netns=lnknone")
	try(fail.Unknown, root, "lnk1 netns="+other)
	try(fail.Invalid, root, "lnk0 netns=")
	try(fail.Invalid, root, "lnk0 up")
	try(fail.Denied, outsider, "lnk0 netns="+other)
	try(fail.Denied, outsider, "lnk0") // he does not get at root's
	try(0, root, "lnk0 netns="+other)
	l.wantList("tap", "lnk0", "netns="+l.host)
	try(fail.Unknown, root, "lnk0 netns="+other)
	try(0, unknown, "lnk0")
	l.wantList("tap")
}

// Refusals that read as if they were a matter of the writer's rights, and are
// none.
func TestReasons(t *testing.T) {
	l := newLab(t)
	nstest.In(t, l.ns, func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	})
	nstest.Tap(t, l.ns, "lnkqemu", nstest.Tun{})
	hold(t, l.ns, "lnkqemu")
	for _, c := range []struct {
		command string
		kind    fail.Kind
		says    []string
	}{
		{"lnk0 addr=fd00::1/64", fail.Denied, []string{"IPv6 is switched off", "sysctl", "net/ipv6/conf/default/disable_ipv6=0"}},
		{"lnkqemu", fail.Busy, []string{"grab", "echo lnkqemu >grab"}},
		{"lnkqemu netns=" + l.host, fail.Busy, []string{"echo lnkqemu netns=" + l.host + " >grab"}},
	} {
		err := attach(l.Net, l.root, "tap", c.command)
		if fail.KindOf(err) != c.kind {
			t.Errorf("%s: %v of kind %d, want %d", c.command, err, fail.KindOf(err), c.kind)
		}
		for _, word := range c.says {
			if err != nil && !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", c.command, err, word)
			}
		}
	}
	nstest.Tap(t, l.ns, "lnkbusy", nstest.Tun{Owner: user})
	hold(t, l.ns, "lnkbusy")
	if err := attach(l.Net, userIn(t, l, user), "tap", "lnkbusy"); fail.KindOf(err) != fail.Busy || strings.Contains(err.Error(), "grab") {
		t.Errorf("a user, who cannot grab: %v", err)
	}
	l.attach("grab", "lnkqemu") // as it says
	nstest.In(t, l.ns, func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("0"), 0)
	})
	err := attach(l.Net, l.root, "tap", "lnk0 mtu=1000 addr=fd00::1/64")
	if fail.KindOf(err) != fail.Invalid || !strings.Contains(err.Error(), "1280") {
		t.Errorf("an mtu that is too small for IPv6: %v", err)
	}
}
