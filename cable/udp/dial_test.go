package udp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/cable/cabletest"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/udp"
)

// freePorts are two ports of a host that no socket has.
func freePorts(t *testing.T, host string) (a, b int) {
	t.Helper()
	var ports []int
	for range 2 {
		fd, err := udp.Open(udp.Config{Local: netip.AddrPortFrom(netip.MustParseAddr(host), 0)})
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		at, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		switch at := at.(type) {
		case *unix.SockaddrInet4:
			ports = append(ports, at.Port)
		case *unix.SockaddrInet6:
			ports = append(ports, at.Port)
		}
	}
	return ports[0], ports[1]
}

// Two networks are one, in both families, and nothing is left when the cables are off.
func TestCable(t *testing.T) {
	files := len(lanetest.OpenFiles(t))
	for _, host := range []string{"127.0.0.1", "::1"} {
		a, b := cabletest.New(t), cabletest.New(t)
		here, there := freePorts(t, host)
		at := func(port int) string { return netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port)).String() }
		a.Lay(t, fmt.Sprintf("udp://%s->%s", at(here), at(there)), "state=up")
		b.Lay(t, fmt.Sprintf("udp://%s->%s", at(there), at(here)), "state=up")
		a.Await(t, "peer="+at(there))
		for i := range 20 {
			bustest.Send(a.Peer, lanetest.Frame(1, i))
			bustest.Send(b.Peer, lanetest.Frame(2, i))
		}
		for l, from := range map[*cabletest.Lab]int{a: 2, b: 1} {
			for i, got := range l.Frames(t, 20) {
				if want := lanetest.Frame(from, i); !bytes.Equal(got, want) {
					t.Errorf("%s: frame %d has %d bytes, want %d", host, i, len(got), len(want))
				}
			}
		}
		a.Remove(t, "udp0")
		b.Remove(t, "udp0")
	}
	bustest.WaitFor(t, "all to be closed", func() bool { return len(lanetest.OpenFiles(t)) <= files })
}

// What cannot be dialled is told, and tried again.
func TestCableDown(t *testing.T) {
	l := cabletest.New(t)
	l.Lay(t, "udp://198.51.100.9:1->127.0.0.1:9", "state=down")
	l.Lay(t, "udp://[::1]:0->127.0.0.1:9", "no address of the family")
	if line, _, _ := strings.Cut(l.List(), "\n"); !strings.Contains(line, "bind: cannot assign requested address") {
		t.Error(line)
	}
}
