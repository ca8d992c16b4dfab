package harness

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// Missing ends a test for which this machine lacks something: it fails where
// CI or IPNFS_TEST_REQUIRE is set, and is skipped elsewhere.
func Missing(t testing.TB, what string) {
	t.Helper()
	for _, name := range []string{"CI", "IPNFS_TEST_REQUIRE"} {
		if os.Getenv(name) != "" {
			t.Fatalf("missing: %s (and %s is set)", what, name)
		}
	}
	t.Skipf("missing: %s", what)
}

// NeedFuse ends the test if this process cannot mount.
func NeedFuse(t testing.TB) {
	t.Helper()
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		Missing(t, "/dev/fuse: "+err.Error())
	}
	if os.Geteuid() != 0 {
		NeedProgram(t, "fusermount3")
	}
}

// NeedRoot ends the test if it does not run as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "root")
	}
}

// NeedProgram ends the test if a program is not installed, and returns its
// path.
func NeedProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, "the program "+name)
	}
	return path
}
