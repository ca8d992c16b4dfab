package lane_test

import (
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// both are the rights to receive and to send.
var both = bus.JoinOptions{Recv: true, Send: true}

// start joins the near end of a socket to a network until the test ends.
func start(t testing.TB, l *bustest.Lab, far *lanetest.Far, c lane.Config) *lane.Endpoint {
	t.Helper()
	return startDriver(t, l, far, lanetest.Datagrams{FD: far.Near}, c)
}

// startDriver joins it with another driver.
func startDriver(t testing.TB, l *bustest.Lab, far *lanetest.Far, d lane.Driver, c lane.Config) *lane.Endpoint {
	t.Helper()
	c.Sources = []lane.Source{{FD: far.Near, Driver: d}}
	e, err := lane.Start(l.Net, c, both)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// eachWay runs a test with endpoints whose frames queue, and with Lossy ones.
func eachWay(t *testing.T, run func(t *testing.T, c lane.Config)) {
	t.Run("queued", func(t *testing.T) { run(t, lane.Config{}) })
	t.Run("lossy", func(t *testing.T) { run(t, lane.Config{Lossy: true}) })
}

// scripted is a driver of which parts are replaced.
type scripted struct {
	lanetest.Datagrams
	read  func(t *lane.Turn, room int) (int, error)
	write func(t *lane.Turn, frames []frame.Frame) (int, error)
	close func()
}

func script(far *lanetest.Far) *scripted {
	d := lanetest.Datagrams{FD: far.Near}
	return &scripted{Datagrams: d, read: d.Read, write: d.Write, close: d.Close}
}

func (s *scripted) Read(t *lane.Turn, room int) (int, error)              { return s.read(t, room) }
func (s *scripted) Write(t *lane.Turn, frames []frame.Frame) (int, error) { return s.write(t, frames) }
func (s *scripted) Close()                                                { s.close() }

// ear is an endpoint that tells of the frames it gets, as they come.
type ear struct {
	bustest.Sink
	heard func(frames []frame.Frame)
}

// Claim takes all.
func (*ear) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit tells.
func (e *ear) Emit(b *frame.Batch, i, j int, _ uint64) { e.heard(b.Frames[i:j]) }
