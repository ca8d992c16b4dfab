package link

import (
	"encoding/hex"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/nstest"
)

func TestGet(t *testing.T) {
	_, ns := nstest.New(t)
	veth, _ := nstest.Veth(t, ns)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: nstest.Name()}}
	nstest.Add(t, ns, bridge)
	const owner, group = 1234, 2345
	free, taken, tun := nstest.Name(), nstest.Name(), nstest.Name()
	nstest.Tap(t, ns, free, nstest.Tun{})
	nstest.Tap(t, ns, taken, nstest.Tun{Flags: unix.IFF_MULTI_QUEUE, Owner: owner, Group: group})
	nstest.Add(t, ns, &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: tun}, Mode: netlink.TUNTAP_MODE_TUN})

	for _, c := range []struct {
		name string
		want Facts
	}{
		{"lo", Facts{MTU: 65536, Loopback: true}},
		{veth, Facts{MTU: 1500, Kind: "veth", Ethernet: true}},
		{bridge.Name, Facts{MTU: 1500, Kind: "bridge", Ethernet: true}},
		{free, Facts{MTU: 1500, Kind: "tun", Ethernet: true, Tun: Tun{
			Tap: true, Persist: true, Owner: Nobody, Group: Nobody,
		}}},
		{taken, Facts{MTU: 1500, Kind: "tun", Ethernet: true, Tun: Tun{
			Tap: true, Persist: true, MultiQueue: true, Owner: owner, Group: group,
		}}},
	} {
		f, err := Get(ns, c.name)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if c.want.Kind != "tun" {
			c.want.Tun.Owner, c.want.Tun.Group = Nobody, Nobody
		}
		got := f
		got.Index, got.Name, got.MAC, got.Tun.Queues = 0, "", nil, 0
		if f.Name != c.name || f.Index == 0 || !f.Loopback && f.Ethernet && len(f.MAC) != 6 || !equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, f, c.want)
		}
	}
	if f, err := Get(ns, tun); err != nil || f.Kind != "tun" || f.Tun.Tap || f.Ethernet {
		t.Errorf("a tun device: %+v, %v", f, err)
	}
	nstest.Change(t, ns, veth, func(l netlink.Link) error { return netlink.LinkSetMaster(l, bridge) })
	if f, err := Get(ns, veth); err != nil || f.Master != bridge.Index {
		t.Errorf("in a bridge: %+v, %v", f, err)
	}
}

// Each end of a veth tells where the other one is.
func TestPeer(t *testing.T) {
	_, ns := nstest.New(t)
	_, other := nstest.New(t)
	a, b := nstest.Veth(t, ns)
	want := func(id int) {
		t.Helper()
		where := ns
		if id != own {
			where = other
		}
		one, err := Get(ns, a)
		two, err2 := Get(where, b)
		if err != nil || err2 != nil || one.Peer != two.Index || two.Peer != one.Index || one.PeerNS != id {
			t.Errorf("the ends are %+v, %v and %+v, %v; want one in namespace %d", one, err, two, err2, id)
		}
	}
	want(own)
	const id = 4711
	nstest.In(t, ns, func() error { return netlink.SetNetNsIdByFd(other.FD(), id) })
	nstest.Change(t, ns, b, func(l netlink.Link) error { return netlink.LinkSetNsFd(l, other.FD()) })
	want(id)
	if lo, err := Get(ns, "lo"); err != nil || lo.Peer != 0 || lo.PeerNS != own {
		t.Errorf("lo: %+v, %v", lo, err)
	}
}

func equal(a, b Facts) bool {
	a.MAC, b.MAC = nil, nil
	return a.Index == b.Index && a.Name == b.Name && a.MTU == b.MTU && a.Up == b.Up && a.Carrier == b.Carrier &&
		a.Kind == b.Kind && a.Ethernet == b.Ethernet && a.Loopback == b.Loopback && a.Master == b.Master && a.Tun == b.Tun
}

// FuzzMessages reads whatever comes as if the kernel had sent it.
func FuzzMessages(f *testing.F) {
	for _, seed := range []string{
		"",
		"0000010002000000030001000000000008000300746170300800040000050000",                                 // a name and an mtu
		"00000100020000000300010000000000240012000800010074756e00180002000500030002000000080001002a000000", // a tun device
		"000001000200000003000100000000000500ff",
		"00000100020000000300010000000000ffff0300",
	} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if facts, ok := parse(b); ok && (facts.Name == "" || facts.Index <= 0) {
			t.Errorf("read %+v", facts)
		}
		parseLeft(b)
		parseNSID(b)
		if id := namespaceOf(b); id < own && len(b) < unix.SizeofCmsghdr+4 {
			t.Errorf("read namespace %d", id)
		}
	})
}
