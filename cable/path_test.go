package cable

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// TestConforms runs the suite with an endpoint whose driver is a line.
func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		l, err := newLine()
		if err != nil {
			tb.Fatal(err)
		}
		e, err := lane.New(lane.Config{Sources: []lane.Source{l.source()}})
		if err != nil {
			tb.Fatal(err)
		}
		l.port = e
		far := lanetest.NewFar(tb)
		k := newLink(&Link{Source: lanetest.Datagrams{FD: far.Near}.Source()})
		fixture := lanetest.Fixture(tb, e, far)
		fixture.Endpoint = connecting{lanetest.Joinable{Endpoint: e}, func() { l.connect(k) }}
		fixture.Close = func() {
			e.Close()
			l.disconnect(k)
		}
		return fixture
	})
}

// connecting is an endpoint whose link comes as it joins.
type connecting struct {
	lanetest.Joinable
	connect func()
}

// Attach is bus.Endpoint's.
func (c connecting) Attach(conn *bus.Conn) {
	c.Joinable.Attach(conn)
	c.connect()
}

// Frames allocate nothing on their way in and out, nor those that are lost.
func TestNoAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	l := lanetest.Hub(t)
	lay := &lab{Lab: l, t: t, events: &bustest.Events{}}
	from, f, a := lay.layUp("fake://a")
	to, _, b := lay.layUp("fake://b group=other")
	data := lanetest.Frame(1, 14)
	pump := func(frames int) {
		at := from.port().Stats().Frames
		for sent := 0; sent < frames; {
			if a.Try(data) {
				sent++
			} else {
				runtime.Gosched()
			}
			if sent%200 == 0 {
				lanetest.AwaitFrames(from.port(), at+uint64(sent))
				for b.Drain(); to.port().Stats().Queued > 0; b.Drain() {
					runtime.Gosched()
				}
			}
		}
		lanetest.AwaitFrames(from.port(), at+uint64(frames))
	}
	lanetest.NoAllocations(t, "a link", pump)
	unix.Shutdown(b.FD, unix.SHUT_RDWR)
	lay.await(to, "down")
	lanetest.NoAllocations(t, "no link", pump)
	if f.closed.Load() != 0 || lanetest.Count(to.port(), "drop_device") < 10000 {
		t.Error("nothing is counted as lost")
	}
}
