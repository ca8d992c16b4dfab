package snoop

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Text lists the table for people and programs. Each line has five columns
// with one space between them; what has no value is "-".
//
//	VLAN KIND NAME PORTS AGE
//	- router any 9 -                 a port of SetRouter
//	1 pruning ipv4 on -              or off: multicast goes everywhere
//	1 querier 10.0.0.1 7 4           the one elected
//	1 router ipv4 7 4                ports where routers were heard, one a line
//	1 group 239.1.2.3 2,5 12         the ports that want it
//
// AGE is in seconds, up to the last Tick, since the last message. The order is
// that of the example within a VLAN and protocol; VLANs, IPv4 before IPv6, and
// groups ascend.
func (t *Table) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for _, port := range t.static {
		fmt.Fprintf(&b, "- router any %d -\n", port)
	}
	domains := make([]*domain, 0, len(t.domains))
	for _, d := range t.domains {
		domains = append(domains, d)
	}
	slices.SortFunc(domains, func(a, b *domain) int {
		return cmp.Or(cmp.Compare(a.vlan, b.vlan), cmp.Compare(a.protocol(), b.protocol()))
	})
	for _, d := range domains {
		t.writeDomain(&b, d)
	}
	return b.String()
}

func (d *domain) protocol() string {
	if d.v6 {
		return "ipv6"
	}
	return "ipv4"
}

func (t *Table) writeDomain(b *strings.Builder, d *domain) {
	pruning := "off"
	if d.pruned {
		pruning = "on"
	}
	fmt.Fprintf(b, "%d pruning %s %s -\n", d.vlan, d.protocol(), pruning)
	if q := &d.querier; q.port != 0 {
		fmt.Fprintf(b, "%d querier %s %d %d\n", d.vlan, q.address, q.port, t.age(q.seen))
	}
	for _, r := range d.routers {
		fmt.Fprintf(b, "%d router %s %d %d\n", d.vlan, d.protocol(), r.port, t.age(r.seen))
	}
	groups := make([]*group, 0, len(d.groups))
	for _, g := range d.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int { return a.address.Compare(b.address) })
	for _, g := range groups {
		ports := make([]string, len(g.members))
		for i := range g.members {
			ports[i] = strconv.Itoa(g.members[i].port)
		}
		fmt.Fprintf(b, "%d group %s %s %d\n", d.vlan, g.address, strings.Join(ports, ","), t.age(g.seen))
	}
}

// age is the time since a moment in whole seconds.
func (t *Table) age(seen moment) int { return int(max(t.now-seen, 0) / time.Second) }
