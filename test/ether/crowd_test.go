package ether

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"ipnfs/test/harness"
)

// crowd is how many hosts there are at once.
const crowd = 64

// 64 interfaces in 64 namespaces, made at once: each reaches the next one, and the
// first one all others.
func TestCrowd(t *testing.T) { overWires(t, testCrowd) }

func testCrowd(t *testing.T, l *lab) {
	harness.NeedProgram(t, "ping")
	all := make([]*host, crowd)
	for i := range all {
		all[i] = newHost(t)
	}
	var attaching sync.WaitGroup
	errs := make([]error, crowd)
	for i, h := range all {
		attaching.Go(func() {
			errs[i] = h.Echo(fmt.Sprintf("eth0 addr=10.0.0.%d/24 up", i+1), l.Path(lan, l.by))
		})
	}
	attaching.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("host %d: %v", i+1, err)
		}
	}
	if list := strings.Split(harness.Get(t, l.Path(lan, l.by)), "\n"); len(list) != crowd {
		t.Errorf("%d are listed, want %d", len(list), crowd)
	}
	if ports, err := os.ReadDir(l.Path(lan, "ports")); err != nil || len(ports) != crowd {
		t.Errorf("there are %d ports, want %d: %v", len(ports), crowd, err)
	}
	for i := range all {
		p := pair{all[i], all[(i+1)%crowd]}
		if got := ping(fmt.Sprintf("10.0.0.%d", (i+1)%crowd+1), "1000")(p, 0); got != "answered" {
			t.Errorf("ping from %d to the next one: %s", i+1, got)
		}
		if i > 0 {
			if got := ping(fmt.Sprintf("10.0.0.%d", i+1), "56")(pair{a: all[0]}, 0); got != "answered" {
				t.Errorf("ping from 1 to %d: %s", i+1, got)
			}
		}
	}
	if n := len(strings.Split(harness.Get(t, l.Path(lan, "switch", "fdb")), "\n")); n < crowd {
		t.Errorf("%d addresses are known, want %d", n, crowd)
	}
	l.CheckBalance(t, lan)
}
