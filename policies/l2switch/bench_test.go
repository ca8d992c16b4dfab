package l2switch

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"ipnfs/bus"
)

// picks is how many frames a benchmark goes round, a power of two.
const picks = 1 << 12

// benchSwitch is a switch with stations at some ports, and addresses spread
// over them.
func benchSwitch(b *testing.B, ports, addresses int, settings ...string) (*lab, bus.Policy) {
	b.Helper()
	l := newLab(b, Name+" fdb_max=200000", 0)
	for range ports {
		l.joinSilent()
	}
	l.set(settings...)
	policy := l.Net.Policy()
	var out bus.Egress
	for i := range addresses {
		f := bus.NewFrame(frame(toAll, macOf(i), ""))
		out.Reset()
		policy.Forward(l.at(1+i%ports).conn.Port(), &f, &out)
	}
	return l, policy
}

// run forwards frames, by the ports that their sources are at.
func run(b *testing.B, policy bus.Policy, frames []bus.Frame, in []*bus.Port) {
	b.ReportAllocs()
	var out bus.Egress
	for i := 0; b.Loop(); i++ {
		out.Reset()
		policy.Forward(in[i%picks], &frames[i%picks], &out)
	}
}

// BenchmarkForward is what the switch costs a frame, without the delivery.
// Known unicast between two addresses that are picked at random, so that with
// many of them most are far from the processor; and a broadcast to 16 ports.
func BenchmarkForward(b *testing.B) {
	for _, vlan := range []string{"off", "on"} {
		for _, addresses := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("unicast/vlan=%s/addresses=%d", vlan, addresses), func(b *testing.B) {
				const ports = 8
				l, policy := benchSwitch(b, ports, addresses, "vlan="+vlan)
				frames, in := make([]bus.Frame, picks), make([]*bus.Port, picks)
				for i := range frames {
					from := rand.IntN(addresses)
					to := (from + 1 + rand.IntN(ports-1)) % addresses // at another port
					frames[i] = bus.NewFrame(frame(macOf(to), macOf(from), ""))
					in[i] = l.at(1 + from%ports).conn.Port()
				}
				run(b, policy, frames, in)
			})
		}
		b.Run("flood/ports=16/vlan="+vlan, func(b *testing.B) {
			l, policy := benchSwitch(b, 16, 16, "vlan="+vlan)
			frames, in := make([]bus.Frame, picks), make([]*bus.Port, picks)
			for i := range frames {
				frames[i] = bus.NewFrame(frame(toAll, macOf(i%16), ""))
				in[i] = l.at(1 + i%16).conn.Port()
			}
			run(b, policy, frames, in)
		})
	}
}
