// Package fastpath tests what the kernel forwards between hosts of a network: that user
// space stays the authority, that order is kept between the two paths, that nothing is
// lost without being counted, and that no host gets what is not for him. Hosts are
// namespaces with one end of a veth pair. Frames have numbers and flow as fast as one
// thread can send them.
//
//   - main_test.go: the mount, a network, its hosts.
//   - sender_test.go, receiver_test.go: numbered frames, sent and received by packet
//     sockets.
//   - books_test.go: what came, and what is counted.
//   - change_test.go: what is forbidden, while frames flow.
//   - table_test.go, ageing_test.go, tree_test.go, tags_test.go: addresses that come, move and
//     go; spanning trees; VLAN tags.
//   - order_test.go: a million frames and more.
//   - counters_test.go: drops, resets, namespaces that end.
//   - guard_test.go, end_test.go: XDP and nftables of hosts; what is left in the end.
//
// A daemon that is stopped (SIGSTOP) carries nothing: what passes then the kernel forwards
// alone. All needs root.
package fastpath

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// mount mounts, if this machine can forward in the kernel.
func mount(t *testing.T) *harness.Mounted {
	t.Helper()
	harness.NeedRoot(t)
	m := harness.Mount(t)
	if !strings.Contains("\n"+harness.Get(t, m.Path("features"))+"\n", "\nveth\n") {
		harness.Missing(t, "a kernel that forwards: "+harness.Get(t, m.Path("features")))
	}
	return m
}

// lan is a network whose policy is switch.
type lan struct {
	*harness.Mounted
	t     *testing.T
	name  string
	hosts []*host
	probe uint64 // number of the next frame of alone
}

// host is a namespace with eth0, which is a port of the network.
type host struct {
	*harness.Host
	*receiver
	l    *lan
	port int
	mac  [6]byte
	gone bool // eth0 is no more
	deaf bool // it was down, or drops what comes: not all that eth0 received came out of it
}

// newLAN makes a network with hosts at ports 1 and up, whose addresses the switch does not
// know. Settings are NAME=TEXT, as the network's files take them.
func newLAN(t *testing.T, m *harness.Mounted, name string, hosts int, settings ...string) *lan {
	t.Helper()
	l := &lan{Mounted: m, t: t, name: name}
	m.Network(t, name)
	harness.Set(t, "switch", m.Path(name, "policy"))
	for range hosts {
		l.join()
	}
	l.set(settings...)
	t.Cleanup(l.end)
	return l
}

// end removes the network.
func (l *lan) end() {
	if !l.Running() {
		return
	}
	ports, _ := os.ReadDir(l.path("ports"))
	for _, p := range ports {
		_ = os.Remove(l.path("ports", p.Name()))
	}
	if err := os.Remove(l.path()); err != nil {
		l.t.Error(err)
	}
}

func (l *lan) path(elem ...string) string { return l.Path(append([]string{l.name}, elem...)...) }

func (l *lan) set(settings ...string) {
	l.t.Helper()
	for _, s := range settings {
		file, text, _ := strings.Cut(s, "=")
		harness.Set(l.t, text, l.path(file))
	}
}

// join adds a host whose kernel says nothing of its own.
func (l *lan) join() *host {
	l.t.Helper()
	h := &host{Host: harness.NewHost(l.t), l: l, port: len(l.hosts) + 1}
	h.mac = address(h.port)
	h.Quiet("default") // an interface has no IPv6 from its beginning, whatever its mtu
	h.attach(fmt.Sprintf("eth0 mac=%s port=%d", net.HardwareAddr(h.mac[:]), h.port))
	h.IP("link set eth0 up")
	h.receiver = h.receive(l.t)
	l.hosts = append(l.hosts, h)
	h.awaitUp()
	return h
}

// address is that of the n-th station.
func address(n int) [6]byte { return [6]byte{2, 0, 0, 0, byte(n >> 8), byte(n)} }

var everybody = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// attach writes a line to the file veth from within the namespace.
func (h *host) attach(line string) {
	h.l.t.Helper()
	if err := h.Echo(line, h.l.path("veth")); err != nil {
		h.l.t.Fatalf("echo %s >veth: %v\n%s", line, err, harness.Get(h.l.t, h.l.path("errors")))
	}
}

// line is what the file veth tells of the host.
func (h *host) line() string { return h.Attached(harness.Get(h.l.t, h.l.path("veth")), "eth0") }

func (h *host) awaitUp() {
	h.l.t.Helper()
	harness.Eventually(h.l.t, "eth0 to be up", func() bool { return harness.Field(h.line(), "state") == "up" })
}

// setPort sets files of the host's port.
func (h *host) setPort(settings ...string) {
	h.l.t.Helper()
	for _, s := range settings {
		h.l.set(fmt.Sprintf("ports/%d/%s", h.port, s))
	}
}

// link is what the kernel tells of eth0.
func (h *host) link() (a *netlink.LinkAttrs) {
	h.l.t.Helper()
	h.In(func() error {
		l, err := netlink.LinkByName("eth0")
		if err == nil {
			a = l.Attrs()
		}
		return err
	})
	return a
}

// speak lets the switch know where hosts are, and waits until it does.
func (l *lan) speak(hosts ...*host) {
	l.t.Helper()
	for _, h := range hosts {
		h.say(h.mac)
	}
	for _, h := range hosts {
		l.awaitAt(h.mac, h.port)
	}
}

// say sends a broadcast from that address.
func (h *host) say(from [6]byte) {
	h.l.t.Helper()
	h.sendOne(frame(hello, everybody, from))
}

// at tells at which port the switch knows an address, 0: at none.
func (l *lan) at(mac [6]byte) (port int) {
	for _, line := range strings.Split(harness.Get(l.t, l.path("switch", "fdb")), "\n") {
		if strings.HasPrefix(line, net.HardwareAddr(mac[:]).String()+" ") {
			_, _ = fmt.Sscanf(harness.Field(line, "port"), "%d", &port)
		}
	}
	return port
}

func (l *lan) awaitAt(mac [6]byte, port int) {
	l.t.Helper()
	harness.Eventually(l.t, fmt.Sprintf("%x to be at port %d", mac, port), func() bool { return l.at(mac) == port })
}

// alone tells whether the kernel carries frames from one host to another while the daemon
// is stopped.
func (l *lan) alone(from, to *host, tags ...uint32) bool {
	l.t.Helper()
	l.signal(unix.SIGSTOP)
	defer l.signal(unix.SIGCONT)
	const frames = 10
	for range frames {
		l.probe++
		from.sendOne(number(frame(probe, to.mac, from.mac, tags...), l.probe))
	}
	for range 50 { // a frame that comes takes no time: the sender carries it
		if to.came(probe, l.probe) {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// awaitAlone waits until the kernel forwards between two hosts, both ways.
func (l *lan) awaitAlone(a, b *host) {
	l.t.Helper()
	harness.Eventually(l.t, "the kernel to forward", func() bool { return l.alone(a, b) && l.alone(b, a) })
}

// signal sends the daemon a signal, and waits until it has stopped if that is what it is.
func (l *lan) signal(s unix.Signal) {
	l.t.Helper()
	if err := unix.Kill(l.PID, s); err != nil {
		l.t.Fatal(err)
	}
	if s != unix.SIGSTOP {
		return
	}
	harness.Eventually(l.t, "the daemon to stop", func() bool {
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", l.PID))
		for _, task := range threads {
			stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/stat", l.PID, task.Name()))
			if !strings.Contains(string(stat), ") T ") {
				return false
			}
		}
		return true
	})
}
