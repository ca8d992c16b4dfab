package vsock

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/lane/lanetest"
	"ipnfs/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	for text, want := range map[string]dialer{
		"vsock:///run/vm.sock:52":     {path: "/run/vm.sock", addr: unix.SockaddrVM{Port: 52}},
		"vsock:///a:b%20c:4294967294": {path: "/a:b c", addr: unix.SockaddrVM{Port: 4294967294}},
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := open(l, nil); err != nil || d.(*dialer).path != want.path || d.(*dialer).addr.Port != want.addr.Port {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
	for _, text := range []string{"vsock://3", "vsock://:5", "vsock://a:5", "vsock://3:", "vsock://3:a", "vsock://3:4294967295", "vsock://4294967295:5", "vsock:///a:5?b=c"} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := open(l, nil); err == nil || fail.KindOf(err) == 0 {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
	for _, text := range []string{"vsock-listen://a", "vsock-listen://5?a=b", "vsock-listen://1:5"} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := openListener(l, nil); err == nil || fail.KindOf(err) == 0 {
			t.Errorf("%s is taken", text)
		}
	}
}

// member is a network, and what it hears.
type member struct {
	*bustest.Lab
	rec  *bustest.Recorder
	conn *bus.Conn
}

func newMember(t *testing.T) *member {
	m := &member{Lab: lanetest.Hub(t), rec: &bustest.Recorder{}}
	m.conn = m.Join(t, m.rec)
	return m
}

func self() bus.Caller {
	by := creds.Of(uint32(os.Getpid()), uint32(os.Getuid()), uint32(os.Getgid()))
	by.Kind = "cable"
	return by
}

func (m *member) lay(t *testing.T, locator string) {
	t.Helper()
	if err := bus.AttacherOf("cable").Attach(m.Net, self(), locator+" name=c"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bus.AttacherOf("cable").Detach(m.Net, self(), "c") })
}

func (m *member) line() string { return bus.AttacherOf("cable").List(m.Net) }

func (m *member) await(t *testing.T, text string) {
	t.Helper()
	bustest.WaitFor(t, text, func() bool { return strings.Contains(m.line(), text) })
}

// reach sends a frame, which comes.
func (m *member) reach(t *testing.T, to *member) {
	t.Helper()
	n := len(to.rec.Frames())
	bustest.WaitFor(t, "a frame to come", func() bool {
		bustest.Send(m.conn, lanetest.Frame(1, 0))
		return len(to.rec.Frames()) > n
	})
}

// machine plays the socket of a virtual machine, behind which another cable's socket is:
// it answers what is asked, and carries bytes.
func machine(t *testing.T, answer string) (path string, streams <-chan net.Conn) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "vm.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := make(chan net.Conn, 100)
	go func() {
		defer close(c)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			asked, _ := bufio.NewReaderSize(onebyte{conn}, 16).ReadString('\n')
			if asked == "CONNECT 52\n" {
				fmt.Fprint(conn, answer)
			}
			c <- conn
		}
	}()
	return path, c
}

// onebyte reads no more than is asked for.
type onebyte struct{ net.Conn }

func (o onebyte) Read(b []byte) (int, error) { return o.Conn.Read(b[:1]) }

// Two cables by the sockets of two machines are one network, and again after the stream
// was cut.
func TestMachine(t *testing.T) {
	a, b := newMember(t), newMember(t)
	one, ones := machine(t, "OK 1073741824\n")
	two, twos := machine(t, "OK 1\n")
	go func() {
		for x := range ones {
			y, ok := <-twos
			if !ok {
				x.Close()
				continue
			}
			go copyAll(x, y)
			go copyAll(y, x)
		}
	}()
	a.lay(t, "vsock://"+one+":52")
	b.lay(t, "vsock://"+two+":52")
	a.await(t, "state=up peer="+one+":52")
	b.await(t, "state=up")
	a.reach(t, b)
	b.reach(t, a)
}

func copyAll(to, from net.Conn) {
	defer to.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A socket that refuses, or is none of a machine, is told of.
func TestRefused(t *testing.T) {
	for answer, want := range map[string]string{"FAIL\n": "says FAIL to CONNECT 52", strings.Repeat("x", 100): "to CONNECT 52"} {
		m := newMember(t)
		path, streams := machine(t, answer)
		go func() {
			for c := range streams {
				defer c.Close()
			}
		}()
		m.lay(t, "vsock://"+path+":52")
		m.await(t, want)
	}
}

// By the kernel's loopback, where there is one.
func TestLoopback(t *testing.T) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this test needs vsock: %v", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrVM{CID: unix.VMADDR_CID_LOCAL, Port: 10000}); err != nil {
		t.Skipf("this test needs vsock_loopback: %v", err)
	}
	a, b := newMember(t), newMember(t)
	b.lay(t, "vsock-listen://10001")
	a.lay(t, "vsock://1:10001")
	a.reach(t, b)
	b.reach(t, a)
}
