package lane_test

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

// joinable is an endpoint that the suite joins.
type joinable struct{ *lane.Endpoint }

// Attach is what Start does when it has joined.
func (j joinable) Attach(c *bus.Conn) {
	j.Endpoint.Attach(c)
	j.Serve()
}

// A driver of read, write and close is all that an endpoint needs.
func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		far := lanetest.NewFar(tb)
		e, err := lane.New(lane.Config{Sources: []lane.Source{lanetest.Datagrams{FD: far.Near}.Source()}})
		if err != nil {
			tb.Fatal(err)
		}
		var stalled atomic.Bool
		var reading sync.WaitGroup
		tb.Cleanup(reading.Wait)
		return &bustest.Fixture{
			Endpoint: joinable{e},
			Options:  both,
			Bring:    func(frame []byte) { far.Try(frame) },
			Close:    e.Close,
			Received: func() [][]byte {
				if stalled.Load() {
					return far.Taken()
				}
				return far.Received()
			},
			Stall: func(on bool) {
				stalled.Store(on)
				if !on {
					reading.Go(func() { readAll(far) })
				}
			},
		}
	})
}

// readAll reads what comes until the source has closed.
func readAll(far *lanetest.Far) {
	for !far.Closed() {
		poll := []unix.PollFd{{Fd: int32(far.FD), Events: unix.POLLIN}}
		_, _ = unix.Poll(poll, -1)
		far.Received()
	}
}
