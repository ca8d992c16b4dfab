package fault

import (
	"bytes"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// writeSome is a write that must take n bytes.
func writeSome(t *testing.T, fd int, data []byte, n int) {
	t.Helper()
	got := await(t, "write", writing(fd, data))
	if got.n != n || got.err != nil {
		t.Fatalf("write of %d bytes: %d, %v, not %d", len(data), got.n, got.err, n)
	}
}

// A write stops in front of a frame over the mtu; one that begins with it is
// refused.
func TestStreamMTU(t *testing.T) {
	m := start(t)
	harness.Set(t, "100", m.Path(lan, "mtu"))
	w, r := openStream(t, m, unix.O_WRONLY), openPort(t, m, unix.O_RDONLY)
	good, long := streamed("one", "two"), streamed(string(pattern(101, 1)), "three")
	writeSome(t, w, append(bytes.Clone(good), long...), len(good))
	_, err := unix.Write(w, long)
	expectErr(t, "write of a frame over the mtu", err, unix.EMSGSIZE)
	writeSome(t, w, good, len(good))
	for range 2 {
		expect(t, r, "one")
		expect(t, r, "two")
	}
	expectEmpty(t, r)
	harness.Set(t, "101", m.Path(lan, "mtu"))
	write(t, w, long)
	expect(t, r, string(pattern(101, 1)))
	expect(t, r, "three")
	if n := m.Stats(t, lan)["refused_too_long"]; n != 1 {
		t.Errorf("refused %d", n)
	}
}

// An unfinished frame is never sent, and goes with its sender.
func TestStreamUnfinished(t *testing.T) {
	m := start(t)
	w, r := openStream(t, m, unix.O_WRONLY), openPort(t, m, unix.O_RDONLY)
	write(t, w, streamed("whole", "not whole")[:15])
	expect(t, r, "whole")
	expectEmpty(t, r)
	closeNow(t, w)
	expectEmpty(t, r)
	if n := m.Stats(t, lan)["frames"]; n != 1 {
		t.Errorf("frames %d", n)
	}
}

// four makes a network whose receiver has room for four frames, and returns
// the receiver.
func four(t *testing.T, m *harness.Mounted) (r int) {
	t.Helper()
	harness.Set(t, "block", m.Path(lan, "overflow"))
	harness.Set(t, "4", m.Path(lan, "queue"))
	return openPort(t, m, unix.O_RDONLY)
}

var ten = []string{"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9"}

// Under block a write waits with what does not fit, and nothing is lost.
func TestStreamBlock(t *testing.T) {
	m := start(t)
	r, w := four(t, m), openStream(t, m, unix.O_WRONLY)
	done := writing(w, streamed(ten...))
	awaitBlocked(t, m, 1)
	if n := m.Stats(t, lan)["queued"]; n != 4 {
		t.Errorf("queued %d", n)
	}
	for _, want := range ten {
		expect(t, r, want)
	}
	if got := await(t, "write", done); got.n != 40 || got.err != nil {
		t.Errorf("write: %d, %v", got.n, got.err)
	}
	expectEmpty(t, r)
}

// With O_NONBLOCK a write takes the frames that fit, then none.
func TestStreamNonblock(t *testing.T) {
	m := start(t)
	r, w := four(t, m), openStream(t, m, unix.O_WRONLY|unix.O_NONBLOCK)
	data := streamed(ten...)
	for len(data) > 0 {
		n := min(16, len(data))
		writeSome(t, w, data, n)
		data = data[n:]
		if len(data) > 0 {
			_, err := unix.Write(w, data)
			expectErr(t, "write to a full receiver", err, unix.EAGAIN)
		}
		for i := range n / 4 {
			expect(t, r, ten[(40-len(data)-n)/4+i])
		}
	}
	expectEmpty(t, r)
}

// The bytes that a non-blocking write took are on their way: when the receiver
// has room the frame comes, without another write.
func TestStreamNonblockSplit(t *testing.T) {
	m := start(t)
	r, w, other := four(t, m), openStream(t, m, unix.O_WRONLY|unix.O_NONBLOCK), openPort(t, m, unix.O_WRONLY)
	data := streamed("split", "next")
	writeSome(t, w, data[:4], 4)
	for range 4 {
		send(t, other, "x")
	}
	taken := 0
	for taken < 3 { // bytes of the frame that are left
		got := await(t, "write", writing(w, data[4+taken:7]))
		if got.err != nil {
			expectErr(t, "write to a full receiver", got.err, unix.EAGAIN)
			break
		}
		taken += got.n
	}
	for range 4 {
		expect(t, r, "x")
	}
	if taken < 3 {
		writeSome(t, w, data[4+taken:7], 3-taken)
	}
	if got := poll(t, r, unix.POLLIN, 0); got != unix.POLLIN {
		t.Fatalf("of the frame %d bytes were taken when the receiver was full; it does not come", taken)
	}
	expect(t, r, "split")
	write(t, w, data[7:])
	expect(t, r, "next")
}

// A signal ends a write that waits with the count of the bytes whose frames
// are sent, so that the writer can go on from there.
func TestStreamSignal(t *testing.T) {
	m := start(t)
	r := four(t, m)
	c := harness.Start(t, "stream", m.Path(lan, "stream"))
	tid := c.Number(t)
	for _, want := range []string{"wrote 16", "EINTR"} {
		m.AwaitBlocked(t, c.PID, 1)
		_ = unix.Tgkill(c.PID, tid, unix.SIGUSR1)
		c.Expect(t, want)
		c.Tell(t, "again")
	}
	m.AwaitBlocked(t, c.PID, 1)
	expect(t, r, ten[0])
	expect(t, r, ten[1]) // two more go on while the write waits
	m.AwaitBlocked(t, c.PID, 1)
	_ = unix.Tgkill(c.PID, tid, unix.SIGUSR1)
	c.Expect(t, "wrote 8")
	c.Tell(t, "again")
	for _, want := range ten[2:] {
		expect(t, r, want)
	}
	c.Expect(t, "wrote 16")
	expectEmpty(t, r)
	c.AwaitEnd(t)
}

func init() {
	harness.Role("stream", func(args []string) {
		runtime.LockOSThread()
		handle("handler")
		fd, err := unix.Open(args[0], unix.O_WRONLY, 0)
		if err != nil {
			harness.Say("open: %v", err)
			return
		}
		harness.Say("%d", unix.Gettid())
		for data := streamed(ten...); len(data) > 0; {
			n, err := unix.Write(fd, data)
			if err != nil {
				harness.Say("%s", unix.ErrnoName(err.(unix.Errno)))
			} else {
				harness.Say("wrote %d", n)
				data = data[n:]
			}
			if len(data) > 0 {
				harness.Hear()
			}
		}
	})
}
