package ether

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"ipnfs/test/harness"
)

// nobody is a user without rights.
const nobody = 65534

// as runs a shell command in the namespace as a user without rights and
// returns what it said.
func (h *host) as(uid uint32, command string) (string, error) {
	var out strings.Builder
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	err := h.NS.Do(cmd.Start)
	if err == nil {
		err = cmd.Wait()
	}
	return out.String(), err
}

// write is a command that writes a line to a file, within another command. It
// says why it failed, which echo does not.
func write(within, line, file string) string {
	return fmt.Sprintf("echo %s | %s tee %s", line, within, file)
}

// A caller in a network and mount namespace of his own, as ip netns exec makes
// them, gets the interface where he is.
func TestCallerInOtherNamespaces(t *testing.T) { overWires(t, testCallerInOtherNamespaces) }

func testCallerInOtherNamespaces(t *testing.T, l *lab) {
	h := newHost(t)
	for _, command := range [][]string{
		{"ip", "netns", "exec", h.Name, "sh", "-c", "echo eth0 up > " + l.Path(lan, l.by)},
		{"nsenter", "--net=/run/netns/" + h.Name, "unshare", "--mount", "--pid", "--fork", "sh", "-c", "echo eth1 up > " + l.Path(lan, l.by)},
		{"sh", "-c", "echo eth2 netns=" + h.Name + " up > " + l.Path(lan, l.by)},
	} {
		harness.NeedProgram(t, command[0])
		harness.Exec(t, command...)
	}
	for i := range 3 {
		name := fmt.Sprint("eth", i)
		if !h.Has(name) {
			t.Errorf("%s is not in the caller's namespace", name)
		}
		if _, err := os.Stat("/sys/class/net/" + name); err == nil && i > 0 {
			t.Errorf("%s is in the daemon's namespace", name)
		}
		if l.portOf(lan, l.by, name, h) != fmt.Sprint(i+1) {
			t.Errorf("%s is no port, or another: %s", name, harness.Get(t, l.Path(lan, l.by)))
		}
	}
}

// The daemon is root, but its callers are not: who may manage a network but
// has no rights over interfaces gains none, with or without a user namespace
// in which he is root.
func TestCallersWithoutRights(t *testing.T) {
	t.Parallel()
	l := start(t)
	h, outside := newHost(t), newHost(t)
	outside.veth("v0", h)
	if err := os.Chmod(l.Path(lan, "port"), 0o777); err != nil {
		t.Fatal(err)
	}
	tap, veth, grab := l.Path(lan, "tap"), l.Path(lan, "veth"), l.Path(lan, "grab")
	h.IP("tuntap add dev root0 mode tap")
	h.IP("tuntap add dev other0 mode tap user 12345")
	h.IP(fmt.Sprintf("tuntap add dev mine0 mode tap user %d", nobody))
	for _, c := range []struct{ line, file, in string }{
		{"new0", tap, ""},
		{"new0 netns=" + outside.Name, tap, ""},
		{"new0 netns=1", tap, ""},
		{"new0", veth, ""},
		{"new0 netns=" + outside.Name, veth, ""},
		{"new0 netns=1", veth, ""},
		{"new0", veth, "unshare -Urn"},
		{"root0", tap, ""},
		{"other0", tap, ""},
		{"mine0 up", tap, ""}, // nor may he set it up
		{"mine0 mtu=9000", tap, ""},
		{"mine0 addr=10.0.0.1/24", tap, ""},
		{"eth0", grab, ""},
		{"lo", grab, ""},
		{"v0 netns=" + outside.Name, grab, ""},
		{"new0", tap, "unshare -Ur"},
		{"new0", tap, "unshare -Urn"},
		{"lo", grab, "unshare -Urn"},
	} {
		if out, err := h.as(nobody, write(c.in, c.line, c.file)); err == nil || !strings.Contains(out, "Operation not permitted") {
			t.Errorf("%s to %s as a user %s: %v, %q", c.line, c.file, c.in, err, out)
		}
	}
	if got := harness.Get(t, tap) + harness.Get(t, veth) + harness.Get(t, grab); got != "" {
		t.Errorf("something was attached: %s", got)
	}
	// What root attached he cannot take off, what is his he can attach.
	h.attach(l, lan, "grab", "eth0")
	if out, err := h.as(nobody, write("", "-eth0", grab)); err == nil || !strings.Contains(out, "not permitted") {
		t.Errorf("a user took off what root attached: %v, %q", err, out)
	}
	if out, err := h.as(nobody, write("", "mine0", tap)); err != nil {
		t.Errorf("a user's own tap: %v, %q", err, out)
	}
	if out, err := h.as(nobody, write("", "-mine0", tap)); err != nil {
		t.Errorf("a user's own tap, to be taken off: %v, %q", err, out)
	}
	if !h.Has("mine0") {
		t.Error("a tap that was there is gone")
	}
}

// A file's writer cannot pass for a tap: what he writes is data, also if it
// begins like a virtio-net header.
func TestNoHeaderFromFiles(t *testing.T) { overWires(t, testNoHeaderFromFiles) }

func testNoHeaderFromFiles(t *testing.T, l *lab) {
	h := newHost(t)
	h.join(l, "eth0")
	h.Quiet("eth0")
	in, out := l.openPort(lan), h.wire("eth0")
	header := []byte{1, 1, 0, 0, 1, 0, 34, 0, 16, 0} // NEEDS_CSUM, TCPv4, segments of 1 byte
	in.send(append(header, frame(1, "with a header in front")...))
	in.send(frame(2, "last"))
	await(t, "the last frame", out, "last")
	h.In(func() error {
		text, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		for _, line := range strings.Split(string(text), "\n") {
			if name, counts, _ := strings.Cut(strings.TrimSpace(line), ":"); name == "eth0" {
				if got := strings.Fields(counts)[1]; got != "2" {
					return fmt.Errorf("eth0 received %s frames, want 2", got)
				}
				return nil
			}
		}
		return errors.New("no counters of eth0")
	})
}
