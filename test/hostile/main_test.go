// Package hostile is an adversary with a stop-watch: users without rights do
// their worst on networks of their own, on a real mount with mode=1777, while a
// victim on another network measures. What an attack costs the victim is
// bounded in time, and what it costs the machine in memory.
//
//   - main_test.go: the test; attack_test.go: what an attack is, and one try of it;
//     trial_test.go: what failed in a try.
//   - victim_test.go, probe_test.go: the victim and what it measures.
//   - limits_test.go: what is too much; figures for the benchmark.
//   - attacker_test.go: the processes that attack, and their tools.
//   - frames_test.go, events_test.go, switch_test.go, waits_test.go,
//     control_test.go, memory_test.go, sockets_test.go, guest_test.go, cables_test.go, ipn_test.go,
//     veth_test.go: the attacks.
//
// Time is the promise here. The limits are a few times what is promised
// (p99.9 10 ms, worst 50 ms, a hello each 1 to 2 s, ls and cat 100 ms), and
// grow with what the victim measures before the attack, as machines are slow
// and busy. A row that is over its limits has another try on a new mount.
package hostile

import (
	"flag"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// descriptors is how many files a process here may have open, attackers too.
const descriptors = 20000

func TestMain(m *testing.M) {
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: descriptors, Max: descriptors})
	harness.Main(m)
}

// figuresFile gets a line of JSON for each row.
var figuresFile = flag.String("figures", "", "append what was measured to `FILE`, as lines of JSON")

// tries is how often a row may be done until it is within its limits.
var tries = flag.Int("tries", 3, "how often a row may be done until it is within its limits")

var attacks = slices.Concat(onFrames, onEvents, onSwitches, onWaits, onControl, onMemory, onSockets, onGuests, onCables, onJoined, onHosts)

// What any user does on networks of his own costs others next to nothing.
func TestAttacks(t *testing.T) {
	if harness.Race {
		t.Skip("what takes how long is measured without the race detector")
	}
	harness.NeedRoot(t)
	harness.NeedFuse(t)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			for n := 1; ; n++ {
				r := try(t, a.try)
				switch {
				case !r.Failed() && len(r.over) == 0:
				case r.Failed() || n >= *tries:
					t.Errorf("try %d of %d: %q", n, *tries, append(r.over, r.wrong...))
				default:
					t.Logf("try %d of %d: %q", n, *tries, r.over)
					continue
				}
				return
			}
		})
	}
}
