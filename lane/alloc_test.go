package lane_test

import (
	"runtime"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// Frames allocate nothing on their way in and out, be it by the queue.
func TestNoAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	eachWay(t, func(t *testing.T, c lane.Config) {
		l := lanetest.Hub(t)
		a, b := lanetest.NewFar(t), lanetest.NewFar(t)
		from := start(t, l, a, c).Conn().Port()
		to := start(t, l, b, c).Conn().Port()
		l.JoinAs(t, &ear{heard: func([]frame.Frame) {}}, bus.JoinOptions{Recv: true})
		data := lanetest.Frame(1, 14) // 1388 bytes: 200 of them are too many for the socket
		atOnce := 400                 // at first, so that later no more wait than then
		lanetest.NoAllocations(t, "datagrams", func(frames int) {
			at := from.Stats().Frames
			for sent := 0; sent < frames; {
				if a.Try(data) {
					sent++
				} else {
					runtime.Gosched()
				}
				if sent%atOnce == 0 {
					lanetest.AwaitFrames(from, at+uint64(sent))
					for b.Drain(); to.Stats().Queued > 0; b.Drain() {
						runtime.Gosched()
					}
				}
			}
			lanetest.AwaitFrames(from, at+uint64(frames))
			atOnce = 200
		})
	})
}
