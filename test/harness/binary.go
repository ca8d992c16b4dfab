// Package harness is what the tests on real mounts share: the program built
// once, a mount of it that checks at its end that nothing is left, reports of
// the mount as numbers, and child processes to be signalled.
//
//   - binary.go: Binary, the program under test.
//   - require.go: what a test needs of the machine.
//   - mount.go, end.go: Mount, and how it ends.
//   - network.go: networks, their stats, what must be left of them.
//   - process.go: what /proc knows of a process; deadlines.
//   - host.go: network namespaces.
//   - child.go: the test binary started again in another role.
package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var built struct {
	once sync.Once
	path string
	err  string
}

// binaryEnv names a program to be tested instead of one built from the source
// beside the tests: an older version, for instance.
const binaryEnv = "IPNFS_TEST_BINARY"

// Binary builds ipnfs once per test process, with the race detector if the
// test has it, and returns the path of the program. If IPNFS_TEST_BINARY is
// set it is that path and nothing is built.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(build)
	if built.err != "" {
		t.Fatal(built.err)
	}
	return built.path
}

func build() {
	if built.path = os.Getenv(binaryEnv); built.path != "" {
		return
	}
	dir, err := buildDir()
	if err != nil {
		built.err = err.Error()
		return
	}
	built.path = filepath.Join(dir, "ipnfs")
	args := []string{"build", "-o", built.path}
	cgo := "CGO_ENABLED=0"
	if Race {
		args = append(args, "-race")
		cgo = "CGO_ENABLED=1"
	}
	cmd := exec.Command("go", append(args, "ipnfs/cmd/ipnfs")...)
	cmd.Env = append(os.Environ(), cgo)
	if out, err := cmd.CombinedOutput(); err != nil {
		built.err = "go " + strings.Join(args, " ") + ": " + err.Error() + "\n" + string(out)
	}
}

// buildDir is the directory in which go test has put the test itself, and
// which it removes in the end; for a test that was built by hand, a new one.
func buildDir() (string, error) {
	self, err := os.Executable()
	if err == nil && strings.HasPrefix(filepath.Base(filepath.Dir(filepath.Dir(self))), "go-build") {
		return filepath.Dir(self), nil
	}
	return os.MkdirTemp("", "ipnfs-test-")
}

// environ is the environment of the processes under test. The race detector
// waits a second at the end of each, unless it is told not to.
func environ() []string {
	return append(os.Environ(), "GORACE="+os.Getenv("GORACE")+" atexit_sleep_ms=0")
}
