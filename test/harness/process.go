package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Deadline is how long anything may take that should happen at once. It is
// no measure of speed: a slow machine must not reach it.
const Deadline = time.Minute

// GiveUp is when a test gives up what takes as long as it takes, such as a
// transfer: when nine tenths of what is left of go test's -timeout are over, so
// that there is time to tell what was wrong and to leave nothing behind. The
// zero time, which net takes for "never", if there is no -timeout.
func GiveUp(t *testing.T) time.Time {
	end, limited := t.Deadline()
	if !limited {
		return time.Time{}
	}
	return end.Add(-time.Until(end) / 10)
}

// Eventually waits until f is true, and ends the test if it does not become
// so.
func Eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(Deadline); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain for %s", Deadline, what)
		}
	}
}

// Descriptors lists what the daemon has open, but for what Go's runtime opens
// for itself when it first needs it.
func (m *Mounted) Descriptors(t testing.TB) []string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", m.PID)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") {
			continue // closed meanwhile, or epoll and its eventfd
		}
		list = append(list, target)
	}
	sort.Strings(list)
	return list
}

// Threads counts the daemon's threads.
func (m *Mounted) Threads(t testing.TB) int {
	t.Helper()
	return len(threads(m.PID))
}

// ResidentKB is how much memory the daemon holds, in KiB.
func (m *Mounted) ResidentKB(t testing.TB) int {
	t.Helper()
	return m.status(t, "VmRSS")
}

// PeakKB is the most memory that the daemon has held so far, in KiB.
func (m *Mounted) PeakKB(t testing.TB) int {
	t.Helper()
	return m.status(t, "VmHWM")
}

// status reads a number from the daemon's /proc/PID/status.
func (m *Mounted) status(t testing.TB, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.PID))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), name+":")
	n, err := strconv.Atoi(strings.Fields(rest + " x")[0])
	if err != nil {
		t.Fatalf("no %s in %s", name, status)
	}
	return n
}

func threads(pid int) []string {
	dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	return dirs
}

// waitChannel is where in the kernel a caller of a FUSE file system waits for
// the answer.
const waitChannel = "request_wait_answer"

// blockedCalls lists the threads of a process that wait for an answer of a
// FUSE daemon.
func blockedCalls(pid int) []string {
	var list []string
	for _, dir := range threads(pid) {
		if where, _ := os.ReadFile(dir + "/wchan"); string(where) == waitChannel {
			list = append(list, dir)
		}
	}
	return list
}

// AwaitBlocked waits until n threads of a process are in calls that the daemon
// has received and does not answer.
func (m *Mounted) AwaitBlocked(t testing.TB, pid, n int) {
	t.Helper()
	Eventually(t, fmt.Sprintf("%d calls of process %d to block", n, pid), func() bool {
		before := blockedCalls(pid)
		if len(before) != n {
			return false
		}
		// The daemon reads requests in order: it has answered by now what it
		// answers at once.
		if err := unix.Access(m.Path("version"), unix.F_OK); err != nil {
			t.Fatal(err)
		}
		return slices.Equal(before, blockedCalls(pid))
	})
}

// Stacks tells what the threads of a process are doing in the kernel, for
// messages.
func Stacks(pid int) string {
	var b strings.Builder
	for _, dir := range threads(pid) {
		if where, _ := os.ReadFile(dir + "/wchan"); strings.HasPrefix(string(where), "futex") {
			continue // one of Go's that has nothing to do
		}
		for _, name := range []string{"comm", "wchan", "syscall", "stack"} {
			text, _ := os.ReadFile(dir + "/" + name)
			fmt.Fprintf(&b, "%s/%s: %s\n", dir, name, strings.TrimSpace(string(text)))
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("process %d is gone", pid)
	}
	return b.String()
}

// awaitQuiet waits until all threads of a process sleep, and none has run for a
// moment. One that waits for a processor does not sleep.
func awaitQuiet(t testing.TB, pid int) {
	t.Helper()
	var before []string
	Eventually(t, fmt.Sprintf("process %d to be at rest", pid), func() bool {
		var now []string
		asleep := true
		for _, dir := range threads(pid) {
			schedstat, _ := os.ReadFile(dir + "/schedstat") // time on a CPU, time waiting for one, turns
			now = append(now, dir+" "+string(schedstat))
			stat, _ := os.ReadFile(dir + "/stat")
			asleep = asleep && !strings.Contains(string(stat), ") R ")
		}
		quiet := asleep && slices.Equal(before, now)
		before = now
		return quiet
	})
}
