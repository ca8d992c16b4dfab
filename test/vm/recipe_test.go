package vm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// recipe finds commands in the manual page by a text that they contain: the
// lines without their indentation, up to those that are none.
func recipe(t *testing.T, has string) string {
	t.Helper()
	page, err := os.ReadFile("../../doc/ipnfs.5.md")
	check(t, err)
	for block := range strings.SplitSeq(string(page), "\n\n") {
		if strings.HasPrefix(block, "    ") && strings.Contains(block, has) {
			return strings.TrimSpace(strings.ReplaceAll("\n"+block, "\n    ", "\n"))
		}
	}
	t.Fatalf("ipnfs(5) has no example with %q", has)
	return ""
}

// one finds one of a recipe's commands, which may have several lines.
func one(commands, has string) string {
	for command := range strings.SplitSeq(strings.ReplaceAll(commands, "\\\n", " "), "\n") {
		if strings.Contains(command, has) {
			return command
		}
	}
	return ""
}

// fit puts what is a machine's own in place of what a recipe says: the mount, the
// address of its card, its memory, and the device of a macvtap. A card of vhost-user
// gets no MSI-X: without KVM, QEMU 7.2 ends with SIGSEGV when a guest unmasks one.
func (l *lab) fit(commands string, w *way) string {
	mac := "mac=52:54:00:00:00:" + fmt.Sprintf("%02x", w.addr[len(w.addr)-1])
	if w.socket == "vhost" {
		mac += ",vectors=0"
	}
	commands = regexp.MustCompile("mac=52(:[0-9a-f]{2}){5}").ReplaceAllString(commands, mac)
	return strings.NewReplacer(
		"/ipn/lan", l.Path("lan"),
		"size=1G", "size="+memory,
		"/dev/tap$(cat /sys/class/net/mv1/ifindex)", "$(node mv1)",
	).Replace(commands)
}

// prelude says where the recipes' $vm is from, and node, which makes the device
// of a macvtap: udev may not run here, and two namespaces may have the same
// number of an interface, which is the device's name.
const prelude = `vm="sh $TMPDIR/start %GUEST%"
node() {
	set -- $(tr : ' ' <$(echo /sys/class/net/$1/tap*/dev))
	mkdir $TMPDIR/dev && mount -t tmpfs -o mode=755 dev $TMPDIR/dev && mknod $TMPDIR/dev/tap c $1 $2
	echo $TMPDIR/dev/tap
}
`

// guest is a virtual machine.
type guest struct {
	*console
	pidFile string
}

// run starts a guest with commands, in a network namespace, or as a user. It is
// killed when the test ends.
func (l *lab) run(t *testing.T, dir, space string, w *way, others, commands string) *guest {
	t.Helper()
	// QEMU ends with the shell that started it: the shell stays.
	self := fmt.Sprintf("%s %d %s", w.addr, w.mtu, others)
	argv := []string{"bash", "-c", strings.ReplaceAll(prelude, "%GUEST%", self) + commands + "\nwait"}
	if space != "" {
		argv = append([]string{"ip", "netns", "exec", space}, argv...)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	if space == "" {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	read, write, err := os.Pipe()
	check(t, err)
	cmd.Stdout, cmd.Stderr = write, write
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // Pdeathsig means the thread that started it
		defer close(ended)
		err := cmd.Start()
		write.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	check(t, <-started)
	g := &guest{newConsole(t, read), filepath.Join(dir, w.addr+".pid")}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		<-ended
		for range g.lines {
		}
		read.Close()
		if t.Failed() {
			t.Logf("%s\nsaid:\n%s", commands, g)
		}
	})
	return g
}

// nobody is a user without any rights.
const nobody = 65534

// kill ends QEMU by SIGKILL, and returns when it is gone.
func (g *guest) kill() {
	g.t.Helper()
	pid, err := strconv.Atoi(harness.Get(g.t, g.pidFile))
	check(g.t, err)
	check(g.t, unix.Kill(pid, unix.SIGKILL))
	harness.Eventually(g.t, "QEMU to end", func() bool { return unix.Kill(pid, 0) == unix.ESRCH })
}
