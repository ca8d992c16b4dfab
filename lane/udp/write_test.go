package udp

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/test/harness"
)

// routes tells by the first byte of a frame where it goes.
type routes map[byte][]Addr

var _ Router = routes(nil)

func (r routes) Route(data []byte) (to []Addr, tos uint8) { return r[data[0]], 0 }

// framed makes frames of n bytes, each of one byte many times.
func framed(n int, firsts ...byte) (frames []frame.Frame) {
	for _, first := range firsts {
		frames = append(frames, frame.NewFrame(slices.Repeat([]byte{first}, n)))
	}
	return frames
}

// firsts are the first bytes of what waits at a socket.
func firsts(t *testing.T, fd int) (list []byte) {
	t.Helper()
	for _, d := range received(t, fd) {
		list = append(list, d[0])
	}
	return list
}

// Each frame goes to all of its addresses, and in its order.
func TestWrite(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		fd, _ := open(t, Config{Local: local})
		a, atA := open(t, Config{Local: local})
		b, atB := open(t, Config{Local: local})
		plain(t, a)
		plain(t, b)
		r := routes{1: {atA}, 2: {atB}, 3: {atA, atB}, 4: nil}
		w := &Writer{Sender: *sender(local)}
		frames := framed(100, 1, 1, 4, 3, 3, 2, 4, 4, 1, 3)
		if n, err := w.Write(&lane.Turn{}, fd, frames, r); n != len(frames) || err != nil {
			t.Fatal(n, err)
		}
		if got, want := firsts(t, a), []byte{1, 1, 3, 3, 1, 3}; !slices.Equal(got, want) {
			t.Errorf("%v came, want %v", got, want)
		}
		if got, want := firsts(t, b), []byte{3, 3, 2, 3}; !slices.Equal(got, want) {
			t.Errorf("%v came, want %v", got, want)
		}
	})
}

// A frame with as many copies as there can be goes alone.
func TestWriteManyCopies(t *testing.T) {
	local := loopbacks["IPv4"]
	fd, _ := open(t, Config{Local: local})
	to, at := open(t, Config{Local: local, Memory: 1 << 20})
	plain(t, to)
	w := &Writer{Sender: *sender(local)}
	r := routes{1: slices.Repeat([]Addr{at}, MaxCopies), 2: {at}}
	if n, err := w.Write(&lane.Turn{}, fd, framed(10, 2, 1, 2, 1, 2), r); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if got := len(received(t, to)); got != 3+2*MaxCopies {
		t.Errorf("%d datagrams came", got)
	}
}

// When there is no room the rest is not taken, but for a frame of which some copies went.
func TestWriteFull(t *testing.T) {
	for _, copies := range []int{1, 7} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		w, r := &Writer{Sender: Sender{Whole: true}}, routes{1: make([]Addr, copies)}
		frames := framed(10, slices.Repeat([]byte{1}, 2000)...)
		taken, err := w.Write(&lane.Turn{}, pair[0], frames, r)
		came := len(received(t, pair[1]))
		if taken != (came+copies-1)/copies || taken == len(frames) || err != unix.EAGAIN {
			t.Errorf("%d frames were taken, %d copies came: %v", taken, came, err)
		}
		if came%copies != 0 {
			// Of the last frame that is taken some copies are missing.
			w.Write(&lane.Turn{}, pair[0], frames, r)
			received(t, pair[1])
			if n, err := w.Write(&lane.Turn{}, pair[0], frames[:taken], r); n != taken || err != nil {
				t.Errorf("%d of %d frames: %v", n, taken, err)
			}
		} else if copies > 1 {
			t.Errorf("%d copies end with a frame", came)
		}
		unix.Close(pair[0])
		unix.Close(pair[1])
	}
}

// Who finds a frame too long says so.
func TestWriteTooLong(t *testing.T) {
	local := loopbacks["IPv6"]
	fd, _ := open(t, Config{Local: local})
	if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU, 1280); err != nil {
		t.Fatal(err)
	}
	to, at := open(t, Config{Local: local})
	plain(t, to)
	w := &Writer{Sender: *sender(local)}
	for _, c := range []struct {
		size int
		want int
	}{{1200, 2}, {1300, 0}} {
		w.TooLong = false
		if n, err := w.Write(&lane.Turn{}, fd, framed(c.size, 1, 1), routes{1: {at}}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if got := len(received(t, to)); got != c.want || w.TooLong != (c.want == 0) {
			t.Errorf("%d frames of %d bytes came; too long: %v", got, c.size, w.TooLong)
		}
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		fd, _ := open(t, Config{Local: local})
		_, at := open(t, Config{Local: local})
		w, r, turn := &Writer{Sender: *sender(local)}, routes{1: {at}, 2: {at, at}}, &lane.Turn{}
		frames := framed(500, 1, 1, 2, 1, 1)
		if n := testing.AllocsPerRun(200, func() { _, _ = w.Write(turn, fd, frames, r) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
