package stream

import (
	"runtime"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is the far end of a stream that a network has.
type peer struct {
	*lanetest.Peer
	left atomic.Int64 // calls of Config.Closed
}

// both is how a peer joins.
var both = bus.JoinOptions{Recv: true, Send: true, Brings: true}

// pair makes a peer at the other end of a socket, and the stream that he is.
func pair(tb testing.TB, n *bus.Network, form frame.Form) (*peer, Config) {
	far, near := lanetest.NewPeer(tb, form)
	p := &peer{Peer: far}
	return p, Config{Form: form, In: near, Out: near, Net: n, Closed: func() { p.left.Add(1) }}
}

// piped is pair by two pipes.
func piped(tb testing.TB, n *bus.Network, form frame.Form) (*peer, Config) {
	far, in, out := lanetest.NewPiped(tb, form)
	p := &peer{Peer: far}
	return p, Config{Form: form, In: in, Out: out, Net: n, Closed: func() { p.left.Add(1) }}
}

// ways are those by which bytes come and go.
var ways = map[string]func(testing.TB, *bus.Network, frame.Form) (*peer, Config){"socket": pair, "pipes": piped}

// eachWay runs a test for each way.
func eachWay(t *testing.T, f func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config))) {
	for what, by := range ways {
		t.Run(what, func(t *testing.T) { f(t, by) })
	}
}

// start makes a stream a port.
func start(tb testing.TB, n *bus.Network, p *peer, c Config, o bus.JoinOptions) {
	tb.Helper()
	if _, err := lane.Start(n, lane.Config{Sources: []lane.Source{New(c).Source()}}, o); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { p.hangUp(tb) })
}

// connect makes a peer a port by a socket.
func connect(tb testing.TB, l *bustest.Lab, change ...func(c *Config)) *peer {
	tb.Helper()
	p, c := pair(tb, l.Net, frame.Length4)
	for _, f := range change {
		f(&c)
	}
	start(tb, l.Net, p, c, both)
	return p
}

// hangUp ends the connection and waits until nothing is left of it.
func (p *peer) hangUp(tb testing.TB) {
	tb.Helper()
	p.HangUp()
	bustest.WaitFor(tb, "the port to end", func() bool { return p.left.Load() == 1 })
}

// wire is frames as most of the peers send them.
func wire(frames ...[]byte) []byte { return lanetest.Wire(frame.Length4, frames...) }

// port is the one of that number.
func port(tb testing.TB, l *bustest.Lab, number int) *bus.Port {
	tb.Helper()
	p := l.Net.Port(number)
	if p == nil {
		tb.Fatalf("there is no port %d", number)
	}
	return p
}

func yieldUntil(ok func() bool) {
	for !ok() {
		runtime.Gosched()
	}
}
