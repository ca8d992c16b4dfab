package udp

import (
	"bytes"
	"net/netip"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/lane/udp"
	"ipnfs/test/harness"
	"ipnfs/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	for text, want := range map[string]dialer{
		"udp://->10.0.0.2:5000":               {host: "10.0.0.2", to: 5000},
		"udp://:4000->peer:5000":              {port: 4000, host: "peer", to: 5000},
		"udp://10.0.0.1:4000->peer:5000":      {local: netip.MustParseAddrPort("10.0.0.1:4000"), port: 4000, host: "peer", to: 5000},
		"udp://[::1]:0->[fe80::1%25lo]:65535": {local: netip.MustParseAddrPort("[::1]:0"), host: "fe80::1%lo", to: 65535},
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := open(l, nil); err != nil || *d.(*dialer) != want {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
	for _, text := range []string{
		"udp://10.0.0.2:5000", "udp://->", "udp://->:5000", "udp://->a", "udp://->a:0", "udp://a:1->b:2", "udp://1->b:2",
		"udp://239.0.0.1:1->b:2", "udp://->a:65536", "udp://->a:1?ttl=3", "udp://->::1:1",
	} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := open(l, nil); err == nil || fail.KindOf(err) == 0 {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
}

func TestChoose(t *testing.T) {
	list := []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("10.0.0.2")}
	for _, c := range []struct {
		d           dialer
		peer, local string
	}{
		{dialer{to: 5}, "[fd00::1]:5", "[::]:0"},
		{dialer{to: 5, port: 3}, "[fd00::1]:5", "[::]:3"},
		{dialer{to: 5, local: netip.MustParseAddrPort("10.0.0.1:3")}, "10.0.0.2:5", "10.0.0.1:3"},
	} {
		if peer, local, err := c.d.choose(list); err != nil || peer.String() != c.peer || local.String() != c.local {
			t.Errorf("%+v: %v from %v, %v", c.d, peer, local, err)
		}
	}
	d := dialer{local: netip.MustParseAddrPort("10.0.0.1:3")}
	if _, _, err := d.choose(list[:1]); err == nil {
		t.Error("an address of the other family is chosen")
	}
}

// start makes a link between two sockets of loopback a port, and returns the far one.
func start(t testing.TB) (l *bustest.Lab, port *bus.Port, far int) {
	t.Helper()
	local := netip.MustParseAddrPort("127.0.0.1:0")
	far, err := udp.Open(udp.Config{Local: local})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(far) })
	a, err := unix.Getsockname(far)
	if err != nil {
		t.Fatal(err)
	}
	peer := netip.AddrPortFrom(local.Addr(), uint16(a.(*unix.SockaddrInet4).Port))
	l = lanetest.Hub(t)
	k, err := newLink(l.Net.Memory())
	if err != nil {
		t.Fatal(err)
	}
	fd, probe, err := udp.OpenPair(udp.Config{Local: local, Peer: peer})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = unix.Getsockname(fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(far, a); err != nil {
		t.Fatal(err)
	}
	k.fd = fd
	k.path, _, err = udp.NewPath(probe, []udp.Addr{udp.AddrOf(peer, 0)}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	k.out.Family = unix.AF_INET
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{{FD: fd, Driver: k}}}, bus.JoinOptions{Recv: true, Send: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return l, e.Conn().Port(), far
}

// A datagram is a frame and a frame a datagram.
func TestFrames(t *testing.T) {
	l, port, far := start(t)
	near := &bustest.Recorder{}
	conn := l.Join(t, near)
	for i := range 50 {
		if _, err := unix.Write(far, lanetest.Frame(1, i)); err != nil {
			t.Fatal(err)
		}
	}
	bustest.WaitFor(t, "frames to come", func() bool { return len(near.Frames()) == 50 })
	for i, got := range near.Frames() {
		if want := lanetest.Frame(1, i); !bytes.Equal(got, want) {
			t.Fatalf("frame %d has %d bytes, want %d", i, len(got), len(want))
		}
	}
	for _, n := range []int{0, 1, 13} {
		if _, err := unix.Write(far, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	bustest.WaitFor(t, "frames to be dropped", func() bool { return lanetest.Count(port, "drop_malformed") == 3 })
	buf := make([]byte, 1<<16)
	for i := range 50 {
		want := lanetest.Frame(2, i)
		bustest.Send(conn, want)
		n, err := unix.Read(far, buf)
		if err != nil || !bytes.Equal(buf[:n], want) {
			t.Fatalf("frame %d: %d bytes, want %d (%v)", i, n, len(want), err)
		}
	}
}

// A peer that is gone ends nothing.
func TestPeerGone(t *testing.T) {
	l, port, far := start(t)
	conn := l.Join(t, &bustest.Recorder{})
	a, _ := unix.Getsockname(far)
	b, _ := unix.Getpeername(far)
	unix.Close(far)
	for i := range 20 {
		bustest.Send(conn, lanetest.Frame(1, i))
	}
	again, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil || again != far { // which is closed at the end
		t.Fatalf("descriptor %d, %v", again, err)
	}
	if err := unix.Bind(again, a); err != nil {
		t.Skip("another has the port now: ", err)
	}
	if err := unix.Connect(again, b); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(again, lanetest.Frame(3, 3)); err != nil {
		t.Fatal(err)
	}
	lanetest.AwaitFrames(port, 1)
}

func TestAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l, port, far := start(t)
	l.Join(t, &bustest.Sink{})
	data := lanetest.Frame(1, 1)
	lanetest.NoAllocations(t, "in", func(frames int) {
		at := port.Stats().Frames
		for i := range frames {
			if _, err := unix.Write(far, data); err != nil {
				t.Fatal(err)
			}
			if i%8 == 7 {
				lanetest.AwaitFrames(port, at+uint64(i+1))
			}
		}
		lanetest.AwaitFrames(port, at+uint64(frames))
	})
}
