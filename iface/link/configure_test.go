package link_test

import (
	"errors"
	"net"
	"net/netip"
	"reflect"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// addresses lists the addresses of an interface, without those that IPv6
// gives itself.
func addresses(t *testing.T, ns *netns.NS, name string) (list []string) {
	t.Helper()
	nstest.Change(t, ns, name, func(l netlink.Link) error {
		found, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		for _, a := range found {
			if !a.IP.IsLinkLocalUnicast() {
				list = append(list, a.IPNet.String())
			}
		}
		return err
	})
	return list
}

func prefixes(list ...string) (p []netip.Prefix) {
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestConfigure(t *testing.T) {
	_, ns := nstest.New(t)
	name, _ := nstest.Veth(t, ns)
	before, err := link.Get(ns, name)
	if err != nil {
		t.Fatal(err)
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	all := link.Config{MAC: mac, MTU: 1400, Addrs: prefixes("10.9.8.7/24", "2001:db8::7/64"), Up: true}
	undo, err := link.Configure(ns, before, all)
	if err != nil {
		t.Fatal(err)
	}
	after, err := link.Get(ns, name)
	if err != nil || after.MAC.String() != mac.String() || after.MTU != 1400 || !after.Up {
		t.Errorf("configured, it is %+v, %v", after, err)
	}
	if got := addresses(t, ns, name); !reflect.DeepEqual(got, []string{"10.9.8.7/24", "2001:db8::7/64"}) {
		t.Errorf("configured, its addresses are %v", got)
	}

	// The same once more changes nothing, and so has nothing to undo.
	again, err := link.Configure(ns, after, all)
	if err != nil {
		t.Fatal(err)
	}
	again()
	if f, err := link.Get(ns, name); err != nil || !reflect.DeepEqual(f, after) || len(addresses(t, ns, name)) != 2 {
		t.Errorf("a repetition and its undoing left %+v, %v", f, err)
	}

	undo()
	if f, err := link.Get(ns, name); err != nil || !reflect.DeepEqual(f, before) {
		t.Errorf("undone, it is %+v, %v; was %+v", f, err, before)
	}
	if got := addresses(t, ns, name); len(got) != 0 {
		t.Errorf("undone, its addresses are %v", got)
	}
}

// What fails in the middle leaves nothing behind.
func TestConfigureFails(t *testing.T) {
	_, ns := nstest.New(t)
	name, _ := nstest.Veth(t, ns)
	before, err := link.Get(ns, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []link.Config{
		{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 7}, MTU: 67},
		{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 7}, MTU: 1400, Addrs: prefixes("10.9.8.7/24", "ff02::1/64")},
	} {
		if _, err := link.Configure(ns, before, c); err == nil {
			t.Errorf("%+v was put in force", c)
		}
		if f, err := link.Get(ns, name); err != nil || !reflect.DeepEqual(f, before) {
			t.Errorf("after the failure it is %+v, %v; was %+v", f, err, before)
		}
		if got := addresses(t, ns, name); len(got) != 0 {
			t.Errorf("after the failure its addresses are %v", got)
		}
	}
	gone := link.Facts{Index: 4711}
	if _, err := link.Configure(ns, gone, link.Config{Up: true}); !errors.Is(err, unix.ENODEV) {
		t.Errorf("configuring what is not there: %v", err)
	}
}
