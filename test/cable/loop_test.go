package cable

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ipnfs/test/harness"
)

// ring boots three machines whose cables make a ring: each passes on from one to the
// other.
func ring(t *testing.T, k kind, policy string) []*machine {
	t.Helper()
	l := newLine(t, 3)
	l.cut.Store(true) // until the trees are set up
	var machines []*machine
	for i, e := range l.ends {
		x := boot(t, e, i+1, policy)
		x.groups = true
		if policy == "switch" {
			harness.Set(t, "rstp hello=1", x.lan, "switch", "stp")
		}
		machines = append(machines, x)
	}
	k.lay(t, machines)
	l.cut.Store(false)
	return machines
}

// A spanning tree over cables that make a ring takes one of them out: each frame comes
// once.
func TestRingOfSwitches(t *testing.T) {
	harness.NeedRoot(t)
	for _, k := range kinds {
		if !k.pairs {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			machines := ring(t, k, "switch")
			s := machines[0].sender(t)
			for _, x := range machines[1:] {
				s.reach(t, x)
			}
			harness.Eventually(t, "one end of a cable to be blocked", func() bool {
				blocked := 0
				for _, x := range machines {
					ports, err := filepath.Glob(filepath.Join(x.lan, "ports", "*", "stp"))
					if err != nil {
						t.Fatal(err)
					}
					for _, port := range ports {
						text := harness.Get(t, port)
						blocked += strings.Count(text, "state=discarding")
					}
				}
				return blocked == 1
			})
			s.next += 1000
			first := s.next + 1
			last := s.send(t, 100)
			for _, x := range machines[1:] {
				harness.Eventually(t, "100 frames", func() bool {
					n, twice := x.got(first, last)
					if twice {
						t.Fatal("a frame came twice")
					}
					return n == 100
				})
			}
		})
	}
}

// Where nothing else ends a loop, the count of hops does.
func TestRingOfHubs(t *testing.T) {
	harness.NeedRoot(t)
	k := kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.name == "tls" })]
	machines := ring(t, k, "broadcast")
	for _, x := range machines {
		for i := range 2 {
			harness.Eventually(t, "the ring to be closed", func() bool {
				state, _ := x.state(t, i)
				return state == "up"
			})
		}
	}
	s := machines[0].sender(t)
	for _, x := range machines[1:] {
		s.reach(t, x)
	}
	s.send(t, 10)
	harness.Eventually(t, "the loop to end", func() bool {
		before := machines[1].m.Stats(t, "lan")["frames"]
		time.Sleep(100 * time.Millisecond)
		return machines[1].m.Stats(t, "lan")["frames"] == before
	})
	lost := uint64(0)
	for _, x := range machines {
		lost += x.m.CheckBalance(t, "lan")["drop_loop"]
	}
	if lost == 0 {
		t.Error(fmt.Sprint("no frame was dropped for its hops, on any of ", len(machines), " machines"))
	}
}
