// Package door tests the sockets of networks on a real mount, by users who have
// some of the rights on a network, or none.
//
//   - main_test.go: the mount.
//   - client_test.go: a process of another user, which is a client of a socket.
//   - rights_test.go: what the mode of port lets each of them do.
//
// All needs root.
package door

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// lan is the network of the tests.
const lan = "lan"

var sockets = []string{"ctl", "qemu", "seq", "vhost"}

// start mounts and makes the network, which all users reach. In the end nothing of
// the clients may be left.
func start(t *testing.T) *harness.Mounted {
	t.Helper()
	harness.NeedRoot(t)
	m := harness.MountOn(t, publicDir(t))
	m.Network(t, lan)
	for _, socket := range sockets { // who looks at one lets it be bound
		missing(m.Path(lan, socket))
	}
	base := len(m.Descriptors(t))
	t.Cleanup(func() {
		harness.Eventually(t, "the descriptors of clients to be closed", func() bool { return len(m.Descriptors(t)) <= base })
		m.CheckBalance(t, lan)
	})
	if daemon := capabilities(t, m.PID); daemon == capabilities(t, os.Getpid()) && !harness.Race {
		t.Fatalf("the daemon has kept all capabilities, %s: the real one has not", daemon)
	}
	return m
}

// publicDir makes a directory that all users reach, and in which they make files.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	return dir
}

// capabilities are those that a process uses, in hexadecimal. A daemon with the race
// detector keeps all.
func capabilities(t *testing.T, pid int) string {
	t.Helper()
	status := harness.Get(t, fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(status, "\nCapEff:\t")
	word, _, _ := strings.Cut(rest, "\n")
	return word
}

// missing tells whether there is no such file.
func missing(path string) bool { return unix.Access(path, unix.F_OK) == unix.ENOENT }
