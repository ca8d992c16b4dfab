// Package ether tests networks of the real program as ethernets, beside the
// kernel's own: what the kernel's bridge does between namespaces is what an
// ipnfs switch has to do, and its spanning tree is a neighbour.
//
//   - main_test.go: the mount, namespaces, commands in them.
//   - wire_test.go: frames, as an interface sees them.
//   - probe_test.go: what two hosts can do, as text.
//   - same_test.go: the same through a kernel's bridge and through ipnfs.
//   - offload_test.go: what arrives whatever ethtool(8) switches on.
//   - vlan_test.go: tags through every door.
//   - belong_test.go: interfaces that come up in their VLAN.
//   - rstp_test.go: rings with the kernel's bridges.
//   - groups_test.go, reserved_test.go, storm_test.go: multicast groups, addresses
//     of bridges, limits.
//   - crowd_test.go, change_test.go, end_test.go, rights_test.go: many hosts;
//     what happens to interfaces; what is left; who may.
//
// All needs root. What the tests make has names that begin with "swt".
package ether

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// lab is a mount with a network whose policy is switch.
type lab struct {
	*harness.Mounted
	t  *testing.T
	by string // the file that gives hosts an interface: tap or veth
}

// lan is the network that most tests use.
const lan = "lan"

func start(t *testing.T) *lab {
	t.Helper()
	harness.NeedRoot(t)
	if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
		harness.Missing(t, "/dev/net/tun: "+err.Error())
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) { // for users that are not root
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l := &lab{harness.MountOn(t, dir), t, "tap"}
	l.network(lan)
	return l
}

// overWires runs a test with hosts at taps, and with hosts at veths.
func overWires(t *testing.T, f func(t *testing.T, l *lab)) {
	t.Parallel()
	for _, by := range []string{"tap", "veth"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			l := start(t)
			l.by = by
			f(t, l)
		})
	}
}

// network makes a switch, with settings NAME=TEXT as its files take them.
func (l *lab) network(name string, settings ...string) {
	l.t.Helper()
	l.Network(l.t, name)
	harness.Set(l.t, "switch", l.Path(name, "policy"))
	l.set(name, settings...)
}

func (l *lab) set(network string, settings ...string) {
	l.t.Helper()
	for _, s := range settings {
		path, text, _ := strings.Cut(s, "=")
		harness.Set(l.t, text, l.Path(network, path))
	}
}

// host is a network namespace.
type host struct {
	*harness.Host
	t *testing.T
}

// newHost makes a namespace, until the test ends.
func newHost(t *testing.T) *host {
	t.Helper()
	return &host{harness.NewHost(t), t}
}

// attach writes a line to the file tap, veth or grab of a network, from within the
// namespace.
func (h *host) attach(l *lab, network, file, line string) {
	h.t.Helper()
	if err := h.Echo(line, l.Path(network, file)); err != nil {
		h.t.Fatalf("echo %s > %s: %v", line, file, err)
	}
}

// join gives the namespace an interface of the network lan, up, and returns its port.
func (h *host) join(l *lab, line string) string {
	h.t.Helper()
	h.attach(l, lan, l.by, line+" up")
	name, _, _ := strings.Cut(line, " ")
	return l.portOf(lan, l.by, name, h)
}

// portOf finds the port of an interface in the list of tap, veth or grab.
func (l *lab) portOf(network, file, name string, h *host) string {
	l.t.Helper()
	return harness.Field(h.Attached(harness.Get(l.t, l.Path(network, file)), name), "port")
}
