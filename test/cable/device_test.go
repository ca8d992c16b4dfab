package cable

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/iface/nstest"
	"ipnfs/test/harness"
)

// ground is namespaces with an interface eth0 each, joined by a bridge of the kernel's.
// The first has the network of a daemon as host 1 behind a tap; the others have a vxlan
// device each, as hosts 2 and 3.
type ground struct {
	hub   string
	names []string // of the namespaces
	host  string   // the namespace behind the tap
	v6    bool
	m     *harness.Mounted
	lan   string
}

// run runs a program in a namespace, and fails the test if the program does.
func run(t *testing.T, ns string, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", append([]string{"netns", "exec", ns}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ip runs ip(8) in a namespace.
func ip(t *testing.T, ns, args string) {
	t.Helper()
	run(t, ns, append([]string{"ip"}, strings.Fields(args)...)...)
}

// at is the address of the i-th namespace's eth0; of the hub's bridge there is none.
func (g *ground) at(i int) string {
	if g.v6 {
		return fmt.Sprintf("fd99::%d", i)
	}
	return fmt.Sprintf("10.99.1.%d", i)
}

// newGround makes n namespaces.
func newGround(t *testing.T, n int, v6 bool) *ground {
	t.Helper()
	for _, program := range []string{"ip", "bridge", "ping", "iperf3"} {
		if _, err := exec.LookPath(program); err != nil {
			harness.Missing(t, program)
		}
	}
	g := &ground{v6: v6}
	g.hub, _ = nstest.New(t)
	ip(t, g.hub, "link add br0 type bridge mcast_snooping 0")
	ip(t, g.hub, "link set br0 up")
	for i := 1; i <= n; i++ {
		name, _ := nstest.New(t)
		g.names = append(g.names, name)
		ip(t, name, "link set lo up")
		ip(t, g.hub, fmt.Sprintf("link add veth%d type veth peer name eth0 netns %s", i, name))
		ip(t, g.hub, fmt.Sprintf("link set veth%d master br0 up", i))
		if v6 {
			ip(t, name, fmt.Sprintf("addr add %s/64 dev eth0 nodad", g.at(i)))
		} else {
			ip(t, name, fmt.Sprintf("addr add %s/24 dev eth0", g.at(i)))
		}
		ip(t, name, "link set eth0 up")
	}
	return g
}

// device gives the i-th namespace a vxlan device, with those words of ip-link(8).
func (g *ground) device(t *testing.T, i int, words string) {
	t.Helper()
	ns := g.names[i-1]
	ip(t, ns, "link add vx0 type vxlan id 7 dstport 4789 dev eth0 "+words)
	ip(t, ns, fmt.Sprintf("addr add 10.99.2.%d/24 dev vx0", i))
	ip(t, ns, fmt.Sprintf("addr add fd99:2::%d/64 dev vx0 nodad", i))
	ip(t, ns, "link set vx0 up")
}

// peer has a device send what is for all to the i-th namespace, too.
func (g *ground) peer(t *testing.T, from, to int) {
	t.Helper()
	run(t, g.names[from-1], "bridge", "fdb", "append", "00:00:00:00:00:00", "dev", "vx0", "dst", g.at(to))
}

// network starts the daemon with a cable.
func (g *ground) network(t *testing.T, locator string) {
	t.Helper()
	g.host, _ = nstest.New(t)
	g.m = harness.Mount(t)
	g.lan = g.m.Network(t, "lan")
	harness.Set(t, "switch", g.lan, "policy")
	harness.Set(t, fmt.Sprintf("tap0 netns=%s addr=10.99.2.1/24 up", g.host), g.lan, "tap")
	ip(t, g.host, "link set lo up")
	ip(t, g.host, fmt.Sprintf("link set tap0 mtu %d", g.mtu()))
	ip(t, g.host, "addr add fd99:2::1/64 dev tap0 nodad")
	harness.Set(t, fmt.Sprintf("%s netns=%s", locator, g.names[0]), g.lan, "cable")
}

// mtu is the longest packet that a host may send.
func (g *ground) mtu() int {
	if g.v6 {
		return 1500 - 70
	}
	return 1500 - 50
}

// pings has host 1 and another ping each other, also with the longest packets.
func (g *ground) pings(t *testing.T, i int) {
	t.Helper()
	for _, address := range []string{"10.99.2.%d", "fd99:2::%d"} {
		for ns, to := range map[string]int{g.host: i, g.names[i-1]: 1} {
			run(t, ns, "ping", "-c", "3", "-i", "0.05", "-W", "5", fmt.Sprintf(address, to))
			headers := 20 + 8
			if address[0] == 'f' {
				headers = 40 + 8
			}
			run(t, ns, "ping", "-c", "1", "-W", "5", "-M", "do", "-s", fmt.Sprint(g.mtu()-headers), fmt.Sprintf(address, to))
		}
	}
}

// stream sends by TCP for a second from one namespace to another, and tells how many
// bytes came.
func stream(t *testing.T, from, to, address string) (bytes float64) {
	t.Helper()
	server := exec.Command("ip", "netns", "exec", to, "iperf3", "-s", "-1", "-p", "5303")
	server.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer server.Wait()
	defer server.Process.Kill()
	harness.Eventually(t, "iperf3 to listen", func() bool {
		return strings.Contains(run(t, to, "ss", "-tlnH"), ":5303")
	})
	var report struct {
		End struct {
			Received struct{ Bytes float64 } `json:"sum_received"`
		}
	}
	text := run(t, from, "iperf3", "-J", "-t", "1", "-p", "5303", "-c", address)
	if err := json.Unmarshal([]byte(text), &report); err != nil {
		t.Fatal(err)
	}
	return report.End.Received.Bytes
}

// streams sends by TCP both ways, in the family that the tunnel has not.
func (g *ground) streams(t *testing.T, i int) {
	t.Helper()
	address := "fd99:2::%d"
	if g.v6 {
		address = "10.99.2.%d"
	}
	there := stream(t, g.host, g.names[i-1], fmt.Sprintf(address, i))
	back := stream(t, g.names[i-1], g.host, fmt.Sprintf(address, 1))
	t.Logf("%.0f MB there and %.0f MB back in a second", there/1e6, back/1e6)
	if there < 5e6 || back < 5e6 {
		t.Errorf("TCP carries %.1f MB there and %.1f MB back in a second", there/1e6, back/1e6)
	}
}

// received is how many bytes have come to the eth0 of a namespace.
func received(t *testing.T, ns string) (bytes int) {
	t.Helper()
	text := run(t, ns, "cat", "/sys/class/net/eth0/statistics/rx_bytes")
	if _, err := fmt.Sscan(text, &bytes); err != nil {
		t.Fatal(err)
	}
	return bytes
}

// Linux's vxlan devices and networks are one ethernet, with lists of peers and with a
// group, in IPv4 and IPv6, with and without checksums.
func TestVXLANDevices(t *testing.T) {
	harness.NeedRoot(t)
	for _, c := range []struct {
		name, query, words string
		v6                 bool
		group              string
	}{
		{name: "list"},
		{name: "list in IPv6", v6: true},
		{name: "without checksums", query: "&checksum=off", words: "noudpcsum"},
		{name: "group", group: "239.9.9.9"},
		{name: "group in IPv6", v6: true, group: "ff05::99"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGround(t, 3, c.v6)
			locator := fmt.Sprintf("vxlan://%s,%s?vni=7%s", g.at(2), g.at(3), c.query)
			if c.group != "" {
				locator = fmt.Sprintf("vxlan://%s?vni=7&dev=eth0&ttl=2", c.group)
			}
			for i := 2; i <= 3; i++ {
				if c.group != "" {
					g.device(t, i, "group "+c.group)
					continue
				}
				g.device(t, i, "local "+g.at(i)+" "+c.words)
				g.peer(t, i, 1)
				g.peer(t, i, 5-i)
			}
			g.network(t, locator)
			g.pings(t, 2)
			g.pings(t, 3)
			before := received(t, g.names[2])
			g.streams(t, 2)
			if more := received(t, g.names[2]) - before; more > 1e6 {
				t.Errorf("%d bytes between 1 and 2 came to 3", more)
			}
			g.cable(t, "state=up", fmt.Sprintf("mtu=%d", g.mtu()+14))
			g.m.CheckBalance(t, "lan")
		})
	}
}

// cable waits until the line of the cable has those words.
func (g *ground) cable(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		harness.Eventually(t, "the cable to have "+word, func() bool {
			return slices.Contains(strings.Fields(harness.Get(t, g.lan, "cable")), word)
		})
	}
}

// A link that was down is one again when it is up.
func TestVXLANLinkDown(t *testing.T) {
	harness.NeedRoot(t)
	g := newGround(t, 2, false)
	g.device(t, 2, "remote "+g.at(1))
	g.network(t, "vxlan://"+g.at(2)+"?vni=7")
	g.pings(t, 2)
	for _, cut := range [][2]string{{g.hub, "veth1"}, {g.names[0], "eth0"}, {g.hub, "veth2"}} {
		ip(t, cut[0], "link set "+cut[1]+" down")
		if out, err := exec.Command("ip", "netns", "exec", g.host, "ping", "-c", "1", "-W", "1", "10.99.2.2").CombinedOutput(); err == nil {
			t.Errorf("with %s down:\n%s", cut[1], out)
		}
		ip(t, cut[0], "link set "+cut[1]+" up")
		g.cable(t, "state=up")
		g.pings(t, 2)
	}
	g.m.CheckBalance(t, "lan")
}

// A path that becomes shorter, at a router or here, makes frames shorter.
func TestVXLANPathMTU(t *testing.T) {
	harness.NeedRoot(t)
	g := newGround(t, 2, false)
	router, _ := nstest.New(t)
	g.names = append(g.names, router)
	for i := 1; i <= 2; i++ {
		ip(t, g.names[i-1], "link del eth0")
		ip(t, router, fmt.Sprintf("link add r%d type veth peer name eth0 netns %s", i, g.names[i-1]))
		ip(t, router, fmt.Sprintf("addr add 10.98.%d.254/24 dev r%d", i, i))
		ip(t, router, fmt.Sprintf("link set r%d up", i))
		ip(t, g.names[i-1], fmt.Sprintf("addr add 10.98.%d.1/24 dev eth0", i))
		ip(t, g.names[i-1], "link set eth0 up")
		ip(t, g.names[i-1], fmt.Sprintf("route add default via 10.98.%d.254", i))
	}
	run(t, router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	g.device(t, 2, "remote 10.98.1.1")
	g.network(t, "vxlan://10.98.2.1?vni=7")
	g.cable(t, fmt.Sprintf("mtu=%d", 1500-36))
	g.pings(t, 2)

	long := func(bytes int) { // packets go until somebody says that they are too long
		_ = exec.Command("ip", "netns", "exec", g.host, "ping", "-c", "3", "-i", "0.05", "-W", "1", "-s", fmt.Sprint(bytes-28), "10.99.2.2").Run()
	}
	ip(t, router, "link set r2 mtu 1400")
	long(1400)
	g.cable(t, fmt.Sprintf("mtu=%d", 1400-36))
	ip(t, g.names[0], "link set eth0 mtu 1300")
	long(1300)
	g.cable(t, fmt.Sprintf("mtu=%d", 1300-36))
	run(t, g.host, "ping", "-c", "1", "-W", "5", "-s", "1000", "10.99.2.2")
	stats := g.m.Stats(t, "lan")
	if stats["drop_too_long"]+stats["drop_device"] == 0 {
		t.Errorf("frames that are too long are not counted: %v", stats)
	}
	g.m.CheckBalance(t, "lan")
}
