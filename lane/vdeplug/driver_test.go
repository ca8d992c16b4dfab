package vdeplug

import (
	"testing"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		far := lanetest.NewFar(tb)
		d := &Datagrams{FD: far.Near, Closed: func() {}}
		e, err := lane.New(lane.Config{Sources: []lane.Source{d.Source()}})
		if err != nil {
			tb.Fatal(err)
		}
		return lanetest.Fixture(tb, e, far)
	})
}

// What the socket can never carry is lost, and the rest is not.
func TestTooLongForSocket(t *testing.T) {
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.MTU = 1 << 19 }); err != nil {
		t.Fatal(err)
	}
	far := lanetest.NewFar(t)
	d := &Datagrams{FD: far.Near, Closed: func() {}}
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{d.Source()}}, bus.JoinOptions{Recv: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
	for _, size := range []int{100, 1 << 19, 200} {
		bustest.Send(c, make([]byte, size))
	}
	if got := far.Await(t, 2); len(got[0]) != 100 || len(got[1]) != 200 {
		t.Errorf("frames of %d and %d bytes came", len(got[0]), len(got[1]))
	}
	if n := lanetest.Count(l.Net.Port(1), "drop_device"); n != 1 {
		t.Errorf("%d frames were lost", n)
	}
}
