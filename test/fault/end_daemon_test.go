package fault

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A signal that asks the daemon to end ends everything in order: waiting calls
// return, the mount is gone, the exit code is 0.
func TestTerminate(t *testing.T) {
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP} {
		t.Run(unix.SignalName(s), func(t *testing.T) {
			e := newEnding(t)
			if err := unix.Kill(e.m.PID, s); err != nil {
				t.Fatal(err)
			}
			e.m.AwaitEnd(t)
			e.check(t, true)
		})
	}
}

// A daemon that is killed leaves nobody waiting, and its place can be mounted
// on again at once, though old files are still open.
func TestDaemonKilled(t *testing.T) {
	e := newEnding(t)
	other, _ := caller(t, e.m, "port", "read", "none")
	e.m.Kill(t)
	e.check(t, false)
	other.Expect(t, "read ECONNABORTED")
	other.Kill(t)
	if _, err := os.Stat(e.m.Path(lan)); err == nil {
		t.Error("the dead tree answers")
	}
	again := harness.MountOn(t, e.m.Dir)
	again.Network(t, lan)
	r, w := openPort(t, again, unix.O_RDONLY), openPort(t, again, unix.O_WRONLY)
	send(t, w, "as new")
	expect(t, r, "as new")
	if got := await(t, "write", writing(e.w, []byte("x"))); got.err == nil {
		t.Error("a port of the dead daemon sends")
	}
	expectEmpty(t, r)
}

// A process that was stopped while it waited is told so too when it goes on.
func TestDaemonKilledWhileStopped(t *testing.T) {
	m := mounted(t)
	c, _ := caller(t, m, "port", "read", "none")
	c.Signal(t, unix.SIGSTOP)
	c.AwaitStopped(t)
	m.Kill(t)
	c.Signal(t, unix.SIGCONT)
	c.Expect(t, "read EINTR")
	c.Tell(t, "again")
	c.Expect(t, "read ENOTCONN")
	c.AwaitEnd(t)
}

// A client that dies while the daemon is stopped leaves nothing behind.
func TestClientKilledWhileDaemonStopped(t *testing.T) {
	m := start(t)
	c, _ := caller(t, m, "port", "read", "none")
	if err := unix.Kill(m.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.Signal(t, unix.SIGKILL)
	if err := unix.Kill(m.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.AwaitEnd(t)
}

// After a life with all kinds of waiting and leaving the daemon has no more
// goroutines than a new one.
func TestNoGoroutineLeft(t *testing.T) {
	fresh := mounted(t).Goroutines(t)
	m := mounted(t)
	net := m.Path(lan)
	for range 5 {
		full := fill(t, m)
		r, s := openPort(t, m, unix.O_RDONLY), openStream(t, m, unix.O_RDONLY)
		w, ws := openPort(t, m, unix.O_WRONLY), openStream(t, m, unix.O_WRONLY)
		events := open(t, net+"/events", unix.O_RDONLY)
		waiting := []<-chan result{reading(r, 100), reading(s, 100), writing(w, []byte("x")), writing(ws, streamed("x", "y")), readAll(events)}
		awaitBlocked(t, m, len(waiting))
		c, _ := caller(t, m, "port", "read", "none")
		c.Kill(t)
		for _, fd := range []int{r, s, w, ws} {
			removePort(t, m, number(t, fd))
		}
		for _, done := range waiting[:4] {
			await(t, "call", done)
		}
		removePort(t, m, number(t, full))
		if err := unix.Rmdir(net); err != nil {
			t.Fatal(err)
		}
		await(t, "read of events", waiting[4])
		for _, fd := range []int{full, r, s, w, ws, events} {
			closeNow(t, fd)
		}
		m.Network(t, lan)
	}
	m.CheckIdle(t)
	if left := m.Goroutines(t); len(left) != len(fresh) {
		t.Errorf("%d goroutines, a new daemon has %d:\n%s", len(left), len(fresh), left)
	}
}
