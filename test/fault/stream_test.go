package fault

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// Frames of one write leave in one read, whole ones only.
func TestStreamBatch(t *testing.T) {
	m := start(t)
	harness.Set(t, "65536", m.Path(lan, "queue"))
	w, r := openStream(t, m, unix.O_WRONLY), openStream(t, m, unix.O_RDONLY)
	frames := numbered(3000, 100) // more than one batch of the daemon
	all := streamed(frames...)
	for _, how := range []string{"queued", "waiting"} {
		waiting := make(<-chan result)
		if how == "waiting" {
			waiting = reading(r, 1<<20)
			awaitBlocked(t, m, 1)
		}
		write(t, w, all)
		var got []byte
		if how == "waiting" {
			got = await(t, "read", waiting).data
			wholeFrames(t, got)
		}
		for len(got) < len(all) {
			data := read(t, r, 4096)
			wholeFrames(t, data)
			got = append(got, data...)
		}
		if !bytes.Equal(got, all) {
			t.Fatalf("%s: %d bytes, equal for %d", how, len(got), equal(got, all))
		}
	}
	if s := m.Stats(t, lan); s["frames"] != 6000 || s["received"] != 6000 {
		t.Errorf("stats: %v", s)
	}
}

// A reader that waits with a small buffer gets the frames that fit, or the
// beginning of the first, and then the rest.
func TestStreamWaitingSmall(t *testing.T) {
	m := start(t)
	w, r := openStream(t, m, unix.O_WRONLY), openStream(t, m, unix.O_RDONLY)
	all := streamed(ten...)
	for first, size := range map[int]int{1: 1, 2: 2, 3: 3, 4: 5, 12: 15, 36: 39, 40: 1000} {
		waiting := reading(r, size)
		awaitBlocked(t, m, 1)
		write(t, w, all)
		got := await(t, "read", waiting)
		if got.n != first {
			t.Errorf("a read of %d bytes gave %d, %v", size, got.n, got.err)
		}
		got.data = append(got.data, readBytes(t, r, len(all)-got.n, func() int { return 100 })...)
		if !bytes.Equal(got.data, all) {
			t.Fatalf("read %q", got.data)
		}
	}
}

// wholeFrames checks that data is frames and nothing more.
func wholeFrames(t *testing.T, data []byte) {
	t.Helper()
	for rest := data; len(rest) > 0; {
		if len(rest) < 2 || len(rest) < 2+int(rest[0])<<8+int(rest[1]) {
			t.Fatalf("a read of %d bytes ends within a frame", len(data))
		}
		rest = rest[2+int(rest[0])<<8+int(rest[1]):]
	}
}

// However the bytes are split over writes and reads, the frames are the same.
func TestStreamSplit(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	sizes := map[string]func() int{
		"bytes":  func() int { return 1 },
		"twos":   func() int { return 2 },
		"small":  func() int { return 1 + random.IntN(20) },
		"middle": func() int { return 1 + random.IntN(1000) },
		"large":  func() int { return 65536 },
	}
	frames := numbered(40, 50)
	frames = append(frames, string(pattern(700, 7)), "x", string(pattern(2000, 8)), "y")
	all := streamed(frames...)
	for in, inSize := range sizes {
		for out, outSize := range sizes {
			t.Run(in+" "+out, func(t *testing.T) {
				m := start(t)
				w, r := openStream(t, m, unix.O_WRONLY), openStream(t, m, unix.O_RDONLY)
				port := openPort(t, m, unix.O_RDONLY)
				for rest := all; len(rest) > 0; {
					n := min(inSize(), len(rest))
					write(t, w, rest[:n])
					rest = rest[n:]
				}
				for _, f := range frames {
					expect(t, port, f)
				}
				expectEmpty(t, port)
				if got := readBytes(t, r, len(all), outSize); !bytes.Equal(got, all) {
					t.Fatalf("%d bytes, equal for %d", len(got), equal(got, all))
				}
				expectEmpty(t, r)
			})
		}
	}
}

// A write of several MiB, which the kernel splits as it likes.
func TestStreamLargeCalls(t *testing.T) {
	m := start(t)
	harness.Set(t, "65536", m.Path(lan, "queue"))
	w, r := openStream(t, m, unix.O_WRONLY), openStream(t, m, unix.O_RDONLY)
	all := streamed(numbered(300, 30000)...)
	if len(all) < 3<<20 {
		t.Fatal("too small for this test")
	}
	write(t, w, all)
	if got := readBytes(t, r, len(all), func() int { return 8 << 20 }); !bytes.Equal(got, all) {
		t.Fatalf("%d bytes, equal for %d", len(got), equal(got, all))
	}
	expectEmpty(t, r)
}

// A length of 0 announces no frame.
func TestStreamZero(t *testing.T) {
	m := start(t)
	w, r := openStream(t, m, unix.O_WRONLY), openPort(t, m, unix.O_RDONLY)
	write(t, w, streamed("", "a", "", "", "b", ""))
	for _, b := range streamed("", "c", "") {
		write(t, w, []byte{b})
	}
	for _, want := range []string{"a", "b", "c"} {
		expect(t, r, want)
	}
	expectEmpty(t, r)
	if n := m.Stats(t, lan)["frames"]; n != 3 {
		t.Errorf("frames %d", n)
	}
}

// Ports and streams are doors to the same bus.
func TestStreamAndPort(t *testing.T) {
	m := start(t)
	s, p := openStream(t, m, unix.O_RDWR), openPort(t, m, unix.O_RDWR)
	write(t, s, streamed("to the port", "and again"))
	expect(t, p, "to the port")
	expect(t, p, "and again")
	expectEmpty(t, s)
	send(t, p, "one")
	send(t, p, "two")
	expect(t, s, form("stream", "one", "two"))
	expectEmpty(t, p)
	waiting := reading(s, 100)
	awaitBlocked(t, m, 1)
	send(t, p, "three")
	if got := await(t, "read", waiting); string(got.data) != form("stream", "three") {
		t.Fatalf("read %q", got.data)
	}
	long := string(pattern(65535, 1))
	send(t, p, long)
	send(t, p, "four")
	all := form("stream", long, "four")
	if got := readBytes(t, s, len(all), func() int { return 4096 }); string(got) != all {
		t.Fatalf("%d bytes, equal for %d", len(got), equal(got, []byte(all)))
	}
}

// A frame whose length two bytes cannot say is dropped for a stream, counted.
func TestStreamTooLong(t *testing.T) {
	m := start(t)
	harness.Set(t, fmt.Sprint(maxFrame), m.Path(lan, "mtu"))
	s, p, w := openStream(t, m, unix.O_RDONLY), openPort(t, m, unix.O_RDONLY), openPort(t, m, unix.O_WRONLY)
	long := pattern(65536, 1)
	write(t, w, long)
	send(t, w, "short")
	expect(t, s, form("stream", "short"))
	if got := read(t, p, 100000); !bytes.Equal(got, long) {
		t.Fatalf("%d bytes", len(got))
	}
	expect(t, p, "short")
	if n := m.Stats(t, lan)["drop_too_long"]; n != 1 {
		t.Errorf("drop_too_long %d", n)
	}
}
