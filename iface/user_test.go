package iface_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// An ordinary user's daemon attaches taps that are his, and follows them as
// far as he may see.
func TestUserDaemon(t *testing.T) {
	l := newLab(t)
	_, away := nstest.New(t)
	nstest.Tap(t, l.ns, "lnkmine", nstest.Tun{Owner: user})
	nstest.Tap(t, l.ns, "lnkmine2", nstest.Tun{Owner: user})
	node := filepath.Join(t.TempDir(), "tun") // the system's may be for root alone
	if err := unix.Mknod(node, unix.S_IFCHR, int(unix.Mkdev(10, 200))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(node, 0o666); err != nil {
		t.Fatal(err)
	}
	// The test's own program lies where only root may look.
	self := filepath.Join("/tmp", nstest.Name())
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(self, program, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(self)

	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	run := func(commands ...string) (say func() string) {
		cmd := command(t, commands...)
		cmd.Path = unshare
		cmd.Args = []string{"unshare", "--mount", "sh", "-c", fmt.Sprintf(
			"mount --bind %s /dev/net/tun && exec setpriv --reuid=%d --regid=%d --clear-groups %s", node, user, group, self)}
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		nstest.In(t, l.ns, cmd.Start)
		t.Cleanup(func() {
			in.Close()
			cmd.Wait()
		})
		lines := bufio.NewReader(out)
		first := true
		return func() string {
			if !first {
				fmt.Fprintln(in, "tap")
			}
			first = false
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(line)
		}
	}
	for text, commands := range map[string]string{
		"takes root":            "tap lnknew",
		"an option of tap":      "tap lnkmine up",
		"grabbing an interface": "grab lnkmine",
		"making an interface":   "veth lnknew",
	} {
		if got := run(commands)(); !strings.Contains(got, text) {
			t.Errorf("%s: %s", commands, got)
		}
	}

	say := run("tap lnkmine", "tap lnkmine2")
	if got := say(); got != "ready" {
		t.Fatal(got)
	}
	shows := func(words ...string) {
		t.Helper()
		nstest.Wait(t, fmt.Sprint(words), func() bool { return hasWords(say(), words...) })
	}
	shows("lnkmine", "state=down", "netns="+netns.Names()[l.ns.ID()])
	nstest.Change(t, l.ns, "lnkmine", netlink.LinkSetUp)
	shows("lnkmine", "state=up")
	nstest.Change(t, l.ns, "lnkmine", func(k netlink.Link) error { return netlink.LinkSetNsFd(k, away.FD()) })
	shows("lnkmine", "state=moved", "netns=unknown", "port=1")
	nstest.Change(t, away, "lnkmine", netlink.LinkDel)
	shows("lnkmine2", "port=2")
	nstest.Change(t, l.ns, "lnkmine2", netlink.LinkDel)
	nstest.Wait(t, "no tap", func() bool { return say() == "" })
}
