package l2switch

import (
	"fmt"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/policy"
)

// BenchmarkTrees is what the largest switches with trees pay: for a port that
// comes and goes, and for a second.
func BenchmarkTrees(b *testing.B) {
	for _, c := range []struct{ ports, trees int }{{1500, 5}, {63, 128}} {
		for _, kind := range []string{"port", "tap"} {
			l := newLab(b, Name, 0)
			if err := l.Net.Change(func(s *bus.Settings) { s.MaxPorts = policy.MaxPorts }); err != nil {
				b.Fatal(err)
			}
			l.set("vlan=on")
			vlans := fmt.Sprintf("%d-%d", 2, c.trees)
			join := func() *bus.Conn {
				conn, err := l.Net.Join(&silent{}, bus.JoinOptions{Recv: true, Send: true, Info: bus.Info{Kind: kind},
					Setup: []bus.PortSetting{{Name: "vlans", Value: vlans}}})
				if err != nil {
					b.Fatal(err)
				}
				return conn
			}
			for range c.ports {
				conn := join()
				b.Cleanup(conn.Close)
			}
			if err := find(b, l.Net, "stp").set("per-vlan"); err != nil {
				b.Fatal(err)
			}
			name := fmt.Sprintf("%d ports of kind %s in %d trees", c.ports, kind, c.trees)
			l.tick(10)
			b.Run(name+"/join and leave", func(b *testing.B) {
				var joins, leaves time.Duration
				for b.Loop() {
					start := time.Now()
					conn := join()
					joined := time.Now()
					conn.Close()
					joins, leaves = joins+joined.Sub(start), leaves+time.Since(joined)
				}
				b.ReportMetric(float64(joins.Microseconds())/float64(b.N), "µs/join")
				b.ReportMetric(float64(leaves.Microseconds())/float64(b.N), "µs/leave")
			})
			b.Run(name+"/tick", func(b *testing.B) {
				p := l.Net.Policy().(*Switch)
				for b.Loop() {
					l.now = l.now.Add(time.Second)
					_ = l.Net.UsePolicy(func(policy.Policy) error { p.Tick(l.now); return nil })
				}
			})
		}
	}
}
