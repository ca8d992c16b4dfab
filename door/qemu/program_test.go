package qemu

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// QEMU's firmware asks for an address as soon as it runs: its frames come.
func TestQEMU(t *testing.T) {
	program, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		harness.Missing(t, "qemu-system-x86_64")
	}
	l := lanetest.Hub(t)
	got := &bustest.Recorder{}
	from := l.Join(t, got)
	path := filepath.Join(t.TempDir(), "qemu")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cmd := exec.Command(program, "-accel", "tcg", "-m", "32", "-display", "none", "-nodefaults", "-boot", "n",
		"-netdev", "stream,id=n,addr.type=unix,addr.path="+path, "-device", "virtio-net-pci,netdev=n,mac=52:54:00:00:00:09")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	conn, err := listener.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	file, err := conn.File()
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	_ = unix.SetNonblock(fd, true)
	left := make(chan struct{})
	if err := serve(&bus.Visitor{Network: l.Net, FD: fd, Recv: true, Send: true, Left: func() { close(left) }}); err != nil {
		t.Fatal(err)
	}
	bustest.WaitFor(t, "a frame of the guest", func() bool {
		for _, f := range got.Frames() {
			if len(f) > 12 && string(f[6:12]) == "\x52\x54\x00\x00\x00\x09" {
				return true
			}
		}
		bustest.Send(from, lanetest.Frame(1, 0)) // it takes frames, too
		return false
	})
	_ = cmd.Process.Kill()
	<-left
}
