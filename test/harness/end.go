package harness

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// End ends the daemon by SIGTERM, unless it has ended, and checks that its
// exit code is 0 and that nothing of it is left. A second call does nothing.
func (m *Mounted) End(t testing.TB) {
	t.Helper()
	if m.ended {
		return
	}
	_ = unix.Kill(m.PID, unix.SIGTERM)
	m.AwaitEnd(t)
}

// AwaitEnd waits until the daemon ends by itself, and checks like End.
func (m *Mounted) AwaitEnd(t testing.TB) {
	t.Helper()
	m.AwaitProcess(t)
	if IsMounted(t, m.Dir) {
		t.Errorf("%s is still mounted", m.Dir)
		Detach(t, m.Dir)
	}
}

// AwaitProcess is AwaitEnd for a daemon whose place may have a new mount.
func (m *Mounted) AwaitProcess(t testing.TB) {
	t.Helper()
	m.ended = true
	select {
	case <-m.done:
		if code := m.cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("the daemon ended with %s", m.cmd.ProcessState)
		}
	case <-time.After(Deadline):
		t.Errorf("the daemon did not end:\n%s", Stacks(m.PID))
		_ = unix.Kill(m.PID, unix.SIGKILL)
		<-m.done
	}
	m.checkGone(t)
}

// Kill ends the daemon by SIGKILL. The dead mount stays; taking it away is
// the business of a later mount, or of the end of the test.
func (m *Mounted) Kill(t testing.TB) {
	t.Helper()
	m.ended = true
	_ = unix.Kill(m.PID, unix.SIGKILL)
	<-m.done
	t.Cleanup(func() {
		if IsMounted(t, m.Dir) {
			Detach(t, m.Dir)
		}
	})
}

// goroutine is the first line of one in a dump.
var goroutine = regexp.MustCompile(`(?m)^goroutine \d+ .*\[.*\]:\n(?:.*\n)*?(?:\n|\z)`)

// Goroutines ends the daemon by SIGQUIT and returns the stacks of those of
// its goroutines that are the program's. The mount is taken away.
func (m *Mounted) Goroutines(t testing.TB) []string {
	t.Helper()
	m.ended = true
	awaitQuiet(t, m.PID) // what is just being answered is no leak
	_ = unix.Kill(m.PID, unix.SIGQUIT)
	select {
	case <-m.done:
	case <-time.After(Deadline):
		t.Errorf("the daemon did not end at SIGQUIT:\n%s", Stacks(m.PID))
		_ = unix.Kill(m.PID, unix.SIGKILL)
		<-m.done
	}
	Detach(t, m.Dir)
	m.checkGone(t)
	var own []string
	for _, stack := range goroutine.FindAllString(m.stderr.String(), -1) {
		if strings.Contains(stack, "ipnfs/") || strings.Contains(stack, "main.") {
			own = append(own, stack)
		}
	}
	if len(own) == 0 {
		t.Errorf("no goroutines in the daemon's last words:\n%s", m.stderr.String())
	}
	return own
}

// checkGone checks that the process is gone and that no race was seen.
func (m *Mounted) checkGone(t testing.TB) {
	t.Helper()
	if err := unix.Kill(m.PID, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("process %d of the daemon is still there", m.PID)
	}
	if strings.Contains(m.stderr.String(), "DATA RACE") {
		t.Errorf("the daemon has a data race:\n%s", m.stderr.String())
	}
}

// Run runs the program with arguments and returns its output and exit code.
func Run(t testing.TB, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(Binary(t), args...)
	cmd.Env = environ()
	both, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(both), cmd.ProcessState.ExitCode()
}

// Running tells whether the daemon has not ended.
func (m *Mounted) Running() bool {
	select {
	case <-m.done:
		return false
	default:
		return true
	}
}
