package stp

import "testing"

// FuzzReceive lets a bridge with four ports live through what the input says:
// frames of any bytes, BPDUs that make some sense, seconds that pass, ports and
// settings that change. Whatever comes, the bridge stays in a state that a
// bridge may be in, and its owner knows the states of its ports.
func FuzzReceive(f *testing.F) {
	for _, c := range bpdus {
		f.Add(append([]byte{0, 1, 60}, frameOf(f, c.hex)...))
	}
	f.Add([]byte{1, 1, 0x0e, 0x11, 1, 2, 0x0e, 0x12, 2, 2, 2, 1, 3, 0x7c, 0x81, 2, 3, 1, 3, 2, 2, 4, 5})
	f.Add([]byte{1, 1, 0x3c, 0x00, 1, 1, 0x3c, 0x31, 6, 1, 1, 0x79, 0x20, 7, 8, 9, 2, 5, 1, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRecorder()
		b, err := New(Config{Priority: DefaultPriority, MAC: testMAC}, r)
		if err != nil {
			t.Fatal(err)
		}
		for n, c := range []PortConfig{
			link, {PointToPoint: true, AutoEdge: true, RootGuard: true}, {}, {PointToPoint: true, AdminEdge: true},
		} {
			if err := b.AddPort(n+1, c); err != nil {
				t.Fatal(err)
			}
		}
		in := reader(script)
		for len(in) > 0 {
			step(b, &in)
			checkBridge(t, b)
			for _, p := range b.ports {
				if r.states[p.n] != p.state {
					t.Fatalf("port %d is %v, its owner knows %v", p.n, p.state, r.states[p.n])
				}
			}
			if t.Failed() {
				t.FailNow()
			}
		}
	})
}

// step does one thing that the input says.
func step(b *Bridge, in *reader) {
	op, n := in.octet()%10, int(in.octet()%6)
	switch op {
	case 0:
		b.Receive(n, in.octets(int(in.octet())))
	case 1, 2, 3:
		// A BPDU whose fields are likely to matter: few bridges, few costs.
		flags, who := in.octet(), in.octet()
		ids := [...]BridgeID{b.id, 0x1000_020000000009, 0x9000_020000000009, b.id &^ (0xf << 60)}
		m := bpdu{
			kind:   [...]kind{rstBPDU, rstBPDU, configBPDU, tcnBPDU}[who>>6],
			flags:  flags,
			vector: vector{ids[who&3], uint32(who >> 4 & 3), ids[who>>2&3], PortID(0x8000) + PortID(in.octet()%6)},
			times:  times{int(in.octet() % 24), 20, 2, 15},
		}
		var frame [frameSize]byte
		m.encode(&frame, testMAC)
		b.Receive(n, frame[:])
	case 4, 5:
		for range n {
			b.Tick()
		}
	case 6:
		b.EnablePort(n, in.octet()%2 == 0)
	case 7:
		x := in.octet()
		b.ConfigurePort(n, PortConfig{
			Cost: uint32(in.octet()), Priority: x & 0x30, PointToPoint: x&1 != 0, AutoEdge: x&2 != 0,
			AdminEdge: x&4 != 0, Guard: x&8 != 0, RootGuard: x&64 != 0,
		})
	case 8:
		x := in.octet()
		b.Configure(Config{Priority: uint16(x&3) << 12, MAC: testMAC, ForceSTP: x&4 != 0, HelloTime: int(x >> 3 & 3), TxHoldCount: int(x >> 5)})
	case 9:
		if in.octet()%4 == 0 {
			b.RemovePort(n)
			b.AddPort(n, link)
		}
	}
}

// reader gives octets, and zeros at the end.
type reader []byte

func (r *reader) octet() byte { return append(r.octets(1), 0)[0] }

func (r *reader) octets(n int) []byte {
	n = min(n, len(*r))
	b := (*r)[:n:n]
	*r = (*r)[n:]
	return b
}
