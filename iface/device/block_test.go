package device

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/vnet"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// Super-frames are cut before they wait.
func TestBlockedSuperFrames(t *testing.T) {
	l, sink := lanetest.Blocking(t, 3)
	a, b := newFakeTap(t), newFakeTap(t)
	d := a.start(t, l, Config{})
	b.start(t, l, Config{})
	var want [][]byte
	for _, raw := range superFrames() {
		a.Bring(t, raw)
		want = append(want, bustest.Complete(raw)...)
	}
	var got [][]byte
	for len(got) < len(want) {
		bustest.WaitFor(t, fmt.Sprintf("frame %d of %d", len(got), len(want)), func() bool { return sink.Queued() > 0 })
		got = append(got, sink.Take())
		b.Received()
	}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Error("other frames came than the super-frames stand for")
	}
	// The other tap gets complete frames as well: what is sent counts frames.
	out := b.Await(t, len(want))
	for i, raw := range out {
		if h := vnet.Parse(raw); !h.Plain() || !bytes.Equal(raw[vnet.HeaderLen:], want[i]) {
			t.Fatalf("the other tap's frame %d is %+v with %d bytes", i, h, len(raw))
		}
	}
	if stats := d.Port().Stats(); stats.Frames != uint64(len(want)) || stats.Dropped() != 0 {
		t.Errorf("%d frames were brought: %+v", len(want), stats)
	}
}

// Cut, they may be more than one call can carry.
func TestManyCutFrames(t *testing.T) {
	withAndWithoutRing(t, func(t *testing.T) {
		l := lanetest.Hub(t)
		if err := l.Net.Change(func(s *bus.Settings) { s.Overflow = bus.BlockSender }); err != nil {
			t.Fatal(err)
		}
		a, b := newFakeTap(t), newFakeTap(t)
		a.start(t, l, Config{})
		b.start(t, l, Config{})
		raw := bustest.Super{To: 0xff, Size: 500, Payload: 500 * 3 * lane.MaxBurst}.Raw()
		want := bustest.Complete(raw)
		a.Bring(t, raw)
		if got := bare(b.Await(t, len(want))); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%d frames came, want %d, or others", len(got), len(want))
		}
	})
}
