package qemu

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		l := lanetest.Hub(tb) // it lends the driver its memory
		g, v := pair(tb, l.Net)
		e, err := lane.New(lane.Config{Sources: newPeer(v).sources()})
		if err != nil {
			tb.Fatal(err)
		}
		var stalled atomic.Bool
		var reading sync.WaitGroup
		tb.Cleanup(reading.Wait)
		return &bustest.Fixture{
			Endpoint: lanetest.Joinable{Endpoint: e},
			Options:  bus.JoinOptions{Recv: true, Send: true},
			Bring:    func(frame []byte) { _, _ = unix.Write(g.fd, wire(frame)) },
			Close:    e.Close,
			Received: func() [][]byte {
				if stalled.Load() {
					return g.taken()
				}
				return g.received()
			},
			Stall: func(on bool) {
				stalled.Store(on)
				if !on {
					reading.Go(func() { readAll(g) })
				}
			},
		}
	})
}

// readAll reads what comes until the port has ended.
func readAll(g *guest) {
	for g.left.Load() == 0 {
		poll := []unix.PollFd{{Fd: int32(g.fd), Events: unix.POLLIN}}
		_, _ = unix.Poll(poll, 10)
		g.received()
	}
}
