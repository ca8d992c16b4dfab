package fault

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// long makes the kernel let writes on w run side by side: it does so within the
// size that it believes the file to have, which is that of the longest write.
func long(t *testing.T, r, w int) {
	t.Helper()
	frame := string(pattern(1000, 1))
	write(t, w, streamed(frame))
	expect(t, r, frame)
}

// Two writes that wait on one stream go on one after the other, each whole.
func TestStreamTwoWriters(t *testing.T) {
	m := start(t)
	r, w := four(t, m), openStream(t, m, unix.O_WRONLY)
	long(t, r, w)
	first := writing(w, streamed(ten...))
	awaitBlocked(t, m, 1)
	second := writing(w, streamed("g0", "g1", "g2", "g3", "g4", "g5"))
	awaitBlocked(t, m, 2)
	var got []string
	for range 16 {
		got = append(got, string(read(t, r, 100)))
	}
	if s := strings.Join(got, " "); s != strings.Join(ten, " ")+" g0 g1 g2 g3 g4 g5" {
		t.Errorf("received %s", s)
	}
	for n, done := range map[int]<-chan result{40: first, 24: second} {
		if got := await(t, "write", done); got.n != n || got.err != nil {
			t.Errorf("write: %d, %v, not %d", got.n, got.err, n)
		}
	}
	expectEmpty(t, r)
}

// Removal ends the writes that wait: with what was sent, or ECONNRESET.
func TestStreamRemovedWriters(t *testing.T) {
	m := start(t)
	r, w := four(t, m), openStream(t, m, unix.O_WRONLY)
	long(t, r, w)
	first := writing(w, streamed(ten...))
	awaitBlocked(t, m, 1)
	second := writing(w, streamed("g0"))
	awaitBlocked(t, m, 2)
	removePort(t, m, number(t, w))
	if got := await(t, "write", first); got.n != 16 || got.err != nil {
		t.Errorf("the first write: %d, %v", got.n, got.err)
	}
	expectErr(t, "the second write", await(t, "write", second).err, unix.ECONNRESET)
	for _, want := range ten[:4] {
		expect(t, r, want)
	}
	expectEmpty(t, r)
}

// A frame that came in pieces and waits is neither lost nor sent twice, when a
// second write waits behind it.
func TestStreamSplitBehind(t *testing.T) {
	m := start(t)
	r, w, other := four(t, m), openStream(t, m, unix.O_WRONLY), openPort(t, m, unix.O_WRONLY)
	long(t, r, w)
	data := streamed("split")
	write(t, w, data[:3])
	for range 4 {
		send(t, other, "x")
	}
	first := writing(w, data[3:])
	awaitBlocked(t, m, 1)
	second := writing(w, streamed("behind"))
	awaitBlocked(t, m, 2)
	for range 4 {
		expect(t, r, "x")
	}
	expect(t, r, "split")
	expect(t, r, "behind")
	for _, done := range []<-chan result{first, second} {
		if got := await(t, "write", done); got.err != nil {
			t.Error(got.err)
		}
	}
	expectEmpty(t, r)
}

// A stream that is removed gives what is queued in its form, then the end.
func TestStreamRemoved(t *testing.T) {
	m := start(t)
	s, w := openStream(t, m, unix.O_RDWR), openPort(t, m, unix.O_WRONLY)
	send(t, w, "one")
	send(t, w, "two")
	if got := read(t, s, 3); string(got) != "\x00\x03o" {
		t.Fatalf("read %q", got)
	}
	removePort(t, m, number(t, s))
	gone(t, s, "ne"+form("stream", "two"))
}
