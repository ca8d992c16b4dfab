package bus_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// router is a policy that routes between two ports, each in a VLAN of its own:
// what comes for the MAC address whose last byte is 1 leaves by the other port
// for its host, with the tag of its VLAN. The rest it drops.
type router struct {
	ports [2]*bus.Port
	edits [2]frame.Edit // to the port
	asked atomic.Int64
}

func (r *router) forward(_ *script, in policy.Port, f *frame.Frame, out *policy.Egress) {
	r.asked.Add(1)
	to := 0
	if in == r.ports[0] {
		to = 1
	}
	switch hops, ok := vnet.HopLimit(f.Data()); {
	case !ok || f.Data()[5] != 1:
		out.Drop(frame.DropFiltered)
	case hops <= 1:
		out.Drop(frame.DropMalformed) // a real one tells the sender (RFC 1812, 5.3.1)
	default:
		out.AddEdited(r.ports[to], r.edits[to])
	}
}

// Two hosts talk through a router: each gets exact bytes, whole or cut as it
// can take them, and a mirror the frames as they were sent.
func TestRoute(t *testing.T) {
	const vlan0, vlan1 = 0x8100_0064, 0x8100_00c8
	for what, c := range map[string]struct{ offload, block, queue bool }{
		"super-frames":            {offload: true},
		"cut":                     {},
		"super-frames that queue": {offload: true, queue: true},
		"cut ones that queue":     {queue: true},
		"senders wait":            {offload: true, block: true},
	} {
		r := &router{edits: [2]frame.Edit{
			{Strip: 1, Push: vlan0, Rewrite: &frame.Rewrite{Dst: [6]byte{2, 0, 0, 0, 0, 0xa0}, Src: [6]byte{2, 0, 0, 0, 0, 1}, HopLimit: true}},
			{Strip: 1, Push: vlan1, Rewrite: &frame.Rewrite{Dst: [6]byte{2, 0, 0, 0, 0, 0xa1}, Src: [6]byte{2, 0, 0, 0, 1, 1}, HopLimit: true}},
		}}
		s := script{forward: r.forward}
		l := s.lab(t)
		set(t, l, func(s *bus.Settings) {
			s.Queue = bus.MaxQueue
			if c.block {
				s.Overflow = bus.BlockSender
			}
		})
		takes := -1
		if c.queue {
			takes = 0
		}
		var conns [2]*bus.Conn
		var hosts [2]*bustest.Taper
		for i := range hosts {
			hosts[i] = bustest.NewTaper(takes)
			conns[i] = l.JoinAs(t, hosts[i], bus.JoinOptions{Recv: true, Send: true, Offload: c.offload})
			r.ports[i] = conns[i].Port()
		}
		watcher := bustest.NewTaper(takes)
		watch := l.JoinAs(t, watcher, bus.JoinOptions{Recv: true, Offload: true})
		mirrorOf(t, l, watch.Port().Number(), r.ports[0].Number())

		var sent, routed [][]byte
		for _, tag := range []uint32{vlan0, vlan1} {
			for _, v6 := range []bool{false, true} {
				for _, s := range []bustest.Super{{Payload: 60}, {Payload: 4500, Size: 1400}, {Payload: 999, Size: 100, UDP: true}} {
					s.V6, s.To, s.Tags = v6, 2, []uint32{tag}
					raw := s.Raw()
					if ip := raw[vnet.HeaderLen+18:]; !v6 {
						binary.BigEndian.PutUint16(ip[10:], ^ipv4Sum(ip))
					}
					sent = append(sent, raw, bustest.WithHeader(vnet.Header{}, bustest.Complete(raw)[0]))
				}
			}
		}
		routed = slices.Clone(sent)
		last := bytes.Clone(sent[0]) // its last hop was the router
		last[vnet.HeaderLen+4+14+8] = 1
		stranger := bytes.Clone(sent[0]) // it is not for the router
		stranger[vnet.HeaderLen+5] = 9
		sent = append(sent, last, stranger, bustest.WithHeader(vnet.Header{}, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 1}))

		for i, from := range conns {
			var b bus.Batch
			lent := bustest.SetVnet(&b, sent...)
			if n := from.Send(&b); !c.block && n != len(sent) {
				t.Fatalf("%s: %d of %d frames went", what, n, len(sent))
			}
			b.Reset()
			if !slices.EqualFunc(lent, sent, bytes.Equal) {
				t.Errorf("%s: the sender's frames were changed", what)
			}
			to := listener{Taper: hosts[1-i], conn: conns[1-i], offload: c.offload, edit: r.edits[1-i], takes: takes}
			to.Take(-1)
			to.wantRaws(t, routed, c.block)
			for _, shape := range to.Shapes() {
				if ip := shape.Data[18:]; ip[0]>>4 == 4 && ipv4Sum(ip) != 0xffff {
					t.Errorf("%s: a frame has a wrong checksum of IPv4: % x", what, ip[:20])
				}
			}
		}
		mirrored := listener{Taper: watcher, conn: watch, offload: true, takes: takes}
		mirrored.Take(-1)
		mirrored.wantRaws(t, slices.Concat(sent, routed), c.block)
		if r.asked.Load() < int64(2*len(sent)) {
			t.Errorf("%s: the policy was asked for %d frames of %d", what, r.asked.Load(), 2*len(sent))
		}
		if d := l.Net.Stats().Barred; d[frame.DropFiltered] != 4 || d[frame.DropMalformed] != 2 {
			t.Errorf("%s: dropped are %v", what, d)
		}
	}
}

// ipv4Sum is the sum of an IPv4 header; 0xffff if its checksum is right.
func ipv4Sum(ip []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < 4*int(ip[0]&0xf); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	return uint16(sum>>16 + sum&0xffff)
}
