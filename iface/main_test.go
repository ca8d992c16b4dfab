package iface_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
	_ "ipnfs/policies/broadcast"
)

func TestMain(m *testing.M) {
	if commands := os.Getenv(daemonCommands); commands != "" {
		daemon(commands)
		return
	}
	goleak.VerifyTestMain(m)
}

// lab is a network, a namespace and who writes commands.
type lab struct {
	*bustest.Lab
	t    *testing.T
	ns   *netns.NS
	host string // the name of ns
	root bus.Caller
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t}
	l.host, l.ns = nstest.New(t)
	l.root = process(t, l.ns, nil)
	l.Lab = bustest.NewLab(t, "broadcast")
	return l
}

// process starts a process in ns that waits until the test ends, as the one
// whose thread writes commands.
func process(t *testing.T, ns *netns.NS, credential *syscall.Credential) bus.Caller {
	t.Helper()
	return start(t, ns, &syscall.SysProcAttr{Credential: credential}, "sh", "-c", "echo; read line")
}

func start(t *testing.T, ns *netns.NS, attr *syscall.SysProcAttr, argv ...string) bus.Caller {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr, cmd.Stderr = attr, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	nstest.In(t, ns, cmd.Start)
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	var uid, gid uint32
	if c := attr.Credential; c != nil {
		uid, gid = c.Uid, c.Gid
	}
	return creds.Of(uint32(cmd.Process.Pid), uid, gid)
}

// outside is by as if he were outside our pid namespace.
func outside(by bus.Caller) bus.Caller {
	return creds.Of(0, by.UID, by.GID)
}

// namespaceOf returns the namespace that a process is in.
func namespaceOf(t *testing.T, by bus.Caller) *netns.NS {
	t.Helper()
	ns, err := netns.OfThread(by.Rights.Thread)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func attach(n *bus.Network, by bus.Caller, file, command string) error {
	return bus.AttacherOf(file).Attach(n, by, command)
}

func detach(n *bus.Network, by bus.Caller, file, name string) error {
	return bus.AttacherOf(file).Detach(n, by, name)
}

// want attaches, or is refused with an error of that kind.
func (l *lab) want(kind fail.Kind, by bus.Caller, file, command string) {
	l.t.Helper()
	err := attach(l.Net, by, file, command)
	if fail.KindOf(err) != kind || err != nil && (kind == 0 || err.Error() == "") {
		l.t.Errorf("%s %q: error %v of kind %d, want kind %d", file, command, err, fail.KindOf(err), kind)
	}
}

// attach attaches as root and returns what List shows of it.
func (l *lab) attach(file, command string) string {
	l.t.Helper()
	if err := attach(l.Net, l.root, file, command); err != nil {
		l.t.Fatalf("%s %q: %v", file, command, err)
	}
	lines := l.list(file)
	return lines[len(lines)-1]
}

func (l *lab) detach(file, name string) {
	l.t.Helper()
	if err := detach(l.Net, l.root, file, name); err != nil {
		l.t.Fatalf("%s: -%s: %v", file, name, err)
	}
}

func (l *lab) list(file string) []string {
	return strings.Split(bus.AttacherOf(file).List(l.Net), "\n")
}

// wantList waits until List shows one line with these words, or is empty.
func (l *lab) wantList(file string, words ...string) {
	l.t.Helper()
	var lines []string
	defer func() {
		if l.t.Failed() {
			l.t.Logf("%s shows %q", file, lines)
		}
	}()
	nstest.Wait(l.t, fmt.Sprintf("%s to show %q", file, words), func() bool {
		lines = l.list(file)
		if len(words) == 0 {
			return len(lines) == 1 && lines[0] == ""
		}
		return len(lines) == 1 && hasWords(lines[0], words...)
	})
}

func hasWords(line string, words ...string) bool {
	for _, word := range words {
		if !strings.Contains(" "+line+" ", " "+word+" ") {
			return false
		}
	}
	return true
}

// facts returns those of an interface of ns, or fails.
func facts(t *testing.T, ns *netns.NS, name string) link.Facts {
	t.Helper()
	f, err := link.Get(ns, name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

// wantGone waits until there is no such interface in ns.
func wantGone(t *testing.T, ns *netns.NS, name string) {
	t.Helper()
	nstest.Wait(t, name+" to disappear", func() bool {
		_, err := link.Get(ns, name)
		return errors.Is(err, unix.ENODEV)
	})
}

// listen opens a UDP socket in ns.
func listen(t *testing.T, ns *netns.NS, addr string) net.PacketConn {
	t.Helper()
	var c net.PacketConn
	nstest.In(t, ns, func() (err error) {
		c, err = net.ListenPacket("udp", addr)
		return err
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// reaches tells whether datagrams get from one socket to another.
func reaches(t *testing.T, from, to net.PacketConn) bool {
	t.Helper()
	return sends(t, from, to.LocalAddr(), to, time.Minute)
}

func sends(t *testing.T, from net.PacketConn, addr net.Addr, to net.PacketConn, limit time.Duration) bool {
	t.Helper()
	buf := make([]byte, 100)
	text := nstest.Name()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		if _, err := from.WriteTo([]byte(text), addr); err != nil {
			t.Fatal(err)
		}
		to.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _, err := to.ReadFrom(buf); err == nil && string(buf[:n]) == text {
			return true
		}
	}
	return false
}
