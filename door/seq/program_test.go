package seq

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// scapySends connects, sends three frames, and prints what it receives.
const scapySends = `
import socket, sys
from scapy.all import Ether, IP, UDP, Raw
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
for i in range(3):
    s.send(bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:07") / IP(dst="10.0.0.1") / UDP() / Raw(b"scapy")))
print(Ether(s.recv(65536)).summary(), flush=True)
`

// Frames that scapy makes come, and those of the network reach it.
func TestScapy(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import scapy.all").Run() != nil {
		harness.Missing(t, "scapy for "+python)
	}
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	from := l.Join(t, got)
	path := filepath.Join(t.TempDir(), "seq")
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(listener)
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", scapySends, path)
	said := make(chan string)
	go func() {
		out, _ := cmd.CombinedOutput()
		said <- string(out)
	}()
	fd, _, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	if err := serve(&bus.Visitor{Network: l.Net, FD: fd, Recv: true, Send: true, Joined: func() {}, Left: func() { close(left) }}); err != nil {
		t.Fatal(err)
	}
	bustest.WaitFor(t, "scapy's frames", func() bool { return len(got.Frames()) == 3 })
	bustest.Send(from, got.Frames()[0])
	if out := <-said; !strings.HasPrefix(out, "Ether / IP / UDP ") {
		t.Errorf("scapy said %q", out)
	}
	<-left
}
