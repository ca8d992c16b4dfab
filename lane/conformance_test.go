package lane_test

import (
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// A driver of read, write and close is all that an endpoint needs.
func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		far := lanetest.NewFar(tb)
		e, err := lane.New(lane.Config{Sources: []lane.Source{lanetest.Datagrams{FD: far.Near}.Source()}})
		if err != nil {
			tb.Fatal(err)
		}
		return lanetest.Fixture(tb, e, far)
	})
}
