package fault

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// O_NONBLOCK by open: a read of an empty queue does not wait.
func TestNonblockByOpen(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY|unix.O_NONBLOCK), openPort(t, m, unix.O_WRONLY)
	_, err := unix.Read(r, make([]byte, 100))
	expectErr(t, "read", err, unix.EAGAIN)
	send(t, w, "one")
	expect(t, r, "one")
	_, err = unix.Read(r, make([]byte, 100))
	expectErr(t, "read", err, unix.EAGAIN)
}

// O_NONBLOCK by fcntl: it counts from the next call on, and can be taken back.
func TestNonblockByFcntl(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	for range 3 {
		if err := unix.SetNonblock(r, true); err != nil {
			t.Fatal(err)
		}
		_, err := unix.Read(r, make([]byte, 100))
		expectErr(t, "read", err, unix.EAGAIN)
		if err := unix.SetNonblock(r, false); err != nil {
			t.Fatal(err)
		}
		waiting := reading(r, 100)
		awaitBlocked(t, m, 1)
		send(t, w, "hello")
		if got := await(t, "read", waiting); string(got.data) != "hello" {
			t.Fatalf("read %q, %v", got.data, got.err)
		}
	}
}

// A read that waits does not hold up a write on the same descriptor, nor the
// other way round, in this process and after dup and fork.
func TestReadAndWriteOneDescriptor(t *testing.T) {
	m := start(t)
	a, b := openPort(t, m, unix.O_RDWR), openPort(t, m, unix.O_RDWR)
	twin, err := unix.Dup(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(twin) })
	for _, fd := range []int{a, twin} {
		waiting := reading(a, 100)
		awaitBlocked(t, m, 1)
		send(t, fd, "sent while reading")
		expect(t, b, "sent while reading")
		send(t, b, "answer")
		if got := await(t, "read", waiting); string(got.data) != "answer" {
			t.Fatalf("read %q, %v", got.data, got.err)
		}
	}
}

// Two readers of one open file, in two threads, get a frame each.
func TestTwoReadersOneFile(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	one, two := reading(r, 100), reading(r, 100)
	awaitBlocked(t, m, 2)
	send(t, w, "a")
	send(t, w, "b")
	got := bytes.Join([][]byte{await(t, "read", one).data, await(t, "read", two).data}, nil)
	if s := string(got); s != "ab" && s != "ba" {
		t.Fatalf("read %q", s)
	}
	expectEmpty(t, r)
}

// An open file shared with a child is one port until the last one closes it.
func TestShareByFork(t *testing.T) {
	m := start(t)
	fd, other := openPort(t, m, unix.O_RDWR), openPort(t, m, unix.O_RDWR)
	child := harness.StartWith(t, []int{fd}, "share")
	m.AwaitBlocked(t, child.PID, 1)
	send(t, fd, "from the parent, while the child reads")
	expect(t, other, "from the parent, while the child reads")
	if s := m.Stats(t, lan); s["ports"] != 2 {
		t.Errorf("%d ports, not 2", s["ports"])
	}
	closeNow(t, fd)
	if s := m.Stats(t, lan); s["ports"] != 2 {
		t.Errorf("%d ports after the parent's close, not 2", s["ports"])
	}
	send(t, other, "to the child")
	child.Expect(t, "read to the child")
	expect(t, other, "from the child")
	child.AwaitEnd(t)
	harness.Eventually(t, "the child's port to be gone", func() bool { return m.Stats(t, lan)["ports"] == 1 })
}

func init() {
	harness.Role("share", func([]string) {
		buf := make([]byte, 100)
		n, err := retry(func() (int, error) { return unix.Read(3, buf) })
		harness.Say("read %s", said(buf, n, err))
		if _, err := unix.Write(3, []byte("from the child")); err != nil {
			harness.Say("write: %v", err)
		}
		harness.Hear()
	})
}
