package fault

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Ports are used by raw system calls: package os would put its poller in
// between. Calls that may block run in goroutines of their own, and whoever
// waits for one has a deadline; the end of the mount ends them all.

// open opens a file of the mount until the test ends.
func open(t *testing.T, path string, flags int) int {
	t.Helper()
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// openPort opens the port of the network lan.
func openPort(t *testing.T, m *harness.Mounted, flags int) int {
	t.Helper()
	return open(t, m.Path(lan, "port"), flags)
}

// closeNow closes before the end of the test.
func closeNow(t *testing.T, fd int) {
	t.Helper()
	// The number may be used anew before the test ends: it stays taken.
	null, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(null, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	unix.Close(null)
}

// result is what a call returned.
type result struct {
	data []byte // of a read
	n    int
	err  error
}

// retry makes a call again that a signal of Go's own scheduler has ended.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// reading starts a read of up to size bytes.
func reading(fd, size int) <-chan result {
	done := make(chan result, 1)
	go func() {
		buf := make([]byte, size)
		n, err := retry(func() (int, error) { return unix.Read(fd, buf) })
		done <- result{buf[:max(n, 0)], n, err}
	}()
	return done
}

// writing starts a write.
func writing(fd int, data []byte) <-chan result {
	done := make(chan result, 1)
	go func() {
		n, err := retry(func() (int, error) { return unix.Write(fd, data) })
		done <- result{n: n, err: err}
	}()
	return done
}

// await waits for a call that is to return now.
func await(t *testing.T, what string, done <-chan result) result {
	t.Helper()
	select {
	case r := <-done:
		return r
	case <-time.After(harness.Deadline):
		t.Fatalf("%s does not return:\n%s", what, harness.Stacks(os.Getpid()))
		return result{}
	}
}

// read is a read that must succeed.
func read(t *testing.T, fd, size int) []byte {
	t.Helper()
	r := await(t, "read", reading(fd, size))
	if r.err != nil {
		t.Fatalf("read: %v", r.err)
	}
	return r.data
}

// write is a write that must succeed, whole.
func write(t *testing.T, fd int, data []byte) {
	t.Helper()
	r := await(t, "write", writing(fd, data))
	if r.err != nil || r.n != len(data) {
		t.Fatalf("write of %d bytes: %d, %v", len(data), r.n, r.err)
	}
}

// send and expect are write and read of text.
func send(t *testing.T, fd int, text string) {
	t.Helper()
	write(t, fd, []byte(text))
}

func expect(t *testing.T, fd int, want string) {
	t.Helper()
	if got := read(t, fd, 65536); string(got) != want {
		t.Fatalf("read %q, not %q", cut(got), want)
	}
}

// expectErr checks the error of a call.
func expectErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, not %v", what, err, want)
	}
}

// expectEmpty checks that nothing waits at a port. It must be so for sure by
// now: a frame is queued when its write returns.
func expectEmpty(t *testing.T, fd int) {
	t.Helper()
	if n := poll(t, fd, unix.POLLIN, 0); n&unix.POLLIN == 0 {
		return
	}
	t.Fatalf("there is a frame %q", cut(read(t, fd, 65536)))
}

// expectEOF checks that a read gives the end of file.
func expectEOF(t *testing.T, fd int) {
	t.Helper()
	if got := read(t, fd, 65536); len(got) != 0 {
		t.Fatalf("read %q, not the end of file", cut(got))
	}
}

func cut(data []byte) []byte { return data[:min(len(data), 80)] }

// poll asks for events, and waits up to the deadline if wait is not 0.
func poll(t *testing.T, fd int, events int16, wait time.Duration) int16 {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if _, err := retry(func() (int, error) { return unix.Poll(fds, int(wait.Milliseconds())) }); err != nil {
		t.Fatalf("poll: %v", err)
	}
	return fds[0].Revents
}

// pattern is n bytes that differ from those of another seed.
func pattern(n int, seed byte) []byte {
	data := bytes.Repeat([]byte{0}, n)
	for i := range data {
		data[i] = byte(i*7+i>>8) ^ seed
	}
	return data
}

// awaitBlocked waits until n calls of this process wait for the daemon.
func awaitBlocked(t *testing.T, m *harness.Mounted, n int) {
	t.Helper()
	m.AwaitBlocked(t, os.Getpid(), n)
}
