package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// users are the people in the scripts: asuser $ALICE COMMAND. A machine need
// not know them. Alice and bob are the crew.
var users = map[string]string{
	"ALICE": "20001:20001,20010",
	"BOB":   "20002:20002,20010",
	"CAROL": "20003:20003",
	"CREW":  "20010",
}

// scriptTime is how long a script may take; the slowest takes seconds, and half a
// minute on a machine that is busy.
const scriptTime = 10 * time.Minute

// TestScripts runs each file of script/ as a test of its own.
//
// A script finds ipnfs in PATH, an empty directory $IPN to mount on, and its
// own directory $WORK, where all users may look around. What it mounted on
// $IPN is unmounted in the end; nothing else of it may be left then.
func TestScripts(t *testing.T) {
	harness.NeedRoot(t)
	harness.NeedFuse(t)
	for _, name := range []string{"bash", "perl", "mount"} {
		harness.NeedProgram(t, name)
	}
	unix.Umask(0o022)
	root, err := os.MkdirTemp("", "ipnfs-script-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	bin := filepath.Join(root, "bin")
	unit, err := filepath.Abs("../cmd/ipnfs/systemd/ipnfs@.service")
	if err != nil {
		t.Fatal(err)
	}
	install(t, harness.Binary(t), bin)
	testscript.Run(t, testscript.Params{
		Dir:                "script",
		WorkdirRoot:        root,
		RequireUniqueNames: true,
		Cmds:               commands,
		Condition:          condition,
		Setup: func(e *testscript.Env) error {
			e.Setenv("UNIT", unit)
			return setUp(e, bin)
		},
	})
}

// condition is "[race]": the program has the race detector, and so C in it.
func condition(word string) (bool, error) {
	if word != "race" {
		return false, fmt.Errorf("unknown condition %q", word)
	}
	return harness.Race, nil
}

// install puts the program where all users can run it.
func install(t *testing.T, binary, bin string) {
	for _, dir := range []string{filepath.Dir(bin), bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "ipnfs"), program, 0o755); err != nil {
		t.Fatal(err)
	}
}

func setUp(e *testscript.Env, bin string) error {
	ipn, races := filepath.Join(e.WorkDir, "ipn"), filepath.Join(e.WorkDir, ".race")
	for dir, mode := range map[string]os.FileMode{e.WorkDir: 0o755, ipn: 0o755, races: 0o777} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode); err != nil { // whatever the umask is
			return err
		}
	}
	e.Setenv("PATH", bin+":"+e.Getenv("PATH"))
	e.Setenv("IPN", ipn)
	e.Setenv("LC_ALL", "C")
	e.Setenv("GORACE", "atexit_sleep_ms=10 log_path="+races+"/report")
	for name, ids := range users {
		e.Setenv(name, ids)
	}
	t := e.T().(testing.TB)
	e.Values[testKey{}] = t
	watch := time.AfterFunc(scriptTime, func() { giveUp(t, e.WorkDir) })
	t.Cleanup(func() {
		watch.Stop()
		cleanUp(t, e.WorkDir, ipn)
	})
	return nil
}

// testKey is under what commands find the test they belong to.
type testKey struct{}

// giveUp ends the networks of a script that hangs, so that whoever waits for
// a frame goes on, and the script fails where it is.
func giveUp(t testing.TB, work string) {
	t.Errorf("the script takes more than %s", scriptTime)
	for _, pid := range daemonsBelow(work) {
		t.Logf("process %d:\n%s", pid, harness.Stacks(pid))
		_ = unix.Kill(pid, unix.SIGTERM)
	}
}

// cleanUp unmounts ipn and checks that nothing of a script is left.
func cleanUp(t testing.TB, work, ipn string) {
	if harness.IsMounted(t, ipn) {
		if err := unix.Access(filepath.Join(ipn, "version"), unix.F_OK); err != nil {
			t.Errorf("what is mounted does not answer: %v", err)
		}
		if err := unix.Unmount(ipn, 0); err != nil {
			t.Errorf("umount: %v", err)
		}
	}
	for _, dir := range mountsBelow(t, work) {
		t.Errorf("%s is still mounted", dir)
		harness.Detach(t, dir)
	}
	var left []int
	for end := time.Now().Add(harness.Deadline); time.Now().Before(end); time.Sleep(pause) {
		if left = daemonsBelow(work); len(left) == 0 {
			break
		}
	}
	for _, pid := range left {
		t.Errorf("process %d is still there:\n%s", pid, harness.Stacks(pid))
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	reports, _ := filepath.Glob(filepath.Join(work, ".race", "*"))
	for _, path := range reports {
		text, _ := os.ReadFile(path)
		t.Errorf("%s", text[:min(len(text), 8000)])
	}
}

func mountsBelow(t testing.TB, dir string) (list []string) {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Error(err)
	}
	for _, m := range mounts {
		list = append(list, m.Mountpoint)
	}
	return list
}

func daemonsBelow(work string) []int {
	return daemons(func(dir string) bool { return strings.HasPrefix(dir, work+"/") })
}
