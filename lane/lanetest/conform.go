package lanetest

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
)

// Joinable is an endpoint of lane.New that a suite of bustest joins.
type Joinable struct{ *lane.Endpoint }

// Attach is what lane.Start does when it has joined.
func (j Joinable) Attach(c *bus.Conn) {
	j.Endpoint.Attach(c)
	j.Serve()
}

// Fixture is for bustest.TestEndpoint: an endpoint of lane.New whose only source is at
// the other end of far.
func Fixture(tb testing.TB, e *lane.Endpoint, far *Far) *bustest.Fixture {
	tb.Helper()
	var stalled atomic.Bool
	var reading sync.WaitGroup
	tb.Cleanup(reading.Wait)
	return &bustest.Fixture{
		Endpoint: Joinable{e},
		Options:  bus.JoinOptions{Recv: true, Send: true},
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
				reading.Go(far.readAll)
			}
		},
	}
}

// readAll reads what comes until the source has closed.
func (f *Far) readAll() {
	for !f.Closed() {
		poll := []unix.PollFd{{Fd: int32(f.FD), Events: unix.POLLIN}}
		_, _ = unix.Poll(poll, -1)
		f.Received()
	}
}
