package lane_test

import (
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// carrier counts what it is told.
type carrier struct {
	lanetest.Datagrams
	carried *atomic.Int64
}

var _ lane.Carrier = carrier{}

func (c carrier) Carried(frames int) { c.carried.Add(int64(frames)) }

// A Carrier hears of what it read when all of it has gone, though it had to wait, and
// of all of it.
func TestCarried(t *testing.T) {
	l, sink := lanetest.Blocking(t, 5)
	a := lanetest.NewFar(t)
	var carried atomic.Int64
	d := carrier{lanetest.Datagrams{FD: a.Near}, &carried}
	startDriver(t, l, a, d, lane.Config{})
	const n = 20
	for i := range n {
		a.Bring(t, lanetest.Frame(1, i))
	}
	for i := range n {
		bustest.WaitFor(t, "a frame", func() bool { return sink.Queued() > 0 })
		if got := int(carried.Load()); got > i+5 {
			t.Errorf("%d frames are said to have gone, and %d were taken", got, i)
		}
		sink.Take()
	}
	bustest.WaitFor(t, "all to be told", func() bool { return carried.Load() == n })
}

// as is an endpoint that stands between another and its port.
type as struct {
	*lane.Endpoint
	attached *bool
}

func (a as) Attach(c *bus.Conn) { *a.attached = true; a.Endpoint.Attach(c) }

// Config.As joins in the endpoint's place.
func TestAs(t *testing.T) {
	l, sink := lanetest.Blocking(t, 5)
	a, attached := lanetest.NewFar(t), false
	startDriver(t, l, a, lanetest.Datagrams{FD: a.Near}, lane.Config{
		As: func(e *lane.Endpoint) bus.Endpoint { return as{e, &attached} },
	})
	a.Bring(t, lanetest.Frame(1, 0))
	bustest.WaitFor(t, "a frame", func() bool { return sink.Queued() > 0 })
	if !attached {
		t.Error("the endpoint joined by itself")
	}
}
