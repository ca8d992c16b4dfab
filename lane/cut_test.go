package lane_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// A driver that took all and keeps the tail of a frame is called until that has gone,
// though no frame comes behind it.
func TestTailIsFlushed(t *testing.T) {
	l := lanetest.Hub(t)
	far := lanetest.NewFar(t)
	d := script(far)
	calls, flushed := 0, make(chan []frame.Frame, 1)
	d.write = func(_ *lane.Turn, frames []frame.Frame) (int, error) {
		if calls++; calls < 3 {
			return len(frames), unix.EAGAIN
		}
		flushed <- frames
		return len(frames), nil
	}
	e := startDriver(t, l, far, d, lane.Config{})
	bustest.Send(l.Join(t, &bustest.Sink{}), lanetest.Frame(1, 0))
	if frames := <-flushed; len(frames) != 0 {
		t.Errorf("it was called with %d frames", len(frames))
	}
	bustest.WaitFor(t, "the lane to ask no more", func() bool { return lanetest.Watched(t, far.Near)&unix.EPOLLOUT == 0 })
	if n := e.Conn().Port().Stats().Received; n != 1 {
		t.Errorf("%d frames were taken, want 1", n)
	}
}
