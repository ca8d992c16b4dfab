package fault

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// fill makes a network block its senders: one receiver that never reads, with
// a full queue of one frame.
func fill(t *testing.T, m *harness.Mounted) (full int) {
	t.Helper()
	harness.Set(t, "block", m.Path(lan, "overflow"))
	harness.Set(t, "1", m.Path(lan, "queue"))
	full = openPort(t, m, unix.O_RDONLY)
	w := openPort(t, m, unix.O_WRONLY)
	send(t, w, "fills the queue")
	closeNow(t, w)
	return full
}

// doors are the files whose calls block.
var doors = []string{"port", "stream"}

// A signal with a handler ends a read and a write that wait with EINTR,
// SA_RESTART or not, and nothing is lost by it.
func TestSignal(t *testing.T) {
	for _, door := range doors {
		for _, handler := range []string{"handler", "restart"} {
			t.Run(door+" read "+handler, func(t *testing.T) {
				m := start(t)
				c, tid := caller(t, m, door, "read", handler)
				for range 5 {
					m.AwaitBlocked(t, c.PID, 1)
					_ = unix.Tgkill(c.PID, tid, unix.SIGUSR1)
					c.Expect(t, "read EINTR")
					c.Tell(t, "again")
				}
				m.AwaitBlocked(t, c.PID, 1)
				send(t, openPort(t, m, unix.O_WRONLY), "after all")
				if line := c.Line(t); !strings.HasSuffix(line, "after all") {
					t.Errorf("the child said %q", line)
				}
				c.AwaitEnd(t)
			})
			t.Run(door+" write "+handler, func(t *testing.T) {
				m := start(t)
				full := fill(t, m)
				c, tid := caller(t, m, door, "write", handler)
				for range 5 {
					m.AwaitBlocked(t, c.PID, 1)
					_ = unix.Tgkill(c.PID, tid, unix.SIGUSR1)
					c.Expect(t, "write EINTR")
					c.Tell(t, "again")
				}
				m.AwaitBlocked(t, c.PID, 1)
				expect(t, full, "fills the queue")
				c.Expect(t, "write from the child")
				expect(t, full, "from the child")
				expectEmpty(t, full) // what was interrupted was not sent
				c.AwaitEnd(t)
			})
		}
	}
}

// SIGSTOP holds a waiting read at once; after SIGCONT it returns EINTR, and
// what came meanwhile is there.
func TestStopAndContinue(t *testing.T) {
	m := start(t)
	w := openPort(t, m, unix.O_WRONLY)
	c, _ := caller(t, m, "port", "read", "none")
	c.Signal(t, unix.SIGSTOP)
	c.AwaitStopped(t)
	send(t, w, "while stopped")
	c.Signal(t, unix.SIGCONT)
	c.Expect(t, "read EINTR")
	c.Tell(t, "again")
	c.Expect(t, "read while stopped")
	c.AwaitEnd(t)
}

// SIGKILL ends a process that waits in a call at once, and its port is gone.
func TestKill(t *testing.T) {
	for _, door := range doors {
		for _, call := range []string{"read", "write", "poll"} {
			t.Run(door+" "+call, func(t *testing.T) {
				m := start(t)
				full := -1
				if call == "write" {
					full = fill(t, m)
				}
				before := m.Stats(t, lan)["ports"]
				c, _ := caller(t, m, door, call, "none")
				if n := m.Stats(t, lan)["ports"]; n != before+1 {
					t.Fatalf("%d ports, not %d", n, before+1)
				}
				c.Signal(t, unix.SIGKILL)
				c.AwaitEnd(t)
				if n := m.Stats(t, lan)["ports"]; n != before {
					t.Errorf("%d ports after the kill, not %d", n, before)
				}
				if full >= 0 {
					expect(t, full, "fills the queue")
					expectEmpty(t, full)
				}
			})
		}
	}
}
