package fs

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// plug serves the socket of that name in these tests: who comes waits for his end
// here.
var plug = struct {
	came   chan *bus.Visitor
	answer chan error
}{make(chan *bus.Visitor), make(chan error)}

func servePlug(v *bus.Visitor) error {
	plug.came <- v
	err := <-plug.answer
	unix.Close(v.FD)
	if err == nil {
		v.Left()
	}
	return err
}

// dial connects to a socket of m, of which somebody has looked at the path.
func (m *memory) dial(path string) (fd int, err error) {
	m.t.Helper()
	n := m.node(m.id(path))
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		m.t.Cleanup(func() { unix.Close(fd) })
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: m.place + "/" + boundName(n.net, n.row)})
	}
	return fd, err
}

// connected tells how many visitors are there or about to be served.
func (m *memory) connected() (n int) {
	v := &m.sockets.visitors
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.there + len(v.waiting)
}

// atEnd waits until the far end has closed the connection.
func atEnd(t *testing.T, fd int) {
	t.Helper()
	if n, err := unix.Read(fd, make([]byte, 1)); n > 0 || err != nil && err != unix.ECONNRESET {
		t.Errorf("a byte or an error in place of the end: %d, %v", n, err)
	}
}

// Who connects is told to the one who serves the socket, with the rights that port
// gives him, and holds the mount until he has left.
func TestVisitor(t *testing.T) {
	m := newLAN(t)
	us := uint32(os.Getuid())
	ok(t, "chown", m.chown("lan/port", us, 77))
	for _, c := range []struct {
		mode       uint32
		recv, send bool
	}{{0o600, true, true}, {0o400, true, false}, {0o200, false, true}} {
		if us == 0 && c.mode != 0o600 {
			continue // root may all
		}
		ok(t, "chmod", m.chmod("lan/port", c.mode))
		_, err := m.dial("lan/plug")
		if err != nil {
			t.Fatal(err)
		}
		v := <-plug.came
		if v.UID != us || v.PID != uint32(os.Getpid()) || v.Recv != c.recv || v.Send != c.send || v.Kind != "plug" || v.Network != m.bus.Network("lan") {
			t.Errorf("port has %o: %+v", c.mode, v)
		}
		if m.sockets.visitors.hold < 0 {
			t.Error("he does not hold the mount")
		}
		plug.answer <- nil
		bustest.WaitFor(t, "him to leave", func() bool { return m.connected() == 0 })
		if m.sockets.visitors.hold >= 0 {
			t.Error("nobody is there, and holds the mount")
		}
	}
}

// Who is refused is told of, and so is who may nothing.
func TestVisitorRefused(t *testing.T) {
	m := newLAN(t)
	ok(t, "chmod", m.chmod("lan/port", 0o666))
	fd, err := m.dial("lan/plug")
	if err != nil {
		t.Fatal(err)
	}
	<-plug.came
	plug.answer <- fail.Errorf(fail.Invalid, "spoke nonsense")
	atEnd(t, fd)
	bustest.WaitFor(t, "the refusal to be told", func() bool {
		return strings.Contains(m.read("lan/errors"), " plug: connect: spoke nonsense\n")
	})
	if os.Getuid() == 0 {
		return
	}
	ok(t, "chmod", m.chmod("lan/port", 0))
	fd, err = m.dial("lan/plug")
	if err != nil {
		t.Fatal(err)
	}
	atEnd(t, fd)
	if text := m.read("lan/errors"); !strings.Contains(text, "has neither r nor w on port\n") {
		t.Errorf("errors: %s", text)
	}
}

// A user's visitors who have said nothing are so many, and no more.
func TestSilentVisitors(t *testing.T) {
	m := newLAN(t)
	ok(t, "chmod", m.chmod("lan/port", 0o666))
	var vs []*bus.Visitor
	for range maxWaiting {
		if _, err := m.dial("lan/plug"); err != nil {
			t.Fatal(err)
		}
		vs = append(vs, <-plug.came)
	}
	fd, err := m.dial("lan/plug")
	if err != nil {
		t.Fatal(err)
	}
	atEnd(t, fd)
	if text := m.read("lan/errors"); !strings.Contains(text, "one more is too many") {
		t.Errorf("errors: %s", text)
	}
	for range vs {
		plug.answer <- nil
	}
	bustest.WaitFor(t, "them to leave", func() bool { return m.connected() == 0 })
	if _, err = m.dial("lan/plug"); err != nil {
		t.Fatal(err)
	}
	<-plug.came
	plug.answer <- nil
}

// A socket is bound when somebody looks at it, and not for longer than somebody
// does; nor longer than its network is there.
func TestSocketIsBoundOnDemand(t *testing.T) {
	m := newLAN(t)
	bound := func() int {
		m.sockets.mu.Lock()
		defer m.sockets.mu.Unlock()
		return len(m.sockets.open)
	}
	if bound() != 0 {
		t.Error("bound though nobody has looked")
	}
	id := m.id("lan/plug")
	m.stat("lan/plug")
	if bound() != 1 {
		t.Errorf("%d sockets are bound", bound())
	}
	n := m.node(id)
	remove := func() { // as the kernel does not remember the name without the socket
		if err := os.Remove(m.place + "/" + boundName(n.net, n.row)); err != nil {
			t.Error(err)
		}
	}
	m.closeIdle(time.Now().Add(-time.Minute))
	if bound() != 1 {
		t.Error("it was closed while somebody looked")
	}
	m.closeIdle(time.Now())
	if bound() != 0 {
		t.Error("nobody looked any more, and it is bound")
	}
	remove()
	if m.id("lan/plug") != id || bound() != 1 {
		t.Error("it was not bound again")
	}
	ok(t, "rmdir", m.rmdir("lan/ports/2"))
	ok(t, "rmdir", m.rmdir("lan/ports/1024"))
	ok(t, "rmdir", m.rmdir("lan"))
	if bound() != 0 {
		t.Error("its network has ended, and it is bound")
	}
}

// Who looks at many sockets lets go of those at which nobody has looked for longest.
func TestManySockets(t *testing.T) {
	m := newMemory(t, testOptions())
	m.openSockets()
	for i := range maxAcceptors + 10 {
		name := "n" + itoa(i)
		ok(t, "mkdir", m.mkdir(name, 0o755))
		m.id(name + "/plug")
	}
	m.sockets.mu.Lock()
	defer m.sockets.mu.Unlock()
	open := m.sockets.open
	row := rowOf(bus.InNetwork, "plug")
	if len(open) != maxAcceptors || open[bound{m.bus.Network("n9"), row}] != nil || open[bound{m.bus.Network("n10"), row}] == nil {
		t.Errorf("%d sockets are bound", len(open))
	}
}
