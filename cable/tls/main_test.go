package tls

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/cable/key"
	"ipnfs/creds"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) {
	tellEvery = 0
	goleak.VerifyTestMain(m)
}

// member is a network, what it hears, and the file of its key.
type member struct {
	*bustest.Lab
	t    testing.TB
	rec  *bustest.Recorder
	conn *bus.Conn
	file string
	pin  string

	mu   sync.Mutex
	told string // to people
}

func newMember(tb testing.TB, name string) *member {
	tb.Helper()
	m := &member{Lab: lanetest.Hub(tb), t: tb, rec: &bustest.Recorder{}}
	m.conn = m.Join(tb, m.rec)
	m.Bus.Told = func(_ *bus.Network, _ bus.Info, _ string, err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told += err.Error() + "\n"
	}
	m.file, m.pin = newKey(tb, name)
	return m
}

// newKey makes the file of a key and tells its pin.
func newKey(tb testing.TB, name string) (file, pin string) {
	tb.Helper()
	text, err := key.Make(name)
	if err != nil {
		tb.Fatal(err)
	}
	return write(tb, text), key.Pin(parse(tb, text).Leaf)
}

func parse(tb testing.TB, text []byte) tls.Certificate {
	tb.Helper()
	c, err := key.Load(text)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func write(tb testing.TB, text []byte) (file string) {
	tb.Helper()
	file = filepath.Join(tb.TempDir(), "pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func self() bus.Caller {
	by := creds.Of(uint32(os.Getpid()), uint32(os.Getuid()), uint32(os.Getgid()))
	by.Kind = "cable"
	return by
}

func (m *member) attach(name, format string, args ...any) error {
	return bus.AttacherOf("cable").Attach(m.Net, self(), fmt.Sprintf(format, args...)+" name="+name)
}

// lay lays a cable until the test ends.
func (m *member) lay(name, format string, args ...any) {
	m.t.Helper()
	if err := m.attach(name, format, args...); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { m.detach(name) })
}

func (m *member) detach(name string) { _ = bus.AttacherOf("cable").Detach(m.Net, self(), name) }

// line is that of a cable.
func (m *member) line(name string) string {
	for _, line := range strings.Split(bus.AttacherOf("cable").List(m.Net), "\n") {
		if strings.HasPrefix(line, name+" ") {
			return line
		}
	}
	return ""
}

// await waits until the line of a cable has a text.
func (m *member) await(name, text string) {
	m.t.Helper()
	m.t.Cleanup(func() {
		if m.t.Failed() {
			m.t.Log(m.line(name))
		}
	})
	bustest.WaitFor(m.t, name+" to be "+text, func() bool { return strings.Contains(m.line(name), text) })
}

// reach sends frames until one comes at another member.
func (m *member) reach(to *member) {
	m.t.Helper()
	n := len(to.rec.Frames())
	bustest.WaitFor(m.t, "a frame to come", func() bool {
		bustest.Send(m.conn, lanetest.Frame(1, 0))
		return len(to.rec.Frames()) > n
	})
}

// freeAddr is an address of loopback at which nobody listens.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// awaitTold waits until people were told something.
func (m *member) awaitTold(text string) {
	m.t.Helper()
	bustest.WaitFor(m.t, "people to be told "+text, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return strings.Contains(m.told, text)
	})
}
