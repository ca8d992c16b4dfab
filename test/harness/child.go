package harness

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleEnv makes a test binary play a role instead of running its tests.
const roleEnv = "IPNFS_TEST_ROLE"

var roles = map[string]func(args []string){}

// Role gives a name to what a child process may do; called from init. The
// role talks to its test by Say and Hear.
func Role(name string, f func(args []string)) { roles[name] = f }

// Main plays the role that this process was started for, or runs the tests.
// A package that uses Start calls it from TestMain.
func Main(m *testing.M) {
	withoutPreemption()
	if name := os.Getenv(roleEnv); name != "" {
		roles[name](os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// preemptionEnv marks a process that withoutPreemption has started again, and
// holds what GODEBUG was.
const preemptionEnv = "IPNFS_TEST_GODEBUG"

// withoutPreemption starts this process again with Go's preemption signals
// off. Such a signal is as good as any other: it would end a read or write
// that waits with EINTR or a short count, now and then. What this process
// starts does not inherit the setting.
func withoutPreemption() {
	if before, again := os.LookupEnv(preemptionEnv); again {
		os.Unsetenv(preemptionEnv)
		os.Setenv("GODEBUG", before)
		return
	}
	before := os.Getenv("GODEBUG")
	os.Setenv(preemptionEnv, before)
	os.Setenv("GODEBUG", strings.TrimPrefix(before+",asyncpreemptoff=1", ","))
	self, err := os.Executable()
	if err == nil && unix.Access(self, unix.X_OK) != nil {
		self = "/proc/self/exe" // a user who may not enter the directory of it
	}
	if err == nil {
		err = unix.Exec(self, os.Args, os.Environ())
	}
	panic(fmt.Sprintf("the test cannot start itself: %v", err))
}

// Say tells the test a line; for roles.
func Say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

var stdin = bufio.NewReader(os.Stdin)

// Hear waits for a line of the test; for roles. It returns "" if the test
// says no more.
func Hear() string {
	line, _ := stdin.ReadString('\n')
	if line == "" {
		return ""
	}
	return line[:len(line)-1]
}

// Child is a process that plays a role.
type Child struct {
	PID int

	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	done  chan struct{}
}

// Start starts the test binary again in a role. What is left of it at the end
// of the test is killed.
func Start(t testing.TB, role string, args ...string) *Child {
	t.Helper()
	return StartWith(t, nil, role, args...)
}

// StartWith is Start of a child that gets descriptors of the test, as 3, 4...
func StartWith(t testing.TB, fds []int, role string, args ...string) *Child {
	t.Helper()
	return start(t, &unix.SysProcAttr{}, fds, role, args)
}

// StartAs is Start of a child that is another user, without groups and
// capabilities and in a process group of its own. It needs root.
func StartAs(t testing.TB, uid uint32, role string, args ...string) *Child {
	t.Helper()
	return start(t, &unix.SysProcAttr{
		Credential: &syscall.Credential{Uid: uid, Gid: uid},
		Setpgid:    true,
	}, nil, role, args)
}

func start(t testing.TB, attr *unix.SysProcAttr, fds []int, role string, args []string) *Child {
	t.Helper()
	if roles[role] == nil {
		t.Fatalf("no role %q", role)
	}
	c := &Child{cmd: exec.Command("/proc/self/exe", args...), lines: make(chan string, 1024), done: make(chan struct{})}
	c.cmd.Env = append(environ(), roleEnv+"="+role)
	c.cmd.Stderr = os.Stderr
	for _, fd := range fds { // a dup, as os.File will close it
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(twin), "")
		defer file.Close()
		c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, file)
	}
	attr.Pdeathsig = unix.SIGKILL
	c.cmd.SysProcAttr = attr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // Pdeathsig means the thread that started it
		defer close(c.done)
		err := c.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for scan := bufio.NewScanner(out); scan.Scan(); {
			c.lines <- scan.Text()
		}
		close(c.lines)
		_ = c.cmd.Wait()
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	c.PID = c.cmd.Process.Pid
	t.Cleanup(func() { c.Kill(t) })
	return c
}

// Line waits for a line of the child.
func (c *Child) Line(t testing.TB) string {
	t.Helper()
	return c.LineWithin(t, Deadline)
}

// LineWithin is Line of a child that may take so long.
func (c *Child) LineWithin(t testing.TB, limit time.Duration) string {
	t.Helper()
	select {
	case line, ok := <-c.lines:
		if !ok {
			t.Fatalf("child %d said no more", c.PID)
		}
		return line
	case <-time.After(limit):
		t.Fatalf("child %d says nothing:\n%s", c.PID, Stacks(c.PID))
		return ""
	}
}

// Expect waits for a line of the child and checks it.
func (c *Child) Expect(t testing.TB, want string) {
	t.Helper()
	if line := c.Line(t); line != want {
		t.Fatalf("child %d said %.200q, not %q", c.PID, line, want)
	}
}

// Tell sends the child a line.
func (c *Child) Tell(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		t.Fatalf("child %d: %v", c.PID, err)
	}
}

// Signal sends the child's process a signal.
func (c *Child) Signal(t testing.TB, s unix.Signal) {
	t.Helper()
	if err := unix.Kill(c.PID, s); err != nil {
		t.Fatalf("child %d: %s: %v", c.PID, unix.SignalName(s), err)
	}
}

// AwaitStopped waits until SIGSTOP has stopped the child.
func (c *Child) AwaitStopped(t testing.TB) {
	t.Helper()
	Eventually(t, fmt.Sprintf("child %d to be stopped", c.PID), func() bool {
		for _, dir := range threads(c.PID) {
			stat, _ := os.ReadFile(dir + "/stat")
			if !strings.Contains(string(stat), ") T ") {
				return false
			}
		}
		return true
	})
}

// Close tells the child that there is no more to hear.
func (c *Child) Close() { c.in.Close() }

// AwaitEnd waits until the child has ended.
func (c *Child) AwaitEnd(t testing.TB) {
	t.Helper()
	c.in.Close()
	select {
	case <-c.done:
	case <-time.After(Deadline):
		t.Fatalf("child %d does not end:\n%s", c.PID, Stacks(c.PID))
	}
}

// Running tells whether the child has not ended.
func (c *Child) Running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// Kill ends the child by SIGKILL, unless it has ended.
func (c *Child) Kill(t testing.TB) {
	t.Helper()
	if !c.Running() {
		return
	}
	_ = c.cmd.Process.Kill()
	c.AwaitEnd(t)
}

// Number waits for a line of the child that is a number.
func (c *Child) Number(t testing.TB) int {
	t.Helper()
	line := c.Line(t)
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("child %d said %.200q, not a number", c.PID, line)
	}
	return n
}
