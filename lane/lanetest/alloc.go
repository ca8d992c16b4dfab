package lanetest

import (
	"runtime"
	"runtime/debug"
	"testing"

	"ipnfs/bus"
)

// NoAllocations lets frames go, as many as pump is asked for, and counts
// allocations of the whole process meanwhile. pump waits until all have gone
// and allocates nothing itself. The race detector must be off.
func NoAllocations(t *testing.T, what string, pump func(frames int)) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools
	pump(2000)
	const frames = 10000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	pump(frames)
	runtime.ReadMemStats(&after)
	// The runtime itself allocates a little now and then.
	if n := after.Mallocs - before.Mallocs; n > frames/100 {
		t.Errorf("%s: %d allocations for %d frames", what, n, frames)
	}
}

// AwaitFrames waits until a port has brought n frames.
func AwaitFrames(p *bus.Port, n uint64) {
	for p.Stats().Frames < n {
		runtime.Gosched()
	}
}
