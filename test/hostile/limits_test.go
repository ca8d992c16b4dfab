package hostile

import (
	"encoding/json"
	"os"

	"ipnfs/test/harness"
)

// figures is what the victim measured; times are milliseconds.
type figures struct {
	Rounds int // round trips of a frame
	P50    float64
	P99    float64
	P999   float64
	Worst  float64
	Hello  float64 // the longest time without a hello of the victim's switch
	Files  float64 // the longest time of one look at the victim's files
	What   string  // and which look it was
	Lost   int     // frames of the victim that did not come
	Storm  uint64  // frames that storm control dropped, though the rate was kept
}

// expected is what a quiet machine measures, and limit what an attack may make
// of it.
var (
	expected = figures{P50: 0.2, P999: 3, Worst: 25, Hello: 1500, Files: 50}
	limit    = figures{P50: 5, P999: 50, Worst: 250, Hello: 3000, Files: 500}
)

// exceeded compares what was measured under attack with the limits, which grow
// with how slow the machine is without.
func exceeded(r *trial, quiet, attacked figures) {
	slow := max(1, quiet.P50/expected.P50, quiet.P999/expected.P999, quiet.Worst/expected.Worst, quiet.Files/expected.Files)
	for _, f := range []struct {
		name      string
		ms, limit float64
	}{
		{"p50 of round trips", attacked.P50, limit.P50},
		{"p99.9 of round trips", attacked.P999, limit.P999},
		{"worst round trip", attacked.Worst, limit.Worst},
		{"time without a hello", attacked.Hello, limit.Hello},
		{attacked.What, attacked.Files, limit.Files},
	} {
		if f.ms > f.limit*slow {
			r.exceeds("%s: %.1f ms, at most %.0f x %.1f", f.name, f.ms, f.limit, slow)
		}
	}
	if attacked.Lost > 0 {
		r.exceeds("%d of the victim's frames were lost", attacked.Lost)
	}
	if attacked.Storm > 0 {
		r.exceeds("storm control dropped %d frames of a sender who kept the rate", attacked.Storm)
	}
}

// memoryLimit is how many KiB the daemon may hold: mem= and a quarter of it,
// and 64 MiB.
func memoryLimit(r *trial, m *harness.Mounted) int {
	r.Helper()
	mem := int(m.Metric(r, "ipnfs_memory_limit_bytes") >> 10)
	return mem + mem/4 + 64<<10
}

// tell logs what was measured, and appends it to the file of figures.
func (a *attack) tell(r *trial, quiet, attacked figures, peakKB int) {
	r.Helper()
	r.Logf("quiet %+v", quiet)
	r.Logf("attacked %+v; peak %d MiB", attacked, peakKB>>10)
	if *figuresFile == "" {
		return
	}
	line, err := json.Marshal(map[string]any{"row": a.name, "quiet": quiet, "attacked": attacked, "peak": peakKB >> 10})
	if err != nil {
		r.Fatal(err)
	}
	f, err := os.OpenFile(*figuresFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		r.Fatal(err)
	}
}
