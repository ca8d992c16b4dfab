package ether

import (
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"ipnfs/test/harness"
)

// groupLab is a switch with snooping on. Behind its ports are a host that sends
// (a), a bridge of the kernel as the querier (q), and another one (k) with a
// member (h) that sees nothing of what happens to the switch.
type groupLab struct {
	*lab
	a, q, k, h, outside *host
	uplink              string // the port of k

	sender net.Conn
	sent   int
	mu     sync.Mutex
	came   map[string]bool // bodies that the member got
}

const (
	memberOf  = "224.1.2.3"
	groupPort = 5354
)

func startGroups(t *testing.T, l *lab) *groupLab {
	g := &groupLab{lab: l, a: newHost(t), q: newHost(t), k: newHost(t), h: newHost(t), outside: newHost(t), came: map[string]bool{}}
	g.set(lan, "switch/snooping=on")
	g.a.join(g.lab, "eth0")
	g.a.address(1, 1500)
	for name, value := range map[string]string{"mcast_solicit": "1", "retrans_time_ms": "10000"} { // it asks for a neighbour once
		g.a.In(func() error { return os.WriteFile("/proc/sys/net/ipv6/neigh/eth0/"+name, []byte(value), 0) })
	}
	g.k.IP("link add br0 type bridge stp_state 0 mcast_snooping 0")
	g.k.IP("link set br0 up")
	g.k.veth("member", g.h)
	g.k.IP("link add up0 type veth peer name v0 netns " + g.outside.Name)
	for _, name := range []string{"member", "up0"} {
		g.k.IP("link set " + name + " master br0 up")
	}
	g.outside.IP("link set v0 up")
	g.outside.attach(g.lab, lan, "grab", "v0")
	g.uplink = g.portOf(lan, "grab", "v0", g.outside)
	g.h.address(2, 1500)
	g.q.join(g.lab, "ask0")
	g.q.querier("ask0", 9)

	var member *net.UDPConn
	g.h.In(func() error {
		i, err := net.InterfaceByName("eth0")
		if err == nil {
			member, err = net.ListenMulticastUDP("udp4", i, &net.UDPAddr{IP: net.ParseIP(memberOf), Port: groupPort})
		}
		return err
	})
	var reader sync.WaitGroup
	reader.Go(func() {
		for buf := make([]byte, 1500); ; {
			n, _, err := member.ReadFrom(buf)
			if err != nil {
				return
			}
			g.mu.Lock()
			g.came[string(buf[:n])] = true
			g.mu.Unlock()
		}
	})
	t.Cleanup(func() { member.Close(); reader.Wait() })
	var err error
	if g.sender, err = g.a.dial("udp4", fmt.Sprintf("%s:%d", memberOf, groupPort)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.sender.Close() })
	_ = g.sender.SetDeadline(time.Time{})
	return g
}

// querier puts an interface into a bridge that asks for groups as often as Linux's can.
func (h *host) querier(name string, n int) {
	h.t.Helper()
	h.IP("link add br0 type bridge stp_state 0 mcast_snooping 1 mcast_query_use_ifaddr 1" +
		" mcast_querier_interval 200 mcast_query_interval 100 mcast_query_response_interval 100 mcast_startup_query_interval 100")
	h.IP(fmt.Sprintf("addr add 10.0.0.%d/24 dev br0", n))
	h.IP("link set " + name + " master br0 up")
	h.IP("link set br0 up")
	h.IP("link set br0 type bridge mcast_querier 1")
}

var ages = regexp.MustCompile(`(?m) [0-9]+$`)

// groups is the table, without ages.
func (g *groupLab) groups() string {
	return ages.ReplaceAllString(harness.Get(g.t, g.Path(lan, "switch", "groups")), "")
}

// probe sends one datagram to the member's group, and finds the member anew by
// IPv6, with one neighbour solicitation.
func (g *groupLab) probe(what string) {
	g.t.Helper()
	g.sent++
	body := fmt.Sprintf("%d %s", g.sent, what)
	if _, err := g.sender.Write([]byte(body)); err != nil {
		g.t.Fatal(err)
	}
	groups := g.groups()
	harness.Eventually(g.t, body+": the datagram, when there were\n"+groups, func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.came[body]
	})
	g.a.IP("-6 neigh flush dev eth0")
	if got := ping("fd00::2", "56")(pair{a: g.a}, 1500); got != "answered" {
		g.t.Fatalf("%s: ping fd00::2: %s\n%s", what, got, g.groups())
	}
}

// settle waits until there is pruning for both protocols and the member is
// known, and probes whenever the table has changed.
func (g *groupLab) settle(what string) {
	g.t.Helper()
	last := ""
	for end := time.Now().Add(slow); ; time.Sleep(10 * time.Millisecond) {
		text := g.groups()
		if text != last {
			last = text
			g.probe(what)
		}
		if strings.Contains(text, "pruning ipv4 on") && strings.Contains(text, "pruning ipv6 on") && strings.Contains(text, " group "+memberOf+" ") {
			break
		}
		if time.Now().After(end) {
			g.t.Fatalf("%s: there is no pruning\n%s", what, text)
		}
	}
	g.probe(what + ", in the end")
}

// Nobody is cut off from his groups, or from IPv6, who did not leave: whatever
// happens to links, VLANs, ports, trees and queriers.
func TestNobodyIsCutOff(t *testing.T) { overWires(t, testNobodyIsCutOff) }

func testNobodyIsCutOff(t *testing.T, l *lab) {
	harness.NeedProgram(t, "ping")
	g := startGroups(t, l)
	g.settle("at first")
	port := func(settings ...string) {
		for _, s := range settings {
			g.set(lan, "ports/"+g.uplink+"/"+s)
		}
	}
	other, third := newHost(t), newHost(t)
	for _, c := range []struct {
		what   string
		change func()
	}{
		{"the carrier of the uplink goes and comes", func() {
			g.k.IP("link set up0 down")
			g.awaitLine("grab", "v0", "state=no-carrier")
			g.k.IP("link set up0 up")
			g.awaitLine("grab", "v0", "state=up")
		}},
		{"VLANs are looked at", func() { g.set(lan, "switch/vlan=on") }},
		{"a VLAN is added to the uplink", func() { port("vlans=20") }},
		{"the PVID of the uplink is another for a moment", func() { port("pvid=30", "pvid=1") }},
		{"VLANs are not looked at", func() { g.set(lan, "switch/vlan=off") }},
		{"flush", func() { g.set(lan, "switch/groups=flush") }},
		{"a host joins", func() { other.join(g.lab, "eth0") }},
		{"a host leaves", func() { other.attach(g.lab, lan, l.by, "-eth0") }},
		{"a file is opened and closed", func() { g.open(lan).Close() }},
		{"the uplink gets another port", func() {
			file := g.open(lan)
			g.outside.attach(g.lab, lan, "grab", "-v0")
			other.join(g.lab, "eth1")
			g.outside.attach(g.lab, lan, "grab", "v0")
			file.Close()
			g.uplink = g.portOf(lan, "grab", "v0", g.outside)
		}},
		{"the member moves to another port", func() {
			g.k.IP("link add up1 type veth peer name v1 netns " + g.outside.Name)
			g.k.IP("link set up1 up")
			g.outside.IP("link set v1 up")
			g.outside.attach(g.lab, lan, "grab", "v1")
			g.settle("another uplink")
			g.k.IP("link set up0 nomaster")
			g.k.IP("link set up1 master br0")
			if got := ping("10.0.0.1", "56")(pair{a: g.h}, 1500); got != "answered" { // it says where it is
				t.Fatalf("ping of the member: %s", got)
			}
		}},
		{"the querier's link goes and comes", func() {
			g.q.IP("link set ask0 down")
			g.awaitLine(l.by, "ask0", "state=down")
			g.q.IP("link set ask0 up")
			g.awaitLine(l.by, "ask0", "state=up")
		}},
		{"another querier", func() {
			third.join(g.lab, "ask1")
			third.querier("ask1", 3)
		}},
		{"and the one before goes", func() { g.q.attach(g.lab, lan, l.by, "-ask0") }},
		{"a spanning tree begins", func() {
			g.set(lan, "switch/stp=rstp")
			harness.Eventually(t, "all ports to forward", func() bool {
				text := harness.Get(t, g.Path(lan, "switch", "stp"))
				return strings.Contains(text, "state=") && strings.Count(text, "state=") == strings.Count(text, "state=forwarding")
			})
		}},
		{"the spanning tree ends", func() { g.set(lan, "switch/stp=off") }},
	} {
		c.change()
		g.settle(c.what)
	}
}
