package vm

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ipnfs/iface/nstest"
	"ipnfs/test/harness"
)

// ways are those of ipnfs(5), EXAMPLES.
var ways = []struct {
	name, addr string
	recipe     string   // a text in it
	user       bool     // a user without rights does it, and needs no namespace
	info       []string // lines of its port
	tap        string   // it is ipnfs's, and stays for the next QEMU
}{
	{"tap and grab", "10.0.0.2", "ifname=vm0", false, []string{"kind grab", "detail vm0"}, ""},
	{"macvtap", "10.0.0.3", "type macvtap", false, []string{"kind tap", "detail vm1"}, "vm1"},
	{"datagrams", "10.0.0.4", "-netdev dgram", true, []string{"kind port", "comm socat"}, ""},
}

// A virtual machine joins in each way that the manual names: it gets a file
// from a host on the network and sends it back, answers pings of the largest
// size, and its port shows what it is. When QEMU is killed, its port leaves.
func TestQEMU(t *testing.T) {
	l := start(t)
	dir := image(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			space := ""
			if !w.user {
				space, _ = nstest.New(t)
			}
			if strings.Contains(w.recipe, "macvtap") {
				needMacvtap(t, space)
			}
			g := l.run(t, dir, space, w.addr, recipe(t, w.recipe))
			if got, want := g.line(), fmt.Sprintf("got %x", sha256.Sum256(l.file)); got != want {
				t.Errorf("the guest says %q, want %q", got, want)
			}
			if got := g.line(); got != "done" {
				t.Fatalf("the guest says %q, not that it is done", got)
			}
			if got := <-l.taken[w.addr]; !bytes.Equal(got, l.file) {
				t.Errorf("%d bytes came from the guest, or others than the %d it got", len(got), len(l.file))
			}
			patience := strconv.Itoa(int(harness.Deadline.Seconds()))
			for _, size := range []string{"56", "1472"} { // packets of 84 bytes, and of the MTU
				said := l.ping("-c", "4", "-i", "0.2", "-W", patience, "-M", "do", "-s", size, w.addr)
				if !strings.Contains(said, " 4 received") {
					t.Errorf("pings of %s bytes: %s", size, said)
				}
			}
			port := l.port(t, w.info)
			g.kill()
			if w.tap != "" {
				if l.port(t, w.info) != port {
					t.Error("the tap did not stay")
				}
				harness.Set(t, "-"+w.tap, l.Path("lan", "tap"))
			}
			harness.Eventually(t, "the port to leave", func() bool {
				l.ping("-c", "1", "-W", "0.1", w.addr) // socat learns by a frame that QEMU is gone
				_, err := os.Stat(port)
				return os.IsNotExist(err)
			})
		})
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

// needMacvtap ends a test if the kernel does not know such interfaces.
func needMacvtap(t *testing.T, space string) {
	t.Helper()
	// lo takes none, which is another error.
	out, _ := exec.Command("ip", "-n", space, "link", "add", "link", "lo", "name", "mv0", "type", "macvtap").CombinedOutput()
	if strings.Contains(string(out), "Unknown device type") {
		t.Skip("this kernel has no macvtap")
	}
}
