package fault

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// waits are the ways to wait for events of a descriptor. Each takes a timeout
// in milliseconds, -1 for none, and returns the events that came.
var waits = map[string]func(t *testing.T, fd int) func(events int16, ms int) (int16, error){
	"poll": func(_ *testing.T, fd int) func(int16, int) (int16, error) {
		return func(events int16, ms int) (int16, error) {
			fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
			_, err := unix.Poll(fds, ms)
			return fds[0].Revents, err
		}
	},
	"select": func(_ *testing.T, fd int) func(int16, int) (int16, error) {
		return func(events int16, ms int) (int16, error) {
			var in, out unix.FdSet
			if events&unix.POLLIN != 0 {
				in.Set(fd)
			}
			if events&unix.POLLOUT != 0 {
				out.Set(fd)
			}
			var timeout *unix.Timeval
			if ms >= 0 {
				tv := unix.NsecToTimeval(int64(ms) * 1e6)
				timeout = &tv
			}
			n, err := unix.Select(fd+1, &in, &out, nil, timeout)
			var got int16
			if n > 0 && in.IsSet(fd) {
				got |= unix.POLLIN
			}
			if n > 0 && out.IsSet(fd) {
				got |= unix.POLLOUT
			}
			return got, err
		}
	},
	"epoll": func(t *testing.T, fd int) func(int16, int) (int16, error) {
		ep := newEpoll(t, fd, 0)
		return func(events int16, ms int) (int16, error) {
			ep.watch(t, unix.EPOLL_CTL_MOD, uint32(events))
			return ep.wait(ms)
		}
	},
}

// epoll is an epoll descriptor that watches one descriptor.
type epoll struct{ ep, fd int }

func newEpoll(t *testing.T, fd int, events uint32) epoll {
	t.Helper()
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ep) })
	e := epoll{ep, fd}
	e.watch(t, unix.EPOLL_CTL_ADD, events)
	return e
}

func (e epoll) watch(t *testing.T, op int, events uint32) {
	t.Helper()
	if err := unix.EpollCtl(e.ep, op, e.fd, &unix.EpollEvent{Events: events, Fd: int32(e.fd)}); err != nil {
		t.Fatalf("epoll_ctl: %v", err)
	}
}

func (e epoll) wait(ms int) (int16, error) {
	var events [4]unix.EpollEvent
	n, err := unix.EpollWait(e.ep, events[:], ms)
	if n < 1 {
		return 0, err
	}
	return int16(events[0].Events), err
}

// sleeping starts a wait and returns when its thread sleeps: not for an answer
// of the daemon, but for an event.
func sleeping(t *testing.T, wait func(ms int) (int16, error)) <-chan result {
	t.Helper()
	done := make(chan result, 1)
	thread := make(chan int, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		events, err := retry(func() (int, error) { e, err := wait(-1); return int(e), err })
		done <- result{n: events, err: err}
	}()
	path := fmt.Sprintf("/proc/self/task/%d/wchan", <-thread)
	harness.Eventually(t, "a poller to sleep", func() bool {
		if len(done) > 0 {
			t.Fatalf("it did not wait, but gave %#x", (<-done).n)
		}
		where, _ := os.ReadFile(path)
		return strings.Contains(string(where), "poll") || strings.Contains(string(where), "select")
	})
	return done
}

// woken checks what a wait gives that is to end now.
func woken(t *testing.T, done <-chan result, want int16) {
	t.Helper()
	got := await(t, "wait", done)
	if got.err != nil || int16(got.n) != want {
		t.Fatalf("woken with %#x, %v, not %#x", got.n, got.err, want)
	}
}

// expectEvents checks what is there now.
func expectEvents(t *testing.T, wait func(int16, int) (int16, error), events, want int16) {
	t.Helper()
	got, err := retry(func() (int, error) { e, err := wait(events, 0); return int(e), err })
	if err != nil || int16(got) != want {
		t.Fatalf("events %#x, %v, not %#x", got, err, want)
	}
}
