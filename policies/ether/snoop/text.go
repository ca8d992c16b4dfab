package snoop

import (
	"cmp"
	"fmt"
	"net/netip"
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
	static, domains := t.told()
	slices.SortFunc(domains, func(a, b toldDomain) int {
		return cmp.Or(cmp.Compare(a.vlan, b.vlan), cmp.Compare(a.protocol, b.protocol))
	})
	var b strings.Builder
	for _, port := range static {
		fmt.Fprintf(&b, "- router any %d -\n", port)
	}
	for i := range domains {
		domains[i].write(&b)
	}
	return b.String()
}

// toldDomain is what Text tells of a domain: copied under the lock, and written
// without it.
type toldDomain struct {
	vlan     uint16
	protocol string
	pruned   bool
	querier  netip.Addr
	at, age  int // port and age of the querier; 0: none
	routers  []toldRouter
	groups   []toldGroup
}

type toldRouter struct{ port, age int }

type toldGroup struct {
	address netip.Addr
	ports   []int
	age     int
}

// told copies what there is, some groups at a time.
func (t *Table) told() (static []int, domains []toldDomain) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.domains {
		c := toldDomain{vlan: d.vlan, protocol: d.protocol(), pruned: d.pruned, querier: d.querier.address, at: d.querier.port, age: t.age(d.querier.seen)}
		for _, r := range d.routers {
			c.routers = append(c.routers, toldRouter{r.port, t.age(r.seen)})
		}
		t.eachGroup(d, func(g *group) {
			ports := make([]int, len(g.members))
			for i := range g.members {
				ports[i] = g.members[i].port
			}
			c.groups = append(c.groups, toldGroup{g.address, ports, t.age(g.seen)}) // +checklocksignore: t.mu is held
		})
		domains = append(domains, c)
	}
	return slices.Clone(t.static), domains
}

func (d *domain) protocol() string {
	if d.v6 {
		return "ipv6"
	}
	return "ipv4"
}

func (d *toldDomain) write(b *strings.Builder) {
	pruning := "off"
	if d.pruned {
		pruning = "on"
	}
	fmt.Fprintf(b, "%d pruning %s %s -\n", d.vlan, d.protocol, pruning)
	if d.at != 0 {
		fmt.Fprintf(b, "%d querier %s %d %d\n", d.vlan, d.querier, d.at, d.age)
	}
	for _, r := range d.routers {
		fmt.Fprintf(b, "%d router %s %d %d\n", d.vlan, d.protocol, r.port, r.age)
	}
	slices.SortFunc(d.groups, func(a, b toldGroup) int { return a.address.Compare(b.address) })
	for _, g := range d.groups {
		ports := make([]string, len(g.ports))
		for i, port := range g.ports {
			ports[i] = strconv.Itoa(port)
		}
		fmt.Fprintf(b, "%d group %s %s %d\n", d.vlan, g.address, strings.Join(ports, ","), g.age)
	}
}

// age is the time since a moment in whole seconds.
//
// +checklocks:t.mu
func (t *Table) age(seen moment) int { return int(max(t.now-seen, 0) / time.Second) }
