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
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// lab is a mount with a network whose policy is switch.
type lab struct {
	*harness.Mounted
	t *testing.T
}

// lan is the network that most tests use.
const lan = "lan"

func start(t *testing.T) *lab {
	t.Helper()
	harness.NeedRoot(t)
	harness.NeedProgram(t, "ip")
	if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
		harness.Missing(t, "/dev/net/tun: "+err.Error())
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) { // for users that are not root
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l := &lab{harness.MountOn(t, dir), t}
	l.network(lan)
	return l
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
	t    *testing.T
	name string
	ns   *netns.NS
}

var hosts atomic.Int32

// newHost makes a namespace, until the test ends.
func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, name: fmt.Sprintf("swt%x-%d", os.Getpid()&0xffff, hosts.Add(1))}
	run(t, "ip", "netns", "add", h.name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", h.name) })
	fd, err := unix.Open("/run/netns/"+h.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		h.ns, err = netns.FromFD(fd)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.ns.Close)
	h.ip("link set lo up")
	return h
}

// run runs a program, which must succeed, and returns its output.
func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

// ip runs ip(8) in the namespace, with the words of command.
func (h *host) ip(command string) string {
	h.t.Helper()
	return run(h.t, append([]string{"ip", "-n", h.name}, strings.Fields(command)...)...)
}

// in runs f in the namespace.
func (h *host) in(f func() error) {
	h.t.Helper()
	if err := h.ns.Do(f); err != nil {
		h.t.Fatal(err)
	}
}

// try runs a program in the namespace and returns its output.
func (h *host) try(argv ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := h.ns.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	return out.String(), err
}

// echo writes a line to a file from within the namespace.
func (h *host) echo(text, path string) error {
	return h.ns.Do(func() error { return os.WriteFile(path, []byte(text+"\n"), 0) })
}

// attach writes a line to the file tap or grab of a network, from within the
// namespace.
func (h *host) attach(l *lab, network, file, line string) {
	h.t.Helper()
	if err := h.echo(line, l.Path(network, file)); err != nil {
		h.t.Fatalf("echo %s > %s: %v", line, file, err)
	}
}

// tap gives the namespace a tap of the network lan, up, and returns its port.
func (h *host) tap(l *lab, line string) string {
	h.t.Helper()
	h.attach(l, lan, "tap", line+" up")
	name, _, _ := strings.Cut(line, " ")
	return l.portOf(lan, "tap", name, h)
}

// portOf finds the port of an interface in the list of tap or grab.
func (l *lab) portOf(network, file, name string, h *host) string {
	l.t.Helper()
	for _, line := range strings.Split(harness.Get(l.t, l.Path(network, file)), "\n") {
		if strings.HasPrefix(line, name+" ") && field(line, "netns") == h.name {
			return field(line, "port")
		}
	}
	return ""
}

// field reads key=value from a line.
func field(line, key string) string {
	for _, word := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}

// quiet keeps the kernel from sending anything of its own there, such as for
// IPv6. It is called within the namespace.
func quiet(name string) error {
	return os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
}

// has tells whether the namespace has an interface of that name.
func (h *host) has(name string) bool {
	_, err := h.try("ip", "link", "show", "dev", name)
	return err == nil
}
