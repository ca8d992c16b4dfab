package fs

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

func TestWriteReachesRead(t *testing.T) {
	k, a, b := newNet(t)
	waiting := k.read(b, 100)
	k.waits(waiting)
	k.wantWritten(k.write(a, "hello"), 5)
	k.wantData(waiting, "hello")
	k.wantWritten(k.write(a, "one"), 3)
	k.wantWritten(k.write(a, "two"), 3)
	k.wantData(k.read(b, 100), "one")
	k.wantData(k.read(b, 100), "two")
	own := k.read(a, 100)
	k.waits(own)
	k.wantErrno(k.release(a), 0)
	k.wantErrno(own, 0)
}

// A reader with a small buffer gets the frame in parts, never mixed with the
// next one.
func TestSmallReads(t *testing.T) {
	for _, waiting := range []bool{false, true} {
		k, a, b := newNet(t)
		var first uint64
		if waiting {
			first = k.read(b, 2)
			k.waits(first)
		}
		k.wantWritten(k.write(a, "abcde"), 5)
		k.wantWritten(k.write(a, "fgh"), 3)
		if !waiting {
			first = k.read(b, 2)
		}
		k.wantData(first, "ab")
		if got := k.poll(b, unix.POLLIN, 1, false); got != unix.POLLIN {
			t.Errorf("a rest waits, and poll says %#x", got)
		}
		k.wantData(k.read(b, 2), "cd")
		k.wantData(k.read(b, 2), "e")
		k.wantData(k.read(b, 3), "fgh")
		k.waits(k.read(b, 3))
	}
}

// Several readers of one handle, some with small buffers: all bytes come, in
// order.
func TestReadersWithSmallBuffers(t *testing.T) {
	k, a, b := newNet(t)
	var reads []uint64
	for _, size := range []int{1, 100, 2, 3, 100, 100} {
		reads = append(reads, k.read(b, size))
	}
	k.settle()
	k.wantWritten(k.write(a, "abc"), 3)
	k.wantWritten(k.write(a, "defghi"), 6)
	for i, want := range []string{"a", "bc", "de", "fgh", "i"} {
		k.wantData(reads[i], want)
	}
	k.waits(reads[5])
}

func TestFrameSizes(t *testing.T) {
	k, a, b := newNet(t)
	k.must("mtu", k.echo("1044480", "lan/mtu"))
	for _, n := range []int{1, 60, 1500, 65535, 65536, 1044480} {
		frame := strings.Repeat("x", n-1) + "y"
		k.wantWritten(k.write(a, frame), n)
		k.wantData(k.read(b, 1<<20), frame)
	}
	for what, unique := range map[string]uint64{
		"one more":           k.write(a, strings.Repeat("x", 1044481)),
		"the largest piece":  k.write(a, strings.Repeat("x", 1<<20)),
		"the last piece":     k.writeWith(a, "x", 1<<20, 0),
		"of a nonblocking":   k.writeWith(a, "x", 4096, unix.O_NONBLOCK),
		"over a smaller mtu": func() uint64 { k.must("mtu", k.echo("60", "lan/mtu")); return k.write(a, strings.Repeat("x", 61)) }(),
	} {
		if r := k.wait(unique); r.errno != unix.EMSGSIZE {
			t.Errorf("%s: %v, want EMSGSIZE", what, r.errno)
		}
	}
	k.wantWritten(k.writeWith(a, "appended", 1<<20, unix.O_APPEND), 8)
	k.wantData(k.read(b, 100), "appended")
	k.waits(k.read(b, 100)) // nothing of the refused ones was sent
	if s := k.fs.bus.Network("lan").Stats(); s.Refused != 5 {
		t.Errorf("5 frames were refused, counted %d", s.Refused)
	}
}

func TestNonblock(t *testing.T) {
	k, a, b := newNet(t)
	k.wantErrno(k.readWith(b, 10, unix.O_NONBLOCK), unix.EAGAIN)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.wantWritten(k.writeWith(a, "1", 0, unix.O_NONBLOCK), 1)
	k.wantErrno(k.writeWith(a, "2", 0, unix.O_NONBLOCK), unix.EAGAIN)
	k.wantData(k.readWith(b, 10, unix.O_NONBLOCK), "1")
	k.wantWritten(k.writeWith(a, "3", 0, unix.O_NONBLOCK), 1)
	k.wantData(k.readWith(b, 10, unix.O_NONBLOCK), "3")
	k.wantErrno(k.readWith(b, 10, unix.O_NONBLOCK), unix.EAGAIN)
}

func TestInterruptedRead(t *testing.T) {
	k, a, b := newNet(t)
	one, two := k.read(b, 10), k.read(b, 10)
	k.interrupt(one)
	k.wantErrno(one, unix.EINTR)
	k.interrupt(one)
	k.interrupt(1000001)
	k.wantWritten(k.write(a, "x"), 1)
	k.wantData(two, "x")
	k.interrupt(two)
	k.wantWritten(k.write(a, "y"), 1)
	k.wantData(k.read(b, 10), "y")
}

func TestInterruptedWrite(t *testing.T) {
	k, a, b := newNet(t)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.wantWritten(k.write(a, "1"), 1)
	two, three := k.write(a, "2"), k.write(a, "3")
	k.waits(two)
	k.waits(three)
	k.interrupt(two)
	k.wantErrno(two, unix.EINTR)
	k.waits(three)
	k.wantData(k.read(b, 10), "1")
	k.wantWritten(three, 1)
	k.wantData(k.read(b, 10), "3")
	k.interrupt(two)
	k.interrupt(three)
}

// A waiting sender holds up neither another one nor a reader of the same
// handle.
func TestWaitingWriteHoldsUpNobody(t *testing.T) {
	k, a, b := newNet(t)
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.must("queue", k.echo("1", "lan/ports/2/queue"))
	k.wantWritten(k.write(a, "1"), 1)
	waiting := k.write(a, "2")
	k.waits(waiting)
	k.wantWritten(k.write(b, "to a"), 4)
	k.wantData(k.read(a, 10), "to a")
	k.waits(waiting)
	k.must("drop", k.echo("drop-old", "lan/ports/2/overflow"))
	k.wantWritten(waiting, 1)
	k.wantData(k.read(b, 10), "2")
}

func TestRemovedPort(t *testing.T) {
	k, a, b := newNet(t)
	read := k.read(b, 10)
	k.waits(read)
	k.must("rmdir", k.rmdir("lan/ports/2"))
	k.wantErrno(read, 0)
	k.wantErrno(k.read(b, 10), 0)
	k.wantErrno(k.readWith(b, 10, unix.O_NONBLOCK), 0)
	k.wantErrno(k.write(b, "x"), unix.ECONNRESET)
	k.wantErrno(k.writeWith(b, "x", 0, unix.O_NONBLOCK), unix.ECONNRESET)
	if got := k.poll(b, unix.POLLIN|unix.POLLOUT, 1, false); got != unix.POLLIN|unix.POLLHUP {
		t.Errorf("poll says %#x", got)
	}
	k.wantWritten(k.write(a, "nobody hears"), 12)
	k.wantErrno(k.release(b), 0)
}

// What is queued is still received, then comes the end of file.
func TestRemovedWithQueue(t *testing.T) {
	k, a, b := newNet(t)
	k.wantWritten(k.write(a, "abc"), 3)
	k.wantWritten(k.write(a, "def"), 3)
	k.wantData(k.read(b, 1), "a")
	k.must("rmdir", k.rmdir("lan/ports/2"))
	k.wantData(k.read(b, 10), "bc")
	k.wantData(k.read(b, 10), "def")
	k.wantErrno(k.read(b, 10), 0)
}

func TestRemovedWhileSending(t *testing.T) {
	k, a, b := newNet(t)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.wantWritten(k.write(a, "1"), 1)
	k.wantWritten(k.write(b, "1"), 1)
	lost, sent := k.write(a, "2"), k.write(b, "2")
	k.waits(lost)
	k.waits(sent)
	k.must("rmdir", k.rmdir("lan/ports/1")) // a: its send never will go; b has no receiver any more
	k.wantErrno(lost, unix.ECONNRESET)
	k.wantWritten(sent, 1)
}

func TestReleaseEndsThePort(t *testing.T) {
	k, a, b := newNet(t)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.wantWritten(k.write(a, "1"), 1)
	waiting := k.write(a, "2")
	read := k.read(a, 10)
	k.waits(waiting)
	if got := fmt.Sprint(k.fs.bus.Network("lan").Ports()); got != "[1 2]" {
		t.Errorf("ports are %s", got)
	}
	k.wantErrno(k.release(a), 0)
	k.wantErrno(read, 0)
	k.wantErrno(waiting, unix.EINTR)
	if got := fmt.Sprint(k.fs.bus.Network("lan").Ports()); got != "[2]" {
		t.Errorf("ports are %s right after the release", got)
	}
	k.wantErrno(k.release(b), 0)
	k.must("rmdir", k.rmdir("lan"))
	k.wantErrno(k.read(b, 10), unix.EBADF)
	k.wantErrno(k.write(b, "x"), unix.EBADF)
}

// The connection ends with everything waiting: end checks the answers.
func TestEndOfConnection(t *testing.T) {
	k, a, b := newNet(t)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	s := k.open("lan/stream", unix.O_RDWR)
	e := k.open("lan/events", unix.O_RDONLY)
	for range 20 {
		k.read(b, 10)
		k.read(s, 10)
		k.read(e, 100)
	}
	k.write(a, "1")
	for range 5 {
		k.write(a, "2")
		k.write(s, "\x00\x01x\x00")
	}
	k.settle()
	k.end()
}

func TestDirections(t *testing.T) {
	k, a, _ := newNet(t)
	r, w := k.open("lan/port", unix.O_RDONLY), k.open("lan/port", unix.O_WRONLY|unix.O_TRUNC|unix.O_APPEND)
	k.wantWritten(k.write(a, "x"), 1)
	k.wantData(k.read(r, 10), "x")
	k.wantWritten(k.write(w, "y"), 1)
	k.wantData(k.read(r, 10), "y")
	if got := k.poll(r, unix.POLLIN|unix.POLLOUT, 1, false); got != 0 {
		t.Errorf("a receiver with nothing queued polls as %#x", got)
	}
	if got := k.poll(w, unix.POLLIN|unix.POLLOUT, 1, false); got != unix.POLLOUT {
		t.Errorf("a sender polls as %#x", got)
	}
	if _, errno := k.tryOpen("lan/port", 3); errno != unix.EINVAL {
		t.Errorf("access mode 3: %v", errno)
	}
	if _, errno := k.tryOpen("lan/events", unix.O_RDWR); errno != unix.EPERM {
		t.Errorf("events to write: %v", errno)
	}
}

func TestPortsByNumber(t *testing.T) {
	k, a, _ := newNet(t)
	k.must("mkdir", k.mkdir("lan/ports/7"))
	seven, again := k.open("lan/ports/7/port", unix.O_RDWR), k.open("lan/ports/7/port", unix.O_RDWR)
	k.wantWritten(k.write(seven, "from 7"), 6)
	k.wantData(k.read(a, 10), "from 7")
	k.wantWritten(k.write(a, "x"), 1)
	k.wantData(k.read(seven, 10), "x")
	k.wantData(k.read(again, 10), "x")
	if errno := k.rmdir("lan"); errno != unix.EBUSY {
		t.Errorf("rmdir of a network in use: %v", errno)
	}
	number := func(fh uint64, cmd uint32, room uint32) reply {
		return k.wait(k.ask("ioctl", bytesOf(fuse.IoctlIn{InHeader: head(39, 9), Fh: fh, Cmd: cmd, OutSize: room})))
	}
	r := number(seven, portNumberIoctl, 4)
	if r.errno != 0 || len(r.body) < 20 || binary.NativeEndian.Uint32(r.body[16:]) != 7 {
		t.Errorf("the port number by ioctl: %v % x", r.errno, r.body)
	}
	for what, r := range map[string]reply{
		"another command": number(seven, 0x1234, 4), "no room": number(seven, portNumberIoctl, 0), "no door": number(3, portNumberIoctl, 4),
	} {
		if r.errno != unix.ENOTTY {
			t.Errorf("ioctl, %s: %v", what, r.errno)
		}
	}
}

func TestNoFreeNumber(t *testing.T) {
	k, _, _ := newNet(t)
	k.must("maxports", k.echo("2", "lan/maxports"))
	if _, errno := k.tryOpen("lan/port", unix.O_RDWR); errno != unix.EUSERS {
		t.Errorf("a third of 2 ports: %v", errno)
	}
}

func TestDisconnect(t *testing.T) {
	k, a, b := newNet(t)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("disconnect", "lan/overflow"))
	k.wantWritten(k.write(a, "1"), 1)
	k.wantWritten(k.write(a, "2"), 1)
	k.wantData(k.read(b, 10), "1")
	k.wantErrno(k.read(b, 10), 0)
	k.wantErrno(k.write(b, "x"), unix.ECONNRESET)
}
