package lane_test

import (
	"slices"
	"sync"
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// A Bulk source is asked for a whole burst once it has brought something, though it
// brings single frames.
func TestBulk(t *testing.T) {
	want := []int{1, lane.MaxBurst, lane.MaxBurst}
	l := lanetest.Hub(t)
	far, rec := lanetest.NewFar(t), &bustest.Recorder{}
	l.Join(t, rec)
	var mu sync.Mutex
	var asked []int
	d := script(far)
	d.read = func(turn *lane.Turn, room int) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, room)
		return d.Datagrams.Read(turn, room)
	}
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{{FD: far.Near, Driver: d, Bulk: true}}}, both)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	for i := range want {
		far.Bring(t, lanetest.Frame(1, i))
		bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == i+1 })
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}
