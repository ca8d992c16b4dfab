package vde

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/creds"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/vdeplug"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childOf); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// lab is a network, and a directory with the socket ctl.
type lab struct {
	*bustest.Lab
	dir string

	mu     sync.Mutex
	rights bus.Visitor // what visitors may: Recv, Send and whether they are Known
	errs   []error     // refusals
	here   int         // visitors that have not left
}

// let changes what those who come from now on may.
func (l *lab) let(recv, send, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rights.Recv, l.rights.Send, l.rights.Rights.Known = recv, send, known
}

// newLab opens the door until the test ends. Everybody must have left by then.
func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{Lab: lanetest.Hub(t), dir: openDir(t)}
	l.let(true, true, true)
	door, err := net.ListenUnix("unix", &net.UnixAddr{Name: l.dir + "/ctl", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.dir+"/ctl", 0o777); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := door.AcceptUnix()
			if err != nil {
				return
			}
			all.Go(func() { l.visit(t, c) })
		}
	})
	t.Cleanup(func() {
		door.Close()
		all.Wait()
		bustest.WaitFor(t, "all to leave", func() bool { return l.visitors() == 0 })
	})
	return l
}

// openDir returns a directory into which other users may go, too.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(dir, 0o777), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (l *lab) visitors() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.here
}

// visit does what the tree does for who has connected.
func (l *lab) visit(t testing.TB, c *net.UnixConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		t.Error(err)
		return
	}
	l.mu.Lock()
	may := l.rights
	l.mu.Unlock()
	v := &bus.Visitor{Network: l.Net, Recv: may.Recv, Send: may.Send, FD: -1}
	if err := raw.Control(func(fd uintptr) { v.FD, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || v.FD < 0 {
		t.Error("no visitor", err)
		return
	}
	c.Close()
	if v.Caller, err = creds.OfPeer(v.FD); err != nil {
		t.Error(err)
	}
	v.Rights.Known = v.Rights.Known && may.Rights.Known
	gone := 0
	v.Left = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if gone++; gone > 1 {
			t.Error("a visitor has left twice")
		}
		l.here--
	}
	l.mu.Lock()
	l.here++
	l.mu.Unlock()
	if err := serve(v); err != nil {
		l.mu.Lock()
		l.errs = append(l.errs, err)
		l.mu.Unlock()
		v.Left()
	}
}

// refusal waits for one more refusal.
func (l *lab) refusal(t testing.TB) (err error) {
	t.Helper()
	bustest.WaitFor(t, "a refusal", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.errs) == 0 {
			return false
		}
		err = l.errs[0]
		l.errs = l.errs[1:]
		return true
	})
	return err
}

// ports waits until so many connections are there.
func (l *lab) ports(t testing.TB, n int) {
	t.Helper()
	bustest.WaitFor(t, fmt.Sprintf("%d ports", n), func() bool { return l.Net.Stats().Ports == n })
}

// ask makes a request of version 3.
func ask(kind uint32, client *vdeplug.Address, description string) []byte {
	b := binary.NativeEndian.AppendUint32(nil, 0xfeedface)
	b = binary.NativeEndian.AppendUint32(b, 3)
	b = binary.NativeEndian.AppendUint32(b, kind)
	return append(append(b, client[:]...), description...)
}

// client speaks the protocol as libvdeplug does.
type client struct {
	control *net.UnixConn
	fd      int
	answer  vdeplug.Address
}

var errRefused = errors.New("refused")

// dial joins by a request of that type, with a socket at a path of its own.
func dial(dir string, kind uint32, own, description string) (*client, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: dir + "/ctl", Net: "unix"})
	if err != nil {
		return nil, err
	}
	c := &client{control: conn, fd: -1}
	if err := c.join(kind, vdeplug.AddressOf(own), description); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *client) join(kind uint32, own *vdeplug.Address, description string) (err error) {
	if c.fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
		return err
	}
	if err := own.Bind(c.fd); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if !own.Abstract() {
		defer os.Remove(own.Path())
		if err := os.Chmod(own.Path(), mode(description)); err != nil {
			return err
		}
	}
	if _, err := c.control.Write(ask(kind, own, description)); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.control, c.answer[:]); err != nil {
		return errRefused
	}
	if description == unconnected {
		return nil
	}
	if err := c.answer.Connect(c.fd); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}

// mode is that of a client's socket. Who forgets to say which has 0 (86Box, SIMH).
func mode(description string) os.FileMode {
	if description == forgetful {
		return 0
	}
	return 0o700
}

// Descriptions of clients that do otherwise than most.
const (
	forgetful   = "forgetful"
	unconnected = "unconnected"
)

func (c *client) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
	c.control.Close()
}

var numbers struct {
	sync.Mutex
	last int
}

// join dials, with a socket in the network's directory, until the test ends.
func (l *lab) join(t testing.TB, kind uint32, description string) *client {
	t.Helper()
	numbers.Lock()
	numbers.last++
	own := fmt.Sprintf("%s/.%05d-%05d", l.dir, os.Getpid(), numbers.last)
	numbers.Unlock()
	c, err := dial(l.dir, kind, own, description)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// receive waits for a frame.
func (c *client) receive(t testing.TB) []byte {
	t.Helper()
	poll := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
	for _, err := unix.Poll(poll, -1); err != nil; _, err = unix.Poll(poll, -1) {
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 1<<17)
	n, err := unix.Read(c.fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func (c *client) sends(t testing.TB, frame []byte) {
	t.Helper()
	if _, err := unix.Write(c.fd, frame); err != nil {
		t.Fatal(err)
	}
}

// hungUp waits until the door has closed the control connection.
func (c *client) hungUp(t testing.TB) {
	t.Helper()
	if err := c.control.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := c.control.Read(b[:]); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the control connection is open: %v", err)
	}
}
