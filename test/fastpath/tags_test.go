package fastpath

import (
	"bytes"
	"fmt"
	"testing"

	"ipnfs/test/harness"
)

// tag is a VLAN tag as it stands in a frame (IEEE 802.1Q 9.3).
func tag(tpid, pcp, vlan uint32) uint32 { return tpid<<16 | pcp<<13 | vlan }

const (
	customer = 0x8100
	service  = 0x88a8
)

// side is how a port is set up: it is in VLANs 10 and 20 at most.
type side struct {
	name   string
	pvid   uint32
	tagged []uint32
	tpid   uint32
}

func (s side) setUp(h *host) {
	vlans := "none"
	for i, v := range s.tagged {
		vlans = map[bool]string{true: "", false: vlans + ","}[i == 0] + fmt.Sprint(v)
	}
	h.setPort("pvid=0", "vlans="+vlans, fmt.Sprintf("tpid=%#x", s.tpid), fmt.Sprint("pvid=", s.pvid))
}

func (s side) has(vlan uint32) (untagged, tagged bool) {
	for _, v := range s.tagged {
		tagged = tagged || v == vlan
	}
	return !tagged && vlan != 0 && s.pvid == vlan, tagged
}

// comes returns the VLAN that a frame comes into, 0: none, its priority, and the tags that
// are data (802.1Q 6.9.1, 8.6.2, 9.5).
func (s side) comes(tags []uint32) (vlan, pcp uint32, data []uint32) {
	vlan, data = s.pvid, tags
	if len(tags) > 0 && tags[0]>>16 == s.tpid {
		pcp, data = tags[0]>>13&7, tags[1:]
		if v := tags[0] & 0xfff; v != 0 {
			vlan = v
		}
	}
	if untagged, tagged := s.has(vlan); !untagged && !tagged {
		vlan = 0
	}
	return vlan, pcp, data
}

// leaves returns the tags of a frame as it leaves, or that it does not (802.1Q 8.6.4).
func (s side) leaves(vlan, pcp uint32, data []uint32) (tags []uint32, ok bool) {
	untagged, tagged := s.has(vlan)
	if tagged {
		return append([]uint32{tag(s.tpid, pcp, vlan)}, data...), true
	}
	return data, untagged
}

// Known unicast has the same tags by the kernel alone as it has by the daemon, which are
// those that the standard says, for all kinds of ports and frames; and what does not belong
// to the VLANs of a port passes neither.
func TestTags(t *testing.T) {
	l := newLAN(t, mount(t), "tags", 2, "switch/vlan=on")
	a, b := l.hosts[0], l.hosts[1]
	frames := [][]uint32{
		nil,
		{tag(customer, 5, 0)},
		{tag(customer, 3, 10)},
		{tag(customer, 7, 20)},
		{tag(customer, 7, 30)},
		{tag(customer, 0, 4095)},
		{tag(customer, 1, 20), tag(customer, 2, 10)},
		{tag(service, 1, 20)},
		{tag(service, 4, 0)},
		{tag(service, 1, 10), tag(customer, 2, 20)},
		{tag(service, 1, 100), tag(customer, 2, 20)},
	}
	ins := []side{
		{"customer's", 10, []uint32{20}, customer},
		{"provider's", 10, []uint32{20}, service},
		{"trunk", 0, []uint32{10, 20}, customer},
	}
	outs := []side{
		{"access", 10, nil, customer},
		{"trunk", 0, []uint32{10, 20}, customer},
		{"native", 10, []uint32{20}, customer},
		{"provider's trunk", 0, []uint32{10, 20}, service},
		{"provider's access", 20, nil, service},
	}
	n := uint64(0)
	for _, in := range ins {
		for _, out := range outs {
			in.setUp(a)
			out.setUp(b)
			for s, h := range map[*side]*host{&in: a, &out: b} { // each is known wherever it may be
				h.sendOne(frame(hello, everybody, h.mac))
				for _, vlan := range []uint32{10, 20} {
					h.sendOne(frame(hello, everybody, h.mac, tag(s.tpid, 0, vlan)))
				}
			}
			for _, tags := range frames {
				vlan, pcp, data := in.comes(tags)
				left, ok := out.leaves(vlan, pcp, data)
				ok = ok && vlan != 0
				what := fmt.Sprintf("frame with tags %x from a port %s, out of a port %s", tags, in.name, out.name)
				null := len(tags) > 0 && tags[0]>>16 == in.tpid && tags[0]&0xfff == 0 // the daemon's
				switch {
				case ok && !null:
					harness.Eventually(t, what+", to be forwarded by the kernel alone", func() bool { return l.alone(a, b, tags...) })
				case l.alone(a, b, tags...):
					t.Errorf("%s: the kernel forwards it", what)
				}
				for _, mode := range []string{"on", "off"} {
					l.set("switch/fastpath=" + mode)
					n++
					a.sendOne(number(frame(there, b.mac, a.mac, tags...), n))
					if !ok {
						continue // looked for below
					}
					harness.Eventually(t, what, func() bool { return b.came(there, n) })
					b.mu.Lock()
					got, want := b.flows[there].sample[n], number(frame(there, b.mac, a.mac, left...), n)
					b.mu.Unlock()
					// But for the padding: a tag is 4 bytes more, or less.
					if got, want := bytes.TrimRight(got, "\x00"), bytes.TrimRight(want, "\x00"); !bytes.Equal(got, want) {
						t.Errorf("%s, fastpath %s: %x, want %x", what, mode, got, want)
					}
				}
				l.set("switch/fastpath=on")
				if ok {
					continue
				}
				l.settle() // what comes has come
				if b.came(there, n) || b.came(there, n-1) {
					t.Errorf("%s: came", what)
				}
			}
		}
	}
	b.checkOrder(there)
}
