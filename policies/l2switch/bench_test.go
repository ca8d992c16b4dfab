package l2switch

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// picks is how many frames a benchmark goes round, a power of two.
const picks = 1 << 17

// traffic is frames between addresses that are spread over the ports of a
// switch. It is one frame whose addresses change, so that what lies far from
// the processor is what the switch knows, and not the frames.
type traffic struct {
	policy policy.Policy
	ports  []policy.Port
	data   []byte
	frame  frame.Frame
	pairs  [picks][2]uint32 // source and destination
	out    policy.Egress
}

// newTraffic makes a switch that has learned the addresses.
func newTraffic(b *testing.B, ports, addresses int, settings ...string) *traffic {
	b.Helper()
	l := newLab(b, Name+" fdb_max=200000", 0)
	t := &traffic{policy: l.Net.Policy(), data: makeFrame(toAll, macOf(0), "")}
	for range ports {
		l.joinSilent()
		t.ports = append(t.ports, l.at(len(l.stations)).conn.Port())
		l.set(fmt.Sprintf("%d/fdb_max=off", len(l.stations)))
	}
	l.set(settings...)
	t.frame = frame.NewFrame(t.data)
	for i := range addresses {
		t.forward(uint32(i))
	}
	return t
}

// forward lets the address that the frame is from send it.
func (t *traffic) forward(from uint32) {
	binary.BigEndian.PutUint32(t.data[8:], from)
	t.out.Reset()
	t.policy.Forward(t.ports[int(from)%len(t.ports)], &t.frame, &t.out)
}

// BenchmarkForward is what the switch costs a frame, without the delivery:
// known unicast between addresses picked at random, and a broadcast to 15
// other ports.
func BenchmarkForward(b *testing.B) {
	for _, vlan := range []string{"off", "on"} {
		for _, addresses := range []int{100, 1000, 100_000} {
			b.Run(fmt.Sprintf("unicast/vlan=%s/addresses=%d", vlan, addresses), func(b *testing.B) {
				const ports = 8
				t := newTraffic(b, ports, addresses, "vlan="+vlan)
				for i := range t.pairs {
					from := rand.IntN(addresses)
					to := rand.IntN(addresses/ports)*ports + (from+1)%ports // at another port
					t.pairs[i] = [2]uint32{uint32(from), uint32(to)}
				}
				copy(t.data, macOf(0).bytes())
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					p := &t.pairs[i%picks]
					binary.BigEndian.PutUint32(t.data[2:], p[1])
					t.forward(p[0])
				}
				if got := len(t.out.Ports()); got != 1 {
					b.Fatalf("a frame went to %d ports, want 1", got)
				}
			})
		}
		b.Run("broadcast/ports=16/vlan="+vlan, func(b *testing.B) {
			t := newTraffic(b, 16, 16, "vlan="+vlan)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				t.forward(uint32(i % 16))
			}
		})
	}
}
