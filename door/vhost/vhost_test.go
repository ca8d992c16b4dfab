package vhost

import (
	"bytes"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane/lanetest"
)

// Frames go both ways, for guests with all features and with few.
func TestFrames(t *testing.T) {
	for what, features := range map[string]uint64{
		"usual":           usual,
		"no event index":  usual &^ featEventIndex,
		"not mergeable":   usual &^ featMergeable,
		"legacy":          0,
		"legacy, merging": featMergeable,
		"version 1":       featVersion1,
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			f := plug(t, l, features)
			rec := &bustest.Recorder{}
			c := l.JoinAs(t, rec, both)
			var sent, want [][]byte
			for i := range 1000 {
				sent = append(sent, marked(lanetest.Frame(1, i)))
				want = append(want, lanetest.Frame(1, i))
			}
			f.transmitAll(sent...)
			bustest.WaitFor(t, "frames of the guest", func() bool { return len(rec.Frames()) == len(want) })
			for i, got := range rec.Frames() {
				if !bytes.Equal(got, want[i]) {
					t.Fatalf("frame %d is another", i)
				}
			}
			for i := range 1000 {
				bustest.Send(c, lanetest.Frame(2, i))
				f.receive()
			}
			bustest.WaitFor(t, "frames for the guest", func() bool { return len(f.frames()) == 1000 })
			for i, got := range f.frames() {
				if !bytes.Equal(got, lanetest.Frame(2, i)) {
					t.Fatalf("frame %d is another", i)
				}
			}
			if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
				t.Error(err)
			}
		})
	}
}

var _ = fmt.Sprint
var _ bus.JoinOptions
