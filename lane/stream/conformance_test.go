package stream

import (
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestConforms(t *testing.T) {
	eachWay(t, func(t *testing.T, by func(testing.TB, *bus.Network, frame.Form) (*peer, Config)) {
		bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
			l := lanetest.Hub(tb) // it lends the driver its memory
			p, c := by(tb, l.Net, frame.Length4)
			_, _ = unix.FcntlInt(uintptr(p.Out), unix.F_SETPIPE_SZ, 1<<20) // a page takes few frames
			e, err := lane.New(lane.Config{Sources: []lane.Source{New(c).Source()}})
			if err != nil {
				tb.Fatal(err)
			}
			var stalled atomic.Bool
			var reading sync.WaitGroup
			tb.Cleanup(reading.Wait)
			return &bustest.Fixture{
				Endpoint: lanetest.Joinable{Endpoint: e},
				Options:  bus.JoinOptions{Recv: true, Send: true},
				Bring:    func(frame []byte) { _, _ = unix.Write(p.Out, wire(frame)) },
				Close:    e.Close,
				Received: func() [][]byte {
					if stalled.Load() {
						return p.Taken()
					}
					return p.Received()
				},
				Stall: func(on bool) {
					stalled.Store(on)
					if !on {
						reading.Go(p.readAll)
					}
				},
			}
		})
	})
}

// readAll reads what comes until the port has ended.
func (p *peer) readAll() {
	for p.left.Load() == 0 {
		poll := []unix.PollFd{{Fd: int32(p.In), Events: unix.POLLIN}}
		_, _ = unix.Poll(poll, 10)
		p.Received()
	}
}
