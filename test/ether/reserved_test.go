package ether

import (
	"fmt"
	"strings"
	"testing"

	"ipnfs/test/harness"
)

// Frames to the addresses that bridges keep to themselves pass or do not as
// through the kernel's bridge, with no spanning tree: at first, and with a mask
// of those that are let through. The kernel's takes none with bits 0 to 2.
func TestReservedAddresses(t *testing.T) {
	t.Parallel()
	harness.NeedRoot(t)
	for _, mask := range []string{"0x0000", "0x4008", "0xfff8"} {
		k := pair{newHost(t), newHost(t)}
		bridge := newHost(t)
		bridge.IP("link add br0 type bridge stp_state 0 group_fwd_mask " + mask)
		bridge.IP("link set br0 up")
		for i, h := range []*host{k.a, k.b} {
			bridge.veth(fmt.Sprint("v", i), h)
			bridge.IP(fmt.Sprintf("link set v%d master br0", i))
		}
		l := start(t)
		p := pair{newHost(t), newHost(t)}
		p.a.attach(l, lan, "tap", "eth0")
		p.b.attach(l, lan, "veth", "eth0")
		l.set(lan, "switch/group_forward="+mask)

		want, got := k.reserved(), p.reserved()
		t.Logf("mask %s: %s", mask, want)
		if got != want {
			t.Errorf("mask %s: these pass: %s, but these through the kernel's bridge: %s", mask, got, want)
		}
		if n := harness.ReadStats(t, l.Path(lan, "stats"))["drop_filtered"]; n != uint64(16-len(strings.Fields(got))) {
			t.Errorf("mask %s: drop_filtered is %d", mask, n)
		}
	}
}

// reserved lists the addresses 01:80:c2:00:00:00 to 0f to which frames pass, by
// their last byte.
func (p pair) reserved() string {
	for _, h := range []*host{p.a, p.b} {
		h.Quiet("eth0")
		h.IP("link set eth0 up")
	}
	from, to := p.a.wire("eth0"), p.b.wire("eth0")
	for n := range byte(16) {
		f := frame(1, fmt.Sprint("to ", n))
		copy(f, []byte{0x01, 0x80, 0xc2, 0, 0, n})
		from.send(f)
	}
	from.send(frame(1, "the last one"))
	await(p.a.t, "the last frame", to, "the last one")
	var came []string
	for n := range 16 {
		if len(to.came(fmt.Sprint("to ", n))) > 0 {
			came = append(came, fmt.Sprintf("%02x", n))
		}
	}
	return strings.Join(came, " ")
}
