// Package fault tests a real mount of the real program under everything that
// can go wrong: odd calls, signals, slow and dying clients, a dying daemon.
// Each test ends with the check that nothing is left and that every frame was
// delivered or counted as dropped.
//
//   - main_test.go, calls_test.go, frames_test.go, waits_test.go, caller_test.go,
//     slow_test.go, ending_test.go: the tools of the tests.
//   - port_*, poll_*, stream_*: the doors.
//   - overflow_*: what a full receiver means.
//   - end_*: removal, unmounting, death.
//   - node_test.go: what the kernel takes for one file.
//   - crowd_test.go, memory_test.go: many, and much.
package fault

import (
	"testing"

	"ipnfs/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// lan is the network that most tests use.
const lan = "lan"

// start mounts and makes the network. At the end of the test, when all that it
// opened is closed, it checks that every frame is accounted for and that the
// daemon holds nothing any more.
func start(t *testing.T, options ...string) *harness.Mounted {
	t.Helper()
	harness.NeedRoot(t)
	m := harness.Mount(t, options...)
	m.Network(t, lan)
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		m.CheckIdle(t)
		m.CheckBalance(t, lan)
	})
	return m
}
