// Package vm tests the ways in which virtual machines join a network of the
// real program: guests boot Debian's kernel in QEMU, and talk to a host that is
// behind a tap of ipnfs. The processor is emulated; there need be no /dev/kvm.
//
//   - main_test.go: the network, and the host.
//   - guest_test.go: what boots, and what it says on its console.
//   - recipe_test.go: the commands of ipnfs(5) that start a machine.
//   - ways_test.go: the ways, and the test.
//
// All needs root.
package vm

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// hostAddr is the host's address; guests have others of 10.0.0.0/24.
const hostAddr = "10.0.0.1"

// What the host does for guests, by TCP port.
const (
	give = "8000" // sends lab.file
	take = "8001" // reads to the end, for lab.taken
)

// lab is a mount with the network lan, which all may use and whose policy is
// switch, and a host on it.
type lab struct {
	*harness.Mounted
	host  *netns.NS
	name  string // of the host's namespace
	file  []byte
	taken map[string]chan []byte // what guests sent, by their address
}

func start(t *testing.T) *lab {
	t.Helper()
	harness.NeedRoot(t)
	for _, name := range []string{"ip", "ping", "bash", "setpriv"} {
		harness.NeedProgram(t, name)
	}
	if err := unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK); err != nil {
		harness.Missing(t, "/dev/net/tun: "+err.Error())
	}
	l := &lab{Mounted: harness.MountOn(t, publicDir(t)), taken: map[string]chan []byte{}}
	l.file = make([]byte, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(l.file)
	for _, w := range ways {
		l.taken[w.addr] = make(chan []byte, 1)
	}
	lan := l.Network(t, "lan")
	harness.Set(t, "switch", lan, "policy")
	if err := os.Chmod(filepath.Join(lan, "port"), 0o766); err != nil {
		t.Fatal(err)
	}
	l.name, l.host = nstest.New(t)
	harness.Set(t, "eth0 netns="+l.name+" addr="+hostAddr+"/24 up", lan, "tap")
	l.serve(t, give, func(c net.Conn) { _, _ = c.Write(l.file) })
	l.serve(t, take, func(c net.Conn) {
		data, _ := io.ReadAll(c)
		from, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		l.taken[from] <- data
	})
	return l
}

// publicDir makes a directory that all users reach.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// serve answers at a port of the host until the test ends.
func (l *lab) serve(t *testing.T, port string, answer func(net.Conn)) {
	t.Helper()
	var listener net.Listener
	nstest.In(t, l.host, func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(hostAddr, port))
		return err
	})
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
}

// ping runs ping(8) from the host and returns what it says.
func (l *lab) ping(words ...string) string {
	var out bytes.Buffer
	cmd := exec.Command("ping", append([]string{"-n", "-q"}, words...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := l.host.Do(cmd.Start); err != nil {
		return err.Error()
	}
	_ = cmd.Wait()
	return out.String()
}
