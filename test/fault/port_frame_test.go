package fault

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// A port does what it was opened for.
func TestDirections(t *testing.T) {
	m := start(t)
	r, w, rw := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY), openPort(t, m, unix.O_RDWR)
	_, err := unix.Write(r, []byte("x"))
	expectErr(t, "write to a port opened to read", err, unix.EBADF)
	_, err = unix.Read(w, make([]byte, 10))
	expectErr(t, "read from a port opened to write", err, unix.EBADF)
	send(t, w, "one")
	send(t, rw, "two")
	expect(t, r, "one")
	expect(t, r, "two")
	expect(t, rw, "one")
	expectEmpty(t, rw) // a sender does not hear itself
	s := m.Stats(t, lan)
	if s["readers"] != 2 || s["writers"] != 2 || s["ports"] != 3 {
		t.Errorf("stats: %v", s)
	}
}

// Each write is one frame, each read is one frame, in the order of sending.
func TestFrames(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	for round := range 3 {
		for i := range 100 {
			send(t, w, fmt.Sprint("frame ", round, " ", i))
		}
		for i := range 100 {
			expect(t, r, fmt.Sprint("frame ", round, " ", i))
		}
	}
	expectEmpty(t, r)
}

// A frame goes to the waiting reader as well as to a queue.
func TestWaitingReader(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	for range 20 {
		waiting := reading(r, 100)
		awaitBlocked(t, m, 1)
		send(t, w, "hello")
		if got := await(t, "read", waiting); string(got.data) != "hello" {
			t.Fatalf("read %q, %v", got.data, got.err)
		}
	}
}

// A reader with a small buffer gets a frame in parts, and never a part of the
// next one with it, whether it waited or the frame did.
func TestRemainders(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	part := func(size int, want string) {
		t.Helper()
		if got := read(t, r, size); string(got) != want {
			t.Fatalf("read %q, not %q", got, want)
		}
	}
	send(t, w, "0123456789")
	send(t, w, "abc")
	send(t, w, "de")
	part(4, "0123")
	part(4, "4567")
	part(4, "89")
	part(3, "abc")
	part(1, "d")
	part(100, "e")

	waiting := reading(r, 4)
	awaitBlocked(t, m, 1)
	send(t, w, "wxyz!")
	if got := await(t, "read", waiting); string(got.data) != "wxyz" {
		t.Fatalf("read %q", got.data)
	}
	send(t, w, "next")
	part(100, "!")
	part(100, "next")
}

// What a reader has not fetched of a frame is gone with it.
func TestRemainderDropped(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	send(t, w, string(pattern(5000, 1)))
	read(t, r, 10)
	closeNow(t, r)
	m.CheckBalance(t, lan)
}

// writev is one frame, and readv fills its vectors with one frame.
func TestVectors(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	pieces := [][]byte{[]byte("one "), []byte("frame "), []byte("of "), []byte("four")}
	n, err := retry(func() (int, error) { return unix.Writev(w, pieces) })
	if n != 17 || err != nil {
		t.Fatalf("writev: %d, %v", n, err)
	}
	send(t, w, "second")
	into := [][]byte{make([]byte, 3), make([]byte, 1), make([]byte, 100)}
	n, err = retry(func() (int, error) { return unix.Readv(r, into) })
	if got := bytes.Join(into, nil)[:max(n, 0)]; string(got) != "one frame of four" {
		t.Fatalf("readv: %q, %v", got, err)
	}
	expect(t, r, "second")
}

// A write of no bytes is none, whatever else waits.
func TestNoBytes(t *testing.T) {
	m := start(t)
	r, w := openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	if n, err := unix.Write(w, nil); n != 0 || err != nil {
		t.Errorf("write of 0 bytes: %d, %v", n, err)
	}
	if n, err := unix.Read(r, nil); n != 0 || err != nil {
		t.Errorf("read of 0 bytes: %d, %v", n, err)
	}
	expectEmpty(t, r)
	if s := m.Stats(t, lan); s["frames"] != 0 {
		t.Errorf("frames %d", s["frames"])
	}
}

// All receivers get a frame, and a port that is opened later does not.
func TestBroadcast(t *testing.T) {
	m := start(t)
	w := openPort(t, m, unix.O_WRONLY)
	send(t, w, "to nobody")
	var readers []int
	for range 10 {
		readers = append(readers, openPort(t, m, unix.O_RDWR))
	}
	send(t, w, "to ten")
	for _, r := range readers {
		expect(t, r, "to ten")
		expectEmpty(t, r)
	}
	s := m.Stats(t, lan)
	if s["drop_nobody"] != 1 || s["received"] != 10 || s["frames"] != 2 {
		t.Errorf("stats: %v", s)
	}
}

// >> is as good as >, and what > implies is not done.
func TestShellFlags(t *testing.T) {
	m := start(t)
	r := openPort(t, m, unix.O_RDONLY)
	for _, flags := range []int{unix.O_APPEND, unix.O_TRUNC, unix.O_TRUNC | unix.O_CREAT, unix.O_APPEND | unix.O_CREAT} {
		w := openPort(t, m, unix.O_WRONLY|flags)
		send(t, w, "a")
		send(t, w, "b")
		expect(t, r, "a")
		expect(t, r, "b")
	}
	harness.Set(t, "by os.WriteFile", m.Path(lan, "port"))
	expect(t, r, "by os.WriteFile\n")
}
