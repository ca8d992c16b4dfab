package fs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// form is frames in stream form.
func form(frames ...string) string {
	var list [][]byte
	for _, f := range frames {
		list = append(list, []byte(f))
	}
	return string(bustest.Stream(list...))
}

func TestStreamToPort(t *testing.T) {
	k, a, _ := newNet(t)
	s := k.open("lan/stream", unix.O_RDWR)
	k.wantWritten(k.write(s, form("one", "two", "three")), 14+3)
	for _, want := range []string{"one", "two", "three"} {
		k.wantData(k.read(a, 100), want)
	}
	k.wantWritten(k.write(a, "x"), 1)
	k.wantWritten(k.write(a, "yy"), 2)
	k.wantData(k.read(s, 100), form("x", "yy"))
	waiting := k.read(s, 100)
	k.waits(waiting)
	k.wantWritten(k.write(a, "zzz"), 3)
	k.wantData(waiting, form("zzz"))
}

// As many whole frames as fit a read; a longer one in parts.
func TestStreamReads(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	from, to := k.open("lan/stream", unix.O_RDWR), k.open("lan/stream", unix.O_RDWR)
	all := form("aaaa", "bbbb", "cccc", "dd", strings.Repeat("e", 50))
	for _, waiting := range []bool{false, true} {
		var first uint64
		if waiting {
			first = k.read(to, 13)
			k.waits(first)
		}
		k.wantWritten(k.write(from, all), len(all))
		if !waiting {
			first = k.read(to, 13)
		}
		got := string(k.wait(first).body)
		if got != form("aaaa", "bbbb") {
			t.Errorf("13 bytes (waiting: %v): %q", waiting, got)
		}
		for _, size := range []int{11, 1, 1, 2, 100} {
			r := k.wait(k.read(to, size))
			if len(r.body) > size || r.errno != 0 {
				t.Errorf("a read of %d: %d bytes, %v", size, len(r.body), r.errno)
			}
			got += string(r.body)
		}
		if got != all {
			t.Errorf("read\n%q, want\n%q", got, all)
		}
	}
	k.waits(k.read(to, 100))
	k.interrupt(k.last)
}

// Whatever the split of the bytes over calls, the frames are the same.
func TestStreamSplits(t *testing.T) {
	frames := []string{"a", "", "bcd", "", strings.Repeat("e", 300), "f"}
	all := form(frames...)
	for _, piece := range []int{1, 2, 3, 5, 7, 100, 301, 302, 303, 304, 1000} {
		k, a, _ := newNet(t)
		s := k.open("lan/stream", unix.O_RDWR)
		for at := 0; at < len(all); at += piece {
			part := all[at:min(at+piece, len(all))]
			k.wantWritten(k.write(s, part), len(part))
		}
		for _, f := range frames {
			if f != "" { // a length of 0 is no frame
				k.wantData(k.read(a, 1000), f)
			}
		}
		k.wantErrno(k.readWith(a, 10, unix.O_NONBLOCK), unix.EAGAIN)
		k.end()
	}
}

func TestStreamTooLong(t *testing.T) {
	k, a, _ := newNet(t)
	k.must("mtu", k.echo("60", "lan/mtu"))
	s := k.open("lan/stream", unix.O_RDWR)
	long := strings.Repeat("x", 61)
	k.wantErrno(k.write(s, form(long)), unix.EMSGSIZE)
	k.wantErrno(k.write(s, form(long, "after")), unix.EMSGSIZE)
	k.wantWritten(k.write(s, form("before", long, "after")), 8)
	k.wantErrno(k.write(s, "\xff\xff"), unix.EMSGSIZE)
	split := k.open("lan/stream", unix.O_WRONLY)
	k.wantWritten(k.write(split, "\xff"), 1)
	k.wantErrno(k.write(split, "\xff"), unix.EMSGSIZE)
	k.wantErrno(k.release(split), 0)
	k.wantWritten(k.write(s, form("next")), 6)
	k.wantData(k.read(a, 100), "before")
	k.wantData(k.read(a, 100), "next")
	k.wantErrno(k.readWith(a, 10, unix.O_NONBLOCK), unix.EAGAIN)
	if got := k.fs.bus.Network("lan").Stats().Refused; got != 4 {
		t.Errorf("4 writes were refused, counted %d", got)
	}
}

// More frames than go in one batch, and more pieces than go in one answer.
func TestStreamManyFrames(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	k.must("queue", k.echo("65536", "lan/queue"))
	from, to, port := k.open("lan/stream", unix.O_RDWR), k.open("lan/stream", unix.O_RDWR), k.open("lan/port", unix.O_RDWR)
	frames := make([]string, 3*frame.MaxBatch+7)
	for i := range frames {
		frames[i] = fmt.Sprintf("frame %d %s", i, strings.Repeat(".", i%70))
	}
	all := form(frames...)
	waiting := k.read(to, 1<<20)
	k.wantWritten(k.write(from, all), len(all))
	got := string(k.wait(waiting).body)
	for len(got) < len(all) {
		r := k.wait(k.readWith(to, 1<<20, unix.O_NONBLOCK))
		if r.errno != 0 {
			t.Fatalf("read: %v after %d of %d bytes", r.errno, len(got), len(all))
		}
		got += string(r.body)
	}
	if got != all {
		t.Error("other frames came, or in another order")
	}
	for _, f := range frames {
		k.wantData(k.read(port, 1000), f)
	}
	// From ports they come one by one, each a block of its own.
	for _, f := range frames[:2000] {
		k.wantWritten(k.write(port, f), len(f))
	}
	got = ""
	for len(got) < len(form(frames[:2000]...)) {
		r := k.wait(k.readWith(to, 1<<20, unix.O_NONBLOCK))
		if r.errno != 0 {
			t.Fatalf("read: %v after %d bytes", r.errno, len(got))
		}
		got += string(r.body)
	}
	if got != form(frames[:2000]...) {
		t.Error("other frames came from the port, or in another order")
	}
}

// An answer is always less than the kernel asks for in one piece of a large
// read, so that it ends the read.
func TestStreamReadIsShort(t *testing.T) {
	k, a, _ := newNet(t)
	s := k.open("lan/stream", unix.O_RDONLY)
	data := strings.Repeat("x", 65000)
	for range 18 {
		k.wantWritten(k.write(a, data), len(data))
	}
	first := k.wait(k.read(s, 1<<20))
	if n := len(first.body); n != 16*65002 || n > frame.MaxFrame {
		t.Errorf("a read of 1 MiB got %d bytes", n)
	}
	k.wantData(k.read(s, 1<<20), form(data, data))
}

// An answer has at most so many pieces (IOV_MAX): frames that do not lie one
// behind the other.
func TestStreamManyPieces(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	k.must("queue", k.echo("65536", "lan/queue"))
	port, from, to := k.open("lan/port", unix.O_WRONLY), k.open("lan/stream", unix.O_WRONLY), k.open("lan/stream", unix.O_RDONLY)
	frames := make([]string, 1100)
	gaps := "" // lengths of 0 between the frames
	for i := range frames {
		frames[i] = fmt.Sprintf("%04d%s", i, strings.Repeat(".", 600))
		gaps += form(frames[i], "")
	}
	all := form(frames...)
	rest := func(got string) {
		t.Helper()
		for len(got) < len(all) {
			r := k.wait(k.readWith(to, 1<<20, unix.O_NONBLOCK))
			if r.errno != 0 || len(r.body) == 0 {
				t.Fatalf("read: %v after %d of %d bytes", r.errno, len(got), len(all))
			}
			got += string(r.body)
		}
		if got != all {
			t.Error("other frames came, or in another order")
		}
	}
	for _, f := range frames {
		k.wantWritten(k.write(port, f), len(f))
	}
	rest("")
	waiting := k.read(to, 1<<20)
	k.wantWritten(k.write(from, gaps), len(gaps))
	rest(string(k.wait(waiting).body))
}

// A frame that a 2-byte length cannot announce is dropped for streams, and
// counted.
func TestStreamCannotCarry(t *testing.T) {
	k, a, b := newNet(t)
	k.must("mtu", k.echo("1044480", "lan/mtu"))
	s := k.open("lan/stream", unix.O_RDWR)
	giant := strings.Repeat("x", 65536)
	k.wantWritten(k.write(a, giant), len(giant))
	k.wantWritten(k.write(a, giant[:65535]), 65535)
	k.wantData(k.read(s, 1<<20), form(giant[:65535]))
	k.wantData(k.read(b, 1<<20), giant)
	if stats := k.fs.bus.Network("lan").Stats(); stats.Drops[3] != 1 || bustest.CheckBalance(stats) != nil {
		t.Errorf("stats are %+v", stats)
	}
}

// A stream that is closed in the middle of a frame leaves nothing behind: end
// looks at the memory.
func TestStreamClosedInAFrame(t *testing.T) {
	k, a, _ := newNet(t)
	s := k.open("lan/stream", unix.O_RDWR)
	k.wantWritten(k.write(s, form(strings.Repeat("x", 1000))[:500]), 500)
	if k.fs.bus.Memory.Waiting() == 0 {
		t.Error("what a stream keeps of a frame is not charged")
	}
	k.wantErrno(k.release(s), 0)
	if used := k.fs.bus.Memory.Waiting(); used != 0 {
		t.Errorf("%d bytes are kept", used)
	}
	k.wantErrno(k.readWith(a, 10, unix.O_NONBLOCK), unix.EAGAIN)
}

func TestGather(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100)
	g := newGather()
	defer g.free()
	lent := frame.NewFrame(data)
	g.addPart(&lent, 0, 1)
	g.addPart(&lent, 1, 1)
	g.addPart(&lent, 2, 500)
	g.addPart(&lent, 502, 500)
	want := string(bustest.Stream(data))
	if got := gathered(g); got != want || g.size != len(want) {
		t.Errorf("gathered %d bytes (%d), want %d", len(got), g.size, len(want))
	}
	if len(g.iov) > 4 {
		t.Errorf("neighbours are %d pieces", len(g.iov)-1)
	}
}

func gathered(g *gather) (text string) {
	for _, v := range g.iov[1:] {
		text += string(unsafe.Slice(v.Base, v.Len))
	}
	return text
}
