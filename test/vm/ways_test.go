package vm

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/iface/nstest"
	"ipnfs/test/harness"
)

// way is how a machine joins the network.
type way struct {
	name, addr string
	mtu        int
	recipe     string   // a text in the commands of ipnfs(5)
	socket     string   // its file: a user without rights connects, by one of the commands
	info       []string // lines of its port
	tap        string   // it is ipnfs's, and stays for the next QEMU
}

var ways = []*way{
	{"tap and grab", "10.0.0.2", 1500, "ifname=vm0", "", []string{"kind grab", "detail vm0"}, ""},
	{"macvtap", "10.0.0.3", 1500, "type macvtap", "", []string{"kind tap", "detail vm1"}, "vm1"},
	{"vde", "10.0.0.4", 9000, "-netdev vde,", "ctl", []string{"kind vde", "comm qemu-system-x86", "uid 65534"}, ""},
	{"stream", "10.0.0.5", 9000, "-netdev stream,", "qemu", []string{"kind qemu", "comm qemu-system-x86", "uid 65534"}, ""},
	{"vhost-user", "10.0.0.6", 1500, "-netdev vhost-user,", "vhost", []string{"kind vhost", "comm qemu-system-x86", "uid 65534"}, ""},
}

// Virtual machines join in each way that the manual names, at once: each gets a file
// from a host on the network and sends it back, and hears the host and the others,
// with packets as large as both take. The port of each shows what it is. When one is
// killed its port leaves, and the others go on.
func TestQEMU(t *testing.T) {
	l := start(t)
	dir := image(t)
	here := slices.DeleteFunc(slices.Clone(ways), func(w *way) bool {
		return w.socket != "" && unix.Access(l.Path("lan", w.socket), unix.F_OK) != nil || w.tap != "" && !hasMacvtap(t)
	})
	guests := map[*way]*guest{}
	for _, w := range here {
		space, commands := "", recipe(t, w.recipe)
		if w.socket != "" {
			commands = one(commands, w.recipe)
		} else {
			space, _ = nstest.New(t)
		}
		guests[w] = l.run(t, dir, space, w, strings.Join(w.others(here), ","), l.fit(commands, w))
	}
	for _, w := range here {
		t.Run(w.name, func(t *testing.T) { l.work(t, w, guests[w], here) })
	}
	for i, w := range here {
		t.Run(w.name+", killed", func(t *testing.T) {
			port := l.port(t, w.info)
			guests[w].kill()
			if w.tap != "" {
				if l.port(t, w.info) != port {
					t.Error("the tap did not stay")
				}
				harness.Set(t, "-"+w.tap, l.Path("lan", "tap"))
			}
			harness.Eventually(t, "the port to leave", func() bool {
				_, err := os.Stat(port)
				return os.IsNotExist(err)
			})
			for _, o := range here[i+1:] {
				l.hears(t, o, "56")
			}
		})
	}
}

// others are those whom a guest pings, with the length of the packets.
func (w *way) others(here []*way) (list []string) {
	for _, o := range here {
		if o != w {
			list = append(list, fmt.Sprintf("%s-%d", o.addr, min(w.mtu, o.mtu)))
		}
	}
	return list
}

// work follows what a guest does until it sleeps.
func (l *lab) work(t *testing.T, w *way, g *guest, here []*way) {
	want := []string{fmt.Sprintf("got %x", sha256.Sum256(l.file)), "done"}
	for _, other := range w.others(here) {
		want = append(want, "heard "+other)
	}
	for _, line := range want {
		if got := g.line(); got != line {
			t.Fatalf("the guest says %q, not %q", got, line)
		}
	}
	if got := <-l.taken[w.addr]; !bytes.Equal(got, l.file) {
		t.Errorf("%d bytes came from the guest, or others than the %d it got", len(got), len(l.file))
	}
	for _, size := range []string{"56", "1472"} { // packets of 84 bytes, and of the MTU
		l.hears(t, w, size)
	}
	l.port(t, w.info)
}

// hears pings a guest from the host.
func (l *lab) hears(t *testing.T, w *way, size string) {
	t.Helper()
	patience := strconv.Itoa(int(harness.Deadline.Seconds()))
	said := l.ping("-c", "4", "-i", "0.2", "-W", patience, "-M", "do", "-s", size, w.addr)
	if !strings.Contains(said, " 4 received") {
		t.Errorf("pings of %s bytes to %s: %s", size, w.name, said)
	}
}

// port finds the directory of the port whose info has all the lines.
func (l *lab) port(t *testing.T, lines []string) string {
	t.Helper()
	all, err := filepath.Glob(l.Path("lan", "ports", "*"))
	check(t, err)
	var seen []string
	for _, dir := range all {
		info := "\n" + harness.Get(t, dir, "info") + "\n"
		found := true
		for _, line := range lines {
			found = found && strings.Contains(info, "\n"+line+"\n")
		}
		if found {
			return dir
		}
		seen = append(seen, info)
	}
	t.Fatalf("no port has %q:%s", lines, seen)
	return ""
}

// hasMacvtap tells whether the kernel knows such interfaces.
func hasMacvtap(t *testing.T) bool {
	t.Helper()
	space, _ := nstest.New(t)
	// lo takes none, which is another error.
	out, _ := exec.Command("ip", "-n", space, "link", "add", "link", "lo", "name", "mv0", "type", "macvtap").CombinedOutput()
	return !strings.Contains(string(out), "Unknown device type")
}
