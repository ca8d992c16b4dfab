package fault

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// ending is a mount with everything that can wait: what is to come back when
// the mount ends.
type ending struct {
	m          *harness.Mounted
	r, w, full int
	read       <-chan result
	stream     <-chan result
	events     <-chan result
	write      <-chan result
	poll       <-chan result
	epoll      <-chan result
}

func newEnding(t *testing.T) *ending {
	t.Helper()
	m := mounted(t)
	e := &ending{m: m, full: fill(t, m)}
	e.r, e.w = openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	e.events = readAll(open(t, m.Path(lan, "events"), unix.O_RDONLY))
	e.read, e.stream = reading(e.r, 100), reading(openStream(t, m, unix.O_RDONLY), 100)
	e.write = writing(e.w, []byte("waits"))
	awaitBlocked(t, m, 4)
	fd := openPort(t, m, unix.O_RDONLY)
	e.poll = sleeping(t, func(ms int) (int16, error) { return waits["poll"](t, fd)(unix.POLLIN, ms) })
	ep := newEpoll(t, openPort(t, m, unix.O_RDONLY), unix.EPOLLIN|unix.EPOLLET)
	e.epoll = sleeping(t, ep.wait)
	return e
}

// readAll reads until the end of file or an error.
func readAll(fd int) <-chan result {
	done := make(chan result, 1)
	go func() {
		buf := make([]byte, 65536)
		for {
			n, err := retry(func() (int, error) { return unix.Read(fd, buf) })
			if n <= 0 {
				done <- result{n: n, err: err}
				return
			}
		}
	}()
	return done
}

// check waits for all that waits. clean: the daemon had the time to end it.
func (e *ending) check(t *testing.T, clean bool) {
	t.Helper()
	for name, done := range map[string]<-chan result{"read": e.read, "read of a stream": e.stream} {
		if got := await(t, name, done); clean && (got.n != 0 || got.err != nil) || !clean && got.err == nil {
			t.Errorf("%s: %d bytes, %v", name, got.n, got.err)
		}
	}
	await(t, "read of events", e.events) // it may be on its way to the next line
	if got := await(t, "write", e.write); got.err == nil || clean && !errors.Is(got.err, unix.ECONNRESET) {
		t.Errorf("write: %d, %v", got.n, got.err)
	}
	for name, done := range map[string]<-chan result{"poll": e.poll, "epoll": e.epoll} {
		if got := await(t, name, done); got.err != nil || got.n&(unix.POLLHUP|unix.POLLERR) == 0 {
			t.Errorf("%s: %#x, %v", name, got.n, got.err)
		}
	}
	// Every later call fails, and none waits.
	for _, fd := range []int{e.r, e.full} {
		if got := await(t, "read", reading(fd, 100)); got.err == nil {
			t.Errorf("a read after the end: %q", got.data)
		}
	}
	if got := await(t, "write", writing(e.w, []byte("x"))); got.err == nil {
		t.Error("a write after the end succeeds")
	}
	if got := poll(t, e.r, unix.POLLIN, 0); got&(unix.POLLERR|unix.POLLHUP) == 0 {
		t.Errorf("poll after the end: %#x", got)
	}
}
