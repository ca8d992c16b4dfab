package fs

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	in  = unix.POLLIN
	out = unix.POLLOUT
	hup = unix.POLLHUP
)

// polled checks one answer and what was notified until then.
func (k *kernel) polled(what string, got, want uint32, notes ...uint64) {
	k.t.Helper()
	if got != want {
		k.t.Errorf("%s: poll says %#x, want %#x", what, got, want)
	}
	if n := k.notified(); fmt.Sprint(n) != fmt.Sprint(notes) {
		k.t.Errorf("%s: notified %v, want %v", what, n, notes)
	}
}

func TestPollIn(t *testing.T) {
	k, a, b := newNet(t)
	k.polled("nothing there", k.poll(b, in, 77, true), 0)
	k.wantWritten(k.write(a, "x"), 1)
	k.polled("a frame came", k.poll(b, in, 77, true), in, 77)
	k.wantWritten(k.write(a, "y"), 1)
	k.polled("another one came", k.poll(b, in, 77, false), in)
	k.wantData(k.read(b, 10), "x")
	k.wantData(k.read(b, 10), "y")
	k.polled("not asked to notify", k.poll(b, in, 78, false), 0)
	k.wantWritten(k.write(a, "z"), 1)
	k.notified()
	if got := k.poll(b, in|out|0x40|0x100|0x2000, 1, false); got != in|out|0x40|0x100 {
		t.Errorf("select asks for all bits, poll says %#x", got)
	}
}

// The last poller's number is notified, once.
func TestPollArmedOnce(t *testing.T) {
	k, a, b := newNet(t)
	k.poll(b, in, 5, true)
	k.poll(b, in, 6, true)
	k.wantWritten(k.write(a, "x"), 1)
	k.wantWritten(k.write(a, "y"), 1)
	if n := k.notified(); fmt.Sprint(n) != "[6]" {
		t.Errorf("notified %v", n)
	}
}

// A frame that a waiting read takes is none for pollers.
func TestPollBesideRead(t *testing.T) {
	k, a, b := newNet(t)
	read := k.read(b, 10)
	k.polled("before", k.poll(b, in, 5, true), 0)
	k.wantWritten(k.write(a, "x"), 1)
	k.wantData(read, "x")
	k.polled("after", k.poll(b, in, 5, false), 0)
}

func TestPollOut(t *testing.T) {
	k, a, b := newNet(t)
	k.must("queue", k.echo("1", "lan/queue"))
	k.must("overflow", k.echo("block", "lan/overflow"))
	k.polled("room", k.poll(a, out, 5, true), out)
	k.wantWritten(k.write(a, "x"), 1)
	k.polled("no room", k.poll(a, out, 5, true), 0)
	k.wantData(k.read(b, 10), "x")
	k.polled("room again", k.poll(a, out, 5, true), out, 5)
	k.wantWritten(k.write(a, "y"), 1)
	k.polled("no room", k.poll(a, out, 6, true), 0)
	k.must("queue", k.echo("2", "lan/queue"))
	k.polled("a longer queue", k.poll(a, out, 7, false), out, 6)
}

func TestPollHup(t *testing.T) {
	k, a, b := newNet(t)
	k.poll(a, in|out, 4, true)
	k.poll(b, in, 5, true)
	k.must("rmdir", k.rmdir("lan/ports/2"))
	k.polled("removed", k.poll(b, in|out, 5, true), in|hup, 5)
	k.polled("not asked for", k.poll(b, 0, 5, true), hup)
	k.polled("the other one", k.poll(a, in|out, 4, true), out)
}

func TestPollOfSettings(t *testing.T) {
	k, _, _ := newNet(t)
	fh := k.open("lan/mtu", unix.O_RDWR)
	if got := k.poll(fh, in|out, 1, true); got != in|out {
		t.Errorf("a setting polls as %#x", got)
	}
}
