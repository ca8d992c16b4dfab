package creds

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// The environment of a child that connects to a socket and waits for the end of
// its input: the address, and the effective user ids that it has when it connects
// and afterwards, if not its own.
const (
	connectTo = "CREDS_CONNECT_TO"
	connectAs = "CREDS_CONNECT_AS"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(connectTo); address != "" {
		before, after := -1, -1
		_, _ = fmt.Sscan(os.Getenv(connectAs), &before, &after)
		err := syscall.Setresuid(-1, before, -1)
		if err == nil {
			_, err = net.Dial("unix", address)
		}
		if err == nil {
			err = syscall.Setresuid(-1, after, -1)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("connected")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// peer is one end of a connection with a child at the other.
type peer struct {
	fd    int
	child *exec.Cmd
	in    io.Closer
}

// end ends the child.
func (p *peer) end() {
	p.in.Close()
	p.child.Wait()
}

// connect starts a child that has connected.
func connect(t *testing.T, attr *syscall.SysProcAttr, wrapper ...string) *peer {
	t.Helper()
	l, err := net.Listen("unix", fmt.Sprintf("@ipnfs-creds-%d", os.Getpid())) // abstract: no rights on a path are needed
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	args := []string{"/proc/self/exe"} // by its path others might not get at it
	if wrapper != nil {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		args = append(wrapper, self)
	}
	p := &peer{child: exec.Command(args[0], args[1:]...)}
	p.child.SysProcAttr = attr
	p.child.Env = append(os.Environ(), connectTo+"="+l.Addr().String())
	if p.in, err = p.child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "connected\n" {
		t.Fatalf("the child: %q, %v", line, err)
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	file, err := c.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	p.fd = int(file.Fd())
	return p
}

// The peer of a pair is who made it.
func TestPeerOfSocketpair(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	got, err := OfPeer(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	groups, _ := os.Getgroups()
	if got.UID != uint32(os.Geteuid()) || got.GID != uint32(os.Getegid()) || got.PID != uint32(os.Getpid()) ||
		got.Rights.UID != got.UID || got.Rights.GID != got.GID || got.Rights.Thread != 0 || !slices.Equal(got.Rights.Groups, groups) {
		t.Errorf("we are %+v", got)
	}
	if !Alive(fds[0]) {
		t.Skip("this kernel has no SO_PEERPIDFD")
	}
	if !got.Rights.Known || got.Comm == "" || got.Rights.Can(unix.CAP_DAC_OVERRIDE) != (unix.Geteuid() == 0) {
		t.Errorf("we are %+v", got)
	}
}

func TestPeer(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("this test needs root: the children are other users")
	}
	many := []uint32{}
	for gid := range uint32(100) {
		many = append(many, 1000+gid)
	}
	for name, c := range map[string]struct {
		attr syscall.Credential
		want bus.Credentials
	}{
		"a user":             {syscall.Credential{Uid: 5, Gid: 6, Groups: []uint32{7, 70000}}, bus.Credentials{UID: 5, GID: 6, Groups: []int{7, 70000}}},
		"one without groups": {syscall.Credential{Uid: 5, Gid: 6}, bus.Credentials{UID: 5, GID: 6}},
		"one of many groups": {syscall.Credential{Uid: 5, Gid: 6, Groups: many}, bus.Credentials{UID: 5, GID: 6, Groups: ints(many)}},
	} {
		p := connect(t, &syscall.SysProcAttr{Credential: &c.attr})
		got, err := OfPeer(p.fd)
		c.want.Known = got.Rights.Known // by the kernel's age
		if err != nil || !reflect.DeepEqual(got.Rights, c.want) || got.PID != uint32(p.child.Process.Pid) || got.UID != c.want.UID || got.GID != c.want.GID {
			t.Errorf("%s is %+v, %v, want %+v", name, got, err, c.want)
		}
		if !got.Rights.Known != (got.Comm == "") || got.Rights.Known != Alive(p.fd) {
			t.Errorf("%s is %+v", name, got)
		}
		p.in.Close()
		if err := unix.Waitid(unix.P_PID, p.child.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil { // /proc still has it
			t.Fatal(err)
		}
		if got, err := OfPeer(p.fd); err != nil || got.Rights.Known || got.Comm != "" || got.UID != c.want.UID || len(got.Rights.Groups) != len(c.want.Groups) {
			t.Errorf("%s has ended and is %+v, %v", name, got, err)
		}
	}
}

func ints(list []uint32) (ints []int) {
	for _, n := range list {
		ints = append(ints, int(n))
	}
	return ints
}

// Capabilities are those of root in our user namespace, and nobody else's.
func TestPeerCapabilities(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("this test needs root")
	}
	for name, c := range map[string]struct {
		attr    *syscall.SysProcAttr
		wrapper []string
		can     bool
	}{
		"root":                    {nil, nil, true},
		"root without capability": {nil, []string{"setpriv", "--bounding-set=-dac_override"}, false},
		"a user who has it": {&syscall.SysProcAttr{
			Credential:  &syscall.Credential{Uid: 5, Gid: 6},
			AmbientCaps: []uintptr{unix.CAP_DAC_OVERRIDE},
		}, nil, false},
		"who was a user when he connected": {nil, []string{"env", connectAs + "=5 0"}, false},
		"who is a user since":              {nil, []string{"env", connectAs + "=0 5"}, false},
		"root of another user namespace": {&syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{Size: 1}},
		}, nil, false},
	} {
		p := connect(t, c.attr, c.wrapper...)
		if !Alive(p.fd) {
			t.Skip("this kernel has no SO_PEERPIDFD")
		}
		got, err := OfPeer(p.fd)
		if err != nil || !got.Rights.Known || got.Rights.Can(unix.CAP_DAC_OVERRIDE) != c.can {
			t.Errorf("%s is %+v, %v; can: want %v", name, got, err, c.can)
		}
	}
}

func TestPeerOfNothing(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if got, err := OfPeer(fd); err == nil && (got.PID != 0 || got.Rights.Known) {
		t.Errorf("the peer of what is no unix socket is %+v", got)
	}
	if _, err := OfPeer(-1); err == nil {
		t.Error("the peer of nothing is known")
	}
}
