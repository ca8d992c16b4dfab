package snoop

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestAtOnce lets hosts join and leave and everything else happen while
// frames look up: ports are always in order, and one that never leaves is
// always there.
func TestAtOnce(t *testing.T) {
	tab := New(200, nil)
	start := time.Unix(1e9, 0)
	query := query2("10.0.0.1", "0.0.0.0", 100)
	tab.Snoop(1, 7, query, start)
	tab.Snoop(1, 1, report2("239.1.1.1"), start)
	tab.Tick(start.Add(10 * time.Second))

	done := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if ports, _, known := tab.Lookup(1, [6]byte{1, 0, 0x5e, 1, 1, 1}); known && (!slices.Contains(ports, 1) || !slices.IsSorted(ports)) {
					t.Errorf("the group goes to %v", ports)
				}
				if ports, _, _ := tab.Lookup(1, [6]byte{1, 0, 0x5e, 1, 1, byte(rand.IntN(256))}); !slices.IsSorted(ports) {
					t.Errorf("a group goes to %v", ports)
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			for i := range 2000 {
				now := start.Add(time.Duration(10+i/100) * time.Second)
				port := 2 + rand.IntN(4)
				group := fmt.Sprintf("239.1.1.%d", rand.IntN(255))
				switch rand.IntN(10) {
				case 0:
					tab.Snoop(1, port, leave2(group), now)
				case 1:
					tab.Snoop(1, 7, query2("10.0.0.1", group, 1), now)
				case 2:
					tab.Tick(now)
				case 3:
					tab.Forget(port)
					tab.Renew(port, func(vlan uint16) bool { return vlan == uint16(w) })
					tab.Open(uint16(w))
				case 4:
					tab.SetRouter(10+w, rand.IntN(2) == 0)
				case 5:
					tab.Snoop(1, 20+port, query2("10.0.0.3", "0.0.0.0", 100), now)
				case 6:
					tab.Text()
					tab.Stats()
				case 7:
					tab.Snoop(2, port, report2(group), now)
					tab.ForgetVLAN(2)
				default:
					tab.Snoop(1, port, report2(group), now)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
	check(t, tab)
}
