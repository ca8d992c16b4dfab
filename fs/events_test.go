package fs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// plain takes the times off lines of events.
func plain(text string) string { return regexp.MustCompile(`(?m)^\S+Z `).ReplaceAllString(text, "") }

func TestEventsFile(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	e, late := k.open("lan/events", unix.O_RDONLY), uint64(0)
	waiting := k.read(e, 4096)
	k.waits(waiting)
	k.must("mkdir", k.mkdir("lan/ports/5"))
	if got := plain(string(k.wait(waiting).body)); got != "port-reserved port=5\n" {
		t.Errorf("the first event is %q", got)
	}
	p := k.open("lan/port", unix.O_RDONLY)
	late = k.open("lan/events", unix.O_RDONLY)
	k.wantErrno(k.release(p), 0)
	got := ""
	for n := 0; n < 4; n = strings.Count(got, "\n") {
		got += plain(string(k.wait(k.read(e, 4096)).body))
	}
	if want := "port-joined port=1 kind=port rights=r uid=0 pid=0 comm=\"\"\ncounts readers=1 writers=0\n" +
		"port-left port=1 kind=port reason=closed\ncounts readers=0 writers=0\n"; got != want {
		t.Errorf("events are\n%s, want\n%s", got, want)
	}
	if got := plain(string(k.wait(k.read(late, 4096)).body)); got != "port-left port=1 kind=port reason=closed\ncounts readers=0 writers=0\n" {
		t.Errorf("who opened later gets\n%s", got)
	}
	k.wantErrno(k.readWith(e, 4096, unix.O_NONBLOCK), unix.EAGAIN)
	k.wantErrno(k.write(e, "x"), unix.EBADF)

	interrupted, last := k.read(e, 10), k.read(e, 4096)
	k.interrupt(interrupted)
	k.wantErrno(interrupted, unix.EINTR)
	k.polled("nothing there", k.poll(e, in, 9, true), 0)
	k.must("rmdir", k.rmdir("lan/ports/5"))
	if got := plain(string(k.wait(last).body)); got != "port-released port=5\n" {
		t.Errorf("the last event is %q", got)
	}
	k.must("rmdir", k.rmdir("lan"))
	if got := plain(string(k.wait(k.read(e, 4096)).body)); got != "network-ended\n" {
		t.Errorf("at the end: %q", got)
	}
	k.wantErrno(k.read(e, 4096), 0)
	k.wantErrno(k.read(e, 4096), 0)
	if got := k.poll(e, in, 9, false); got != in|hup {
		t.Errorf("at the end poll says %#x", got)
	}
	if n := k.notified(); len(n) == 0 || n[0] != 9 {
		t.Errorf("notified %v", n)
	}
}

// A small read gets the beginning of a line, the next ones the rest.
func TestEventsInPieces(t *testing.T) {
	k := newKernel(t)
	k.must("mkdir", k.mkdir("lan"))
	e, whole := k.open("lan/events", unix.O_RDONLY), k.open("lan/events", unix.O_RDONLY)
	for i := range 3 {
		k.must("mkdir", k.mkdir(fmt.Sprint("lan/ports/", i+1)))
	}
	all := string(k.wait(k.read(whole, 4096)).body)
	got := ""
	for len(got) < len(all) {
		got += string(k.wait(k.read(e, 20)).body)
	}
	if got != all {
		t.Errorf("in pieces\n%q, at once\n%q", got, all)
	}
	for i := range 3 {
		k.must("rmdir", k.rmdir(fmt.Sprint("lan/ports/", i+1)))
	}
	if got := string(k.wait(k.read(e, 100)).body); !strings.HasSuffix(got, "\n") || len(got) > 100 {
		t.Errorf("a read that holds whole lines got %q", got)
	}
}

// Who does not read loses events, and is told how many.
func TestEventsLost(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755))
	n := m.bus.Network("lan")
	fh, status := m.open("lan/events", unix.O_RDONLY)
	ok(t, "open", status)
	e := m.dev.Handle(fh).(*events)
	const total = 3000
	for i := range total {
		n.Event("x", "i=%d pad=%s", i, strings.Repeat(".", 50))
	}
	if len(e.lines) > maxEvents || e.lost == 0 {
		t.Errorf("%d bytes wait, %d lines are lost", len(e.lines), e.lost)
	}
	kept := strings.Count(string(e.lines), "\n")
	lost := e.lost
	if kept+lost != total {
		t.Errorf("%d lines are kept and %d lost, of %d", kept, lost, total)
	}
	e.mu.Lock()
	e.take(len(e.lines))
	e.mu.Unlock()
	n.Event("y", "")
	n.Event("z", "")
	if got := plain(string(e.lines)); got != fmt.Sprintf("events-lost count=%d\ny\nz\n", lost) {
		t.Errorf("after that: %q", got)
	}
}

// A line that the network cannot hold is one that this reader has lost: what
// waits for him is charged to him, and not to the owner of the network.
func TestEventsAreTheReaders(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755)) // by uid 1
	n := m.bus.Network("lan")
	var out fuse.OpenOut
	h := m.header(m.id("lan/events"))
	h.Uid = 2
	ok(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: h}, &out))
	n.Event("x", "")
	if n.Memory().Used() != 0 || m.accounts.users[2].mem.Used() == 0 {
		t.Errorf("the network holds %d bytes, the reader %d", n.Memory().Used(), m.accounts.users[2].mem.Used())
	}
}

// So many read the events of one network, and of each user so many; its owner
// and root can read them all the same.
func TestListeners(t *testing.T) {
	m := newMemory(t, testOptions())
	ok(t, "mkdir", m.mkdir("lan", 0o755)) // by uid 1
	var last uint64
	open := func(uid uint32) fuse.Status {
		var out fuse.OpenOut
		h := m.header(m.id("lan/events"))
		h.Uid = uid
		status := m.Open(nil, &fuse.OpenIn{InHeader: h}, &out)
		if status.Ok() {
			last = out.Fh
		}
		return status
	}
	for _, uid := range []uint32{5, 6, 7, 8} {
		for range maxUserListeners {
			ok(t, "open", open(uid))
		}
		wantStatus(t, "one more of this user", open(uid), unix.ENOSPC)
	}
	wantStatus(t, "one more", open(9), unix.ENOSPC)
	if text := m.read("lan/errors"); !strings.Contains(text, "64 readers") {
		t.Errorf("errors tell\n%s", text)
	}
	m.dev.Handle(last).Release()
	ok(t, "when one has gone", open(9))
	for _, uid := range []uint32{0, 1} {
		for range maxUserListeners {
			ok(t, "root and the owner", open(uid))
		}
		wantStatus(t, "one more of this user", open(uid), unix.ENOSPC)
	}
}

// What tells of frames goes to those who may receive frames.
func TestEventsOfFrames(t *testing.T) {
	for _, c := range []struct {
		mode, uid, gid uint32
		sees           bool
	}{
		{0o700, 0, 0, true}, {0o077, 0, 0, true}, {0o400, 1, 9, true}, {0o077, 1, 2, false},
		{0o040, 9, 2, true}, {0o704, 9, 2, false}, {0o004, 9, 9, true}, {0o773, 9, 9, false},
	} {
		m := newMemory(t, testOptions())
		ok(t, "mkdir", m.mkdir("lan", 0o755))
		ok(t, "chmod", m.chmod("lan/port", c.mode))
		var out fuse.OpenOut
		h := m.header(m.id("lan/events"))
		h.Uid, h.Gid = c.uid, c.gid
		ok(t, "open", m.Open(nil, &fuse.OpenIn{InHeader: h}, &out))
		n := m.bus.Network("lan")
		for _, name := range []string{"learned", "moved", "counts"} {
			n.Event(name, "mac=02:00:00:00:00:01")
		}
		want := "counts mac=02:00:00:00:00:01\n"
		if c.sees {
			want = "learned mac=02:00:00:00:00:01\nmoved mac=02:00:00:00:00:01\n" + want
		}
		if got := plain(string(m.dev.Handle(out.Fh).(*events).lines)); got != want {
			t.Errorf("port has %04o: uid %d, gid %d sees\n%s", c.mode, c.uid, c.gid, got)
		}
	}
}
