package seq

import (
	"bytes"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/cable/cabletest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/words"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		far := lanetest.NewFar(tb)
		e, err := lane.New(lane.Config{Sources: []lane.Source{(&packets{fd: far.Near}).source()}})
		if err != nil {
			tb.Fatal(err)
		}
		return lanetest.Fixture(tb, e, far)
	})
}

func TestOpen(t *testing.T) {
	for _, text := range []string{"seq://a", "seq:///a?b=c"} {
		l, err := words.ParseLocator(text)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := open(l, nil); fail.KindOf(err) != fail.Invalid {
			t.Errorf("%s is read as %+v, %v", text, d, err)
		}
	}
}

// A socket that is not there is tried again, frames pass when it is, and a peer who
// hangs up is dialled again.
func TestConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l := cabletest.New(t)
	l.Lay(t, "seq://"+path, "state=down reason=")
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
	buf := make([]byte, 1<<16)
	for round := range 2 {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		l.Await(t, "state=up peer="+path)
		want := lanetest.Frame(1, round)
		for _, b := range [][]byte{nil, want} {
			if err := unix.Sendto(fd, b, 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.Frames(t, round+1)[round]; !bytes.Equal(got, want) {
			t.Errorf("%d bytes came", len(got))
		}
		bustest.Send(l.Peer, want)
		if n, err := unix.Read(fd, buf); err != nil || !bytes.Equal(buf[:n], want) {
			t.Errorf("%d bytes left, %v", n, err)
		}
		unix.Close(fd)
		l.Await(t, "state=down")
	}
	l.Remove(t, "seq0")
}
