package nats

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"ipnfs/bus/bustest"
)

// resident is the memory of a process in KiB, by a line of its status.
func resident(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.Atoi(strings.Fields(value)[0])
			return n
		}
	}
	return 0
}

// What members cost, for doc/scale.md: IPNFS_SCALE says how many.
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("IPNFS_SCALE"))
	if n == 0 {
		t.Skip("IPNFS_SCALE is not set")
	}
	for _, policy := range []string{"broadcast", "switch"} {
		servers := newServers(t, 1, "max_connections: 100000\n")
		pid := servers[0].cmd.Process.Pid
		nets := make([]*member, n)
		runtime.GC()
		ours, theirs := resident(os.Getpid()), resident(pid)
		for i := range nets { // without a cable
			nets[i] = &member{Lab: bustest.NewLab(t, policy), counter: &counter{}, index: i + 1}
			nets[i].sender = nets[i].Join(t, nets[i].counter)
		}
		runtime.GC()
		bare := resident(os.Getpid())
		began := time.Now()
		for _, m := range nets {
			if err := m.attachAs(strings.Replace("nats://"+servers[0].addr+"/lan", "nats://", "spied://", 1)); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range nets {
			bustest.WaitFor(t, "a cable to be up", func() bool { return m.word("state") == "up" })
		}
		up := time.Since(began)
		runtime.GC()
		idle, server := resident(os.Getpid()), resident(pid)
		t.Logf("%s, %d members: %d KiB each in this process (%d a network without), %d KiB each in the server, up after %v", policy, n,
			(idle-bare)/n, (bare-ours)/n, (server-theirs)/n, up)
		t.Logf("charged to a network: %d KiB; goroutines a member: %.1f", nets[0].Net.Memory().Used()>>10, float64(runtime.NumGoroutine())/float64(n))
		// Each says something once: then each knows each.
		began = time.Now()
		const few = 100
		for _, m := range nets[:min(few, n)] {
			m.send(t, everybody, 1, 100)
		}
		for _, m := range nets {
			bustest.WaitFor(t, "frames", func() bool {
				all := 0
				for i := range min(few, n) {
					if c, _ := m.counter.from(i + 1); c > 0 || m.index == i+1 {
						all++
					}
				}
				return all == min(few, n)
			})
		}
		took := time.Since(began)
		runtime.GC()
		t.Logf("%d broadcasts to all took %v: %v a delivery; then %d KiB each, %s stations, %d KiB charged", min(few, n), took,
			took/time.Duration(min(few, n)*n), (resident(os.Getpid())-bare)/n, nets[0].word("stations"), nets[0].Net.Memory().Used()>>10)
		for _, m := range nets {
			m.detach()
		}
	}
}
