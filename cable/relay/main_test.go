package relay

import (
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both is how a peer joins.
var both = bus.JoinOptions{Recv: true, Send: true, Hops: true}

// connect makes the relay of a socket a port, until the test ends.
func connect(tb testing.TB, l *bustest.Lab) (far *lanetest.Peer, ending *lanetest.Ending, e *lane.Endpoint) {
	tb.Helper()
	far, near := lanetest.NewPeer(tb, form)
	r := open(tb, l, near)
	ending = &lanetest.Ending{}
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{r.Source()}, Ended: ending.Ended}, both)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if ending.Calls() == 0 {
			e.Close()
		}
	})
	return far, ending, e
}

// open makes the relay of a socket.
func open(tb testing.TB, l *bustest.Lab, near int) *Relay {
	tb.Helper()
	r, err := New(Config{Conn: os.NewFile(uintptr(near), "near"), Net: l.Net, Peer: frame.MaxFrame})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// sockets are both ends of a TCP connection.
func sockets(tb testing.TB) (a, b net.Conn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}
