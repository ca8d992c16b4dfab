package plane

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"

	"ipnfs/iface/nstest"
)

// BenchmarkForward is the program alone, on a frame of 60 bytes that is forwarded, by how
// many addresses are in the table.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct {
		addresses int
		vlans     bool
	}{{2, false}, {1000, false}, {100_000, false}, {100_000, true}} {
		b.Run(fmt.Sprintf("addresses=%d/vlans=%v", c.addresses, c.vlans), func(b *testing.B) {
			l := newLab(b)
			s, vlan := Settings{Network: l.network}, uint16(0)
			if c.vlans {
				s.VLANs, s.PVID, s.TPID, vlan = true, 1, 0x8100, 1
			}
			l.a.know(vlan, s, false)
			l.b.know(vlan, s, false)
			keys, entries := keysOf(l.network+1, c.addresses-2)
			if err := l.a.plane.Put(keys, entries); err != nil {
				b.Fatal(err)
			}
			defer l.a.plane.Delete(keys)
			var in skb
			in[skbIndex/4] = uint32(l.a.port.Index())
			nstest.In(b, l.a.plane.ns, func() error {
				b.ResetTimer()
				_, err := l.program.Run(&ebpf.RunOptions{Data: l.a.frame(l.b.mac, 8, 0), Context: &in, Repeat: uint32(b.N)})
				b.StopTimer()
				return err
			})
			if got := l.b.port.Counts().Out; got < uint64(b.N) {
				b.Errorf("%d of %d frames were forwarded", got, b.N)
			}
		})
	}
}

// BenchmarkPut stores addresses by ones and by hundreds.
func BenchmarkPut(b *testing.B) {
	p := need(b)
	network := p.NewNetwork()
	defer p.FreeNetwork(network)
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("at once=%d", n), func(b *testing.B) {
			keys, entries := keysOf(network, n)
			defer p.Delete(keys)
			for range b.N {
				if err := p.Put(keys, entries); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/address")
		})
	}
}
