package vde

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/vdeplug"
)

// Two clients hear one another, and the ports say who they are.
func TestConversation(t *testing.T) {
	l := newLab(t)
	a, b := l.join(t, 0, "the first"), l.join(t, 9<<8, "")
	l.ports(t, 2)
	info := l.Net.Port(1).Info().Conns[0]
	if info.Kind != "vde" || info.Detail != "the first" || info.UID != uint32(os.Geteuid()) || info.PID != uint32(os.Getpid()) || info.Rights() != "rw" {
		t.Errorf("port 1 is %+v", info)
	}
	if l.Net.Port(9) == nil {
		t.Errorf("ports: %v", l.Net.Ports())
	}
	if !a.answer.Abstract() || bytes.Equal(a.answer[:], b.answer[:]) {
		t.Errorf("answers: %q, %q", a.answer, b.answer)
	}
	for i := range 100 {
		frame := lanetest.Frame(1, i)
		a.sends(t, frame)
		if got := b.receive(t); !bytes.Equal(got, frame) {
			t.Fatalf("frame %d of %d bytes came as %d", i, len(frame), len(got))
		}
		b.sends(t, frame)
		if got := a.receive(t); !bytes.Equal(got, frame) {
			t.Fatalf("frame %d of %d bytes came back as %d", i, len(frame), len(got))
		}
	}
	// An empty datagram means nothing, nor does what else is said.
	a.sends(t, nil)
	if _, err := a.control.Write(bytes.Repeat([]byte("more"), 10000)); err != nil {
		t.Fatal(err)
	}
	a.sends(t, []byte("short"))
	if got := b.receive(t); string(got) != "short" {
		t.Errorf("%q came", got)
	}
	bustest.WaitFor(t, "101 frames to be counted", func() bool { return lanetest.Count(l.Net.Port(1), "frames") == 101 })
	a.close()
	l.ports(t, 1)
}

// The mode of a client's socket is nothing to us.
func TestForgetfulClient(t *testing.T) {
	l := newLab(t)
	l.join(t, 0, forgetful)
	l.ports(t, 1)
}

// A request may come in pieces.
func TestPieces(t *testing.T) {
	l := newLab(t)
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: l.dir + "/ctl", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	own := vdeplug.AddressOf(l.dir + "/own")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{control: conn, fd: fd}
	defer c.close()
	if err := own.Bind(fd); err != nil {
		t.Fatal(err)
	}
	for _, b := range ask(0, own, "") {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := conn.Read(c.answer[:]); n != vdeplug.AddressLen || err != nil {
		t.Fatal(n, err)
	}
	l.ports(t, 1)
}

// Who shares a number must be the same user; others are refused, as is what makes
// no sense. Nothing is answered then.
func TestRefusals(t *testing.T) {
	l := newLab(t)
	l.join(t, 3<<8, "")
	l.join(t, 3<<8, "") // the same user
	other := &bustest.Recorder{}
	l.JoinAs(t, other, bus.JoinOptions{Number: 4, Make: true, Recv: true, Info: bus.Info{UID: 12345}})
	for what, c := range map[string]struct {
		kind uint32
		own  string
		fail fail.Kind
		text string
	}{
		"another user's port": {4 << 8, l.dir + "/own", fail.Busy, "held by uid 12345"},
		"too high a port":     {0xffffff00, l.dir + "/own", fail.Range, "maxports"},
		"port 0":              {1, l.dir + "/own", fail.Unsupported, "management"},
	} {
		if _, err := dial(l.dir, c.kind, c.own, ""); err != errRefused {
			t.Errorf("%s: %v", what, err)
		}
		if err := l.refusal(t); fail.KindOf(err) != c.fail || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", what, err)
		}
	}
	stream, err := net.Listen("unix", l.dir+"/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := os.WriteFile(l.dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	left, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: l.dir + "/left", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	connected, err := net.DialUnix("unixgram", &net.UnixAddr{Name: l.dir + "/connected", Net: "unixgram"}, &net.UnixAddr{Name: l.dir + "/left", Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	left.Close() // the file stays
	for own, c := range map[string]struct {
		fail fail.Kind
		text string
	}{
		l.dir + "/none":      {fail.Unknown, "no such file"},
		l.dir + "/file":      {fail.Invalid, "is no socket"},
		l.dir + "/stream":    {fail.Invalid, "wrong type"},
		l.dir + "/left":      {fail.Unknown, "refused"},
		l.dir + "/connected": {fail.Denied, "not permitted"},
		"\x00ipnfs-no-name":  {fail.Unknown, "@ipnfs-no-name"},
		"\n\x1b":             {fail.Unknown, `"\n\x1b"`},
	} {
		l.says(t, ask(0, vdeplug.AddressOf(own), ""))
		if err := l.refusal(t); fail.KindOf(err) != c.fail || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: %v", own, err)
		}
	}
	l.ports(t, 2)
}

// says connects, says something, and is hung up on without an answer.
func (l *lab) says(t testing.TB, b []byte) {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: l.dir + "/ctl", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{control: conn, fd: -1}
	defer c.close()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
	c.hungUp(t)
}

// Those who say nothing, half a request or nonsense get nowhere, and others do.
func TestSilence(t *testing.T) {
	l := newLab(t)
	before := len(lanetest.OpenFiles(t))
	half := ask(0, vdeplug.AddressOf("/x"), "")[:100]
	var silent []net.Conn
	for i := range 200 {
		conn, err := net.Dial("unix", l.dir+"/ctl")
		if err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
		if i%2 == 0 {
			if _, err := conn.Write(half[:i/2]); err != nil {
				t.Fatal(err)
			}
		}
		l.says(t, []byte(fmt.Sprintf("nonsense %d", i)))
		if err := l.refusal(t); fail.KindOf(err) != fail.Invalid {
			t.Error(err)
		}
	}
	a, b := l.join(t, 0, ""), l.join(t, 0, "")
	a.sends(t, []byte("hello"))
	if got := b.receive(t); string(got) != "hello" {
		t.Errorf("%q", got)
	}
	a.close()
	b.close()
	for _, c := range silent {
		c.Close()
		if err := l.refusal(t); !strings.Contains(err.Error(), "hung up after") {
			t.Error(err)
		}
	}
	l.ports(t, 0)
	bustest.WaitFor(t, "descriptors to be closed", func() bool { return len(lanetest.OpenFiles(t)) <= before })
}

// However many come and go, nothing of them stays.
func TestManyComeAndGo(t *testing.T) {
	l := newLab(t)
	l.join(t, 0, "") // so that the lane stays
	l.ports(t, 1)
	before := len(lanetest.OpenFiles(t))
	for i := range 1000 {
		c, err := dial(l.dir, 0, fmt.Sprintf("%s/%d", l.dir, i), "")
		if err != nil {
			t.Fatal(i, err)
		}
		c.sends(t, []byte("bye"))
		c.close()
	}
	l.ports(t, 1)
	bustest.WaitFor(t, "visitors to leave", func() bool { return l.visitors() == 1 })
	lanetest.WantOpen(t, before)
}

// Those who come while ports are removed leave nothing either.
func TestRace(t *testing.T) {
	l := newLab(t)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 100 {
				c, err := dial(l.dir, 0, fmt.Sprintf("%s/%d-%d", l.dir, g, i), "")
				if errors.Is(err, unix.ECONNREFUSED) { // the port has gone since the answer
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = unix.Write(c.fd, make([]byte, 60))
				if ports := l.Net.Ports(); i%2 == 0 && len(ports) > 0 {
					_ = l.Net.RemovePort(ports[0])
				}
				c.close()
			}
		})
	}
	all.Wait()
	l.ports(t, 0)
}

// The port ends with the network, which the client sees.
func TestNetworkEnds(t *testing.T) {
	l := newLab(t)
	c := l.join(t, 0, "")
	l.Bus.Shutdown()
	c.hungUp(t)
}

// A client whose datagram socket has gone is none, nor is one who has connected it
// to another.
func TestSocketGoes(t *testing.T) {
	for what, leave := range map[string]func(t *testing.T, c *client){
		"closed": func(_ *testing.T, c *client) { unix.Close(c.fd); c.fd = -1 },
		"to another": func(t *testing.T, c *client) {
			other, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "@ipnfs-test-other", Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { other.Close() })
			if err := unix.Connect(c.fd, &unix.SockaddrUnix{Name: "@ipnfs-test-other"}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLab(t)
			a, b := l.join(t, 0, ""), l.join(t, 0, "")
			leave(t, a)
			b.sends(t, []byte("hello"))
			a.hungUp(t)
			l.ports(t, 1)
		})
	}
}

// Nobody but the client can send to his port.
func TestStranger(t *testing.T) {
	l := newLab(t)
	c := l.join(t, 0, "")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := c.answer.Connect(fd); err != unix.EPERM {
		t.Errorf("a stranger connects: %v", err)
	}
}

// Without the right to receive nothing comes; without the one to send nothing goes.
func TestRights(t *testing.T) {
	l := newLab(t)
	both := l.join(t, 0, "")
	l.let(true, false, true)
	reader := l.join(t, 0, "")
	l.let(false, true, true)
	writer := l.join(t, 0, "")
	reader.sends(t, []byte("from the reader"))
	writer.sends(t, []byte("from the writer"))
	for _, c := range []*client{both, reader} {
		if got := c.receive(t); string(got) != "from the writer" {
			t.Errorf("%q came", got)
		}
	}
	both.sends(t, []byte("last"))
	if got := reader.receive(t); string(got) != "last" {
		t.Errorf("%q came", got)
	}
	if n, err := unix.Read(writer.fd, make([]byte, 100)); err != unix.EAGAIN {
		t.Errorf("the writer received %d bytes, %v", n, err)
	}
	for i, want := range []string{"rw", "r", "w"} {
		if got := l.Net.Port(i + 1).Info().Conns[0].Rights(); got != want {
			t.Errorf("port %d has %s", i+1, got)
		}
	}
	reader.sends(t, []byte("still there"))
	l.ports(t, 3)
}
