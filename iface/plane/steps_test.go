package plane

import (
	"fmt"
	"strings"
	"testing"
)

// row is a frame that a's host sends, and what becomes of it. By default the two hosts are
// known at their ports.
type row struct {
	name    string
	prepare func(l *lab)
	a, b    Settings // without the network
	vlan    uint16   // of the entries
	tagged  bool     // b's
	tag     tag      // beside the bytes
	rest    []byte   // of the frame, behind the addresses; nil: IPv4
	gso     uint32
	want    string
	wantTag tag
}

// try tries rows, each with ports that are as new.
func try(t *testing.T, rows []row) {
	t.Helper()
	l := newLab(t)
	for _, r := range rows {
		for _, h := range []*host{l.a, l.b} {
			h.plane.maps.clear(h.port.slot)
			h.port.Revoke()
		}
		r.a.Network, r.b.Network = l.network, l.network
		l.a.know(r.vlan, r.a, false)
		l.b.know(r.vlan, r.b, r.tagged)
		if r.rest == nil {
			r.rest = []byte{8, 0, 0x45}
		}
		if r.prepare != nil {
			r.prepare(l)
		}
		data := l.a.frame(l.b.mac, r.rest...)
		got := l.run(data, r.tag, r.gso, false)
		want := result{what: r.want}
		switch r.want {
		case "forwarded":
			want.slot, want.tag, want.data = l.b.port.Slot(), r.wantTag, string(data)
		case "punted":
			want.data = string(data)
			if r.tag != 0 { // the tap has it in its place
				want.data = string(data[:12]) + string([]byte{byte(r.tag >> 24), byte(r.tag >> 16), byte(r.tag >> 8), byte(r.tag)}) + string(data[12:])
			}
		}
		if got != want {
			t.Errorf("%s: %v, want %v", r.name, got, want)
		}
		for _, vlan := range []uint16{r.vlan, 1, 2} {
			l.a.plane.Delete([]Key{l.a.key(l.network, vlan), l.b.key(l.network, vlan)})
		}
	}
}

const (
	tagC tag = 0x8100 << 16
	tagS tag = 0x88a8 << 16
)

func vlans(pvid, tpid uint16) Settings { return Settings{VLANs: true, PVID: pvid, TPID: tpid} }

// arrive and addresses.
func TestArrive(t *testing.T) {
	try(t, []row{
		{name: "all is known", want: "forwarded"},
		{name: "the port is not in force", prepare: func(l *lab) { l.a.port.Revoke() }, want: "punted"},
		{name: "the port is another's", prepare: func(l *lab) { l.a.port.Set(l.a.port.Mark()-1, Settings{}) }, want: "punted"},
		{name: "to all", prepare: func(l *lab) { l.b.mac = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }, want: "punted"},
	})
	// The address of a group is never looked up.
	l := newLab(t)
	l.b.mac[0] |= 1
	l.a.know(0, Settings{Network: l.network}, false)
	l.b.know(0, Settings{Network: l.network}, false)
	if got := l.run(l.a.frame(l.b.mac), 0, 0, false); got.what != "punted" {
		t.Errorf("to a group: %s", got.what)
	}
	if got := l.run([]byte("14 bytes long."), 0, 0, false); got.what != "punted" {
		t.Errorf("a header alone: %s", got.what)
	}
}

func TestClassify(t *testing.T) {
	a, b := vlans(1, 0x8100), vlans(1, 0x8100)
	try(t, []row{
		{name: "no VLANs", want: "forwarded"},
		{name: "no VLANs, but a tag", tag: tagC | 7, want: "forwarded", wantTag: tagC | 7},
		{name: "untagged", a: a, b: b, vlan: 1, want: "forwarded"},
		{name: "untagged, in a VLAN of tagged frames", a: a, b: b, vlan: 2, want: "punted"},
		{name: "untagged, and none is taken", a: vlans(0, 0x8100), b: b, want: "punted"},
		{name: "tagged", a: a, b: b, vlan: 2, tag: tagC | 2, want: "forwarded"},
		{name: "tagged with another", a: a, b: b, vlan: 2, tag: tagC | 3, want: "punted"},
		{name: "priority", a: a, b: b, vlan: 1, tag: tagC | 0xe000, want: "punted"},
		{name: "another tag is data", a: a, b: b, vlan: 1, tag: tagS | 2, want: "forwarded", wantTag: tagS | 2},
		{name: "another tag is data, whose VLAN is known", a: a, b: b, vlan: 2, tag: tagS | 2, want: "punted"},
		{name: "a service tag", a: vlans(1, 0x88a8), b: vlans(1, 0x88a8), vlan: 2, tag: tagS | 2, want: "forwarded"},
		{name: "the VLAN 4095", a: a, b: b, vlan: 2, tag: tagC | 0xfff, want: "punted"},
	})
}

func TestSource(t *testing.T) {
	forget := func(l *lab) { l.a.plane.Delete([]Key{l.a.key(l.network, 0)}) }
	put := func(change func(e *Entry, l *lab)) func(l *lab) {
		return func(l *lab) {
			e := Entry{Slot: l.a.port.Slot(), Mark: l.a.port.Mark()}
			change(&e, l)
			if err := l.a.plane.Put([]Key{l.a.key(l.network, 0)}, []Entry{e}); err != nil {
				t.Fatal(err)
			}
		}
	}
	try(t, []row{
		{name: "unknown", prepare: forget, want: "punted"},
		{name: "at another port", prepare: put(func(e *Entry, l *lab) { e.Slot = l.b.port.Slot() }), want: "punted"},
		{name: "of another mark", prepare: put(func(e *Entry, _ *lab) { e.Mark-- }), want: "punted"},
		{name: "known", prepare: put(func(*Entry, *lab) {}), want: "forwarded"},
		{name: "in another network", prepare: func(l *lab) {
			l.a.port.Set(l.a.port.Mark(), Settings{Network: l.network + 1})
		}, want: "punted"},
	})
}

func TestDestination(t *testing.T) {
	isolated := Settings{Isolated: true}
	try(t, []row{
		{name: "unknown", prepare: func(l *lab) { l.a.plane.Delete([]Key{l.b.key(l.network, 0)}) }, want: "punted"},
		{name: "at the same port", prepare: func(l *lab) {
			e := Entry{Slot: l.a.port.Slot(), Mark: l.a.port.Mark()}
			if err := l.a.plane.Put([]Key{l.b.key(l.network, 0)}, []Entry{e}); err != nil {
				t.Fatal(err)
			}
		}, want: "punted"},
		{name: "not in force", prepare: func(l *lab) { l.b.port.Revoke() }, want: "punted"},
		{name: "in force anew, the address not", prepare: func(l *lab) {
			l.b.port.Revoke()
			l.b.port.Set(l.b.port.Mark(), Settings{Network: l.network})
		}, want: "punted"},
		{name: "the port is another network's", prepare: func(l *lab) {
			l.b.port.Set(l.b.port.Mark(), Settings{Network: l.network + 1})
		}, want: "punted"},
		{name: "the entry has become one of another VLAN", prepare: func(l *lab) {
			k, v := l.b.key(l.network, 0), value{Slot: uint16(l.b.port.Slot()), Tag: 1, Mark: l.b.port.Mark()}
			if err := l.b.plane.maps.fdb.Put(&k, &v); err != nil {
				t.Fatal(err)
			}
		}, want: "punted"},
		{name: "both isolated", a: isolated, b: isolated, want: "punted"},
		{name: "the sender isolated", a: isolated, want: "forwarded"},
		{name: "the receiver isolated", b: isolated, want: "forwarded"},
	})
}

// ip makes what follows the addresses in a super-frame: an ethernet type, the bytes of
// headers that count for their lengths, and as many bytes as there are to be.
func ip(kind uint16, words, proto, doff byte, length int) []byte {
	b := make([]byte, length-12)
	b[0], b[1] = byte(kind>>8), byte(kind)
	at := 2 + int(words)*4
	if kind == typeIPv4 {
		b[2], b[2+ipv4Proto] = 0x40|words, proto
	} else {
		at = 2 + ipv6Len
		b[2], b[2+ipv6Next] = 0x60, proto
	}
	if at+tcpDoff < len(b) {
		b[at+tcpDoff] = doff << 4
	}
	return b
}

func TestSize(t *testing.T) {
	// A test cannot say what kind of super-frame it is, so the tap does not take it.
	const punted = "overrun"
	limits := func(device, network int) func(l *lab) {
		return func(l *lab) {
			l.a.port.SetLimits(0, network)
			l.b.port.SetLimits(device, 0)
		}
	}
	bytes := func(n int) []byte { return make([]byte, n-12) }
	rows := []row{
		{name: "as long as the device takes", prepare: limits(100, 0), rest: bytes(100), want: "forwarded"},
		{name: "longer than the device takes", prepare: limits(100, 0), rest: bytes(101), want: "punted"},
		{name: "as long as the network takes", prepare: limits(0, 100), rest: bytes(100), want: "forwarded"},
		{name: "longer than the network takes", prepare: limits(0, 100), rest: bytes(101), want: "punted"},
		{name: "the tag does not count for the device", prepare: limits(100, 0), rest: bytes(100), tag: tagC | 1, want: "forwarded", wantTag: tagC | 1},
		{name: "the tag counts for the network", prepare: limits(0, 103), rest: bytes(100), tag: tagC | 1, want: "punted"},
		{name: "with its tag as long as the network takes", prepare: limits(0, 104), rest: bytes(100), tag: tagC | 1, want: "forwarded", wantTag: tagC | 1},
		{name: "a super-frame of what is unknown", prepare: limits(1514, 0), rest: ip(0x88cc, 5, 6, 5, 3000), gso: 100, want: punted},
		{name: "a super-frame of what is unknown, short", prepare: limits(1514, 0), rest: ip(0x88cc, 5, 6, 5, 1514), gso: 100, want: "forwarded"},
	}
	for _, c := range []struct {
		name        string
		kind        uint16
		words       byte
		proto, doff byte
		header      int
	}{
		{"TCP, IPv4", typeIPv4, 5, protoTCP, 5, 14 + 20 + 20},
		{"TCP, IPv4 with options", typeIPv4, 15, protoTCP, 15, 14 + 60 + 60},
		{"UDP, IPv4", typeIPv4, 5, protoUDP, 0, 14 + 20 + 8},
		{"TCP, IPv6", typeIPv6, 0, protoTCP, 8, 14 + 40 + 32},
		{"UDP, IPv6", typeIPv6, 0, protoUDP, 0, 14 + 40 + 8},
		{"something else, IPv4", typeIPv4, 5, 132, 5, 0},
		{"an extension header, IPv6", typeIPv6, 5, 0, 5, 0},
	} {
		frame := ip(c.kind, c.words, c.proto, c.doff, 3000)
		if c.header == 0 {
			rows = append(rows, row{name: c.name, prepare: limits(1514, 0), rest: frame, gso: 100, want: punted})
			continue
		}
		most := uint32(1514 - c.header)
		rows = append(rows,
			row{name: c.name + ", as long as the device takes", prepare: limits(1514, 0), rest: frame, gso: most, want: "forwarded"},
			row{name: c.name + ", longer than the device takes", prepare: limits(1514, 0), rest: frame, gso: most + 1, want: punted},
			row{name: c.name + ", as long as the network takes", prepare: limits(0, 1518), rest: frame, gso: most, tag: tagC | 1, want: "forwarded", wantTag: tagC | 1},
			row{name: c.name + ", longer than the network takes", prepare: limits(0, 1517), rest: frame, gso: most, tag: tagC | 1, want: punted},
		)
	}
	try(t, rows)
}

func TestGate(t *testing.T) {
	waiting := func(punted, done, draining uint64) func(l *lab) {
		return func(l *lab) {
			l.a.port.order.punted.Store(punted)
			l.a.port.order.done.Store(done)
			l.a.port.order.draining.Store(draining)
		}
	}
	try(t, []row{
		{name: "none waits", prepare: waiting(7, 7, 0), want: "forwarded"},
		{name: "one waits", prepare: waiting(7, 6, 0), want: "punted"},
		{name: "2048 wait", prepare: waiting(2055, 7, 0), want: "punted"},
		{name: "too many wait", prepare: waiting(2056, 7, 0), want: "overrun"},
		{name: "one waits still", prepare: waiting(7, 6, 1), want: "overrun"},
		{name: "none waits any more", prepare: waiting(7, 7, 1), want: "forwarded"},
		{name: "more were carried than punted", prepare: waiting(7, 8, 0), want: "forwarded"},
	})
	// It drains until all are carried.
	l := newLab(t)
	l.a.know(0, Settings{Network: l.network}, false)
	l.b.know(0, Settings{Network: l.network}, false)
	known, unknown := l.a.frame(l.b.mac), l.a.frame([6]byte{2})
	for i, c := range []struct {
		frame   []byte
		carried int
		want    string
	}{
		{known, 0, "forwarded"}, {unknown, 0, "punted"}, {known, 0, "punted"},
		{known, 1, "punted"}, {known, 2, "forwarded"},
		{known, -patience - 1, "overrun"}, {known, patience, "overrun"}, {unknown, 0, "punted"},
		{known, 1, "overrun"}, {known, 1, "forwarded"}, {unknown, 0, "punted"}, {known, 0, "punted"},
	} {
		if c.carried >= 0 {
			l.a.port.Carried(c.carried)
		} else {
			l.a.port.order.punted.Add(uint64(-c.carried))
		}
		if got := l.run(c.frame, 0, 0, false); got.what != c.want {
			t.Errorf("frame %d was %s, want %s", i, got.what, c.want)
		}
	}
}

func TestTags(t *testing.T) {
	var rows []row
	for _, a := range []uint16{0x8100, 0x88a8} {
		for _, b := range []uint16{0x8100, 0x88a8} {
			own, other, out := tag(a)<<16, (tagC^tagS)^tag(a)<<16, tag(b)<<16
			for _, c := range []struct {
				name    string
				tagged  bool
				tag     tag
				wantTag tag
			}{
				{"untagged to untagged", false, 0, 0},
				{"untagged to tagged", true, 0, out | 5},
				{"tagged to untagged", false, own | 0xb005, 0},
				{"tagged to tagged", true, own | 0xb005, out | 0xb005},
				{"tagged as data to untagged", false, other | 7, other | 7},
			} {
				rows = append(rows, row{
					name: fmt.Sprintf("%#x to %#x: %s", a, b, c.name),
					a:    vlans(5, a), b: vlans(5, b), vlan: 5, tagged: c.tagged, tag: c.tag, want: "forwarded", wantTag: c.wantTag,
				})
			}
		}
	}
	try(t, rows)

	// A customer's tag goes into the frame when a service's is put on, and comes out again.
	l := newLab(t)
	l.a.know(5, Settings{Network: l.network, VLANs: true, PVID: 5, TPID: 0x88a8}, false)
	l.b.know(5, Settings{Network: l.network, VLANs: true, TPID: 0x88a8}, true)
	plain := l.a.frame(l.b.mac, 8, 0, 0x45)
	inside := plain[:12:12]
	inside = append(append(inside, 0x81, 0, 0x20, 7), plain[12:]...)
	if got := l.run(plain, tagC|0x2007, 0, false); got != (result{"forwarded", l.b.port.Slot(), tagS | 5, string(inside)}) {
		t.Errorf("a customer's tag is put inside: %v", got)
	}
	l.b.know(5, Settings{Network: l.network, VLANs: true, PVID: 5, TPID: 0x88a8}, false)
	if got := l.run(inside, tagS|5, 0, false); got != (result{"forwarded", l.b.port.Slot(), tagC | 0x2007, string(plain)}) {
		t.Errorf("a customer's tag comes out: %v", got)
	}
}

// forward counts frames with the tags that they have.
func TestForwardCounts(t *testing.T) {
	l := newLab(t)
	l.a.know(5, Settings{Network: l.network, VLANs: true, PVID: 5, TPID: 0x8100}, false)
	l.b.know(5, Settings{Network: l.network, VLANs: true, TPID: 0x8100}, true)
	l.run(l.a.frame(l.b.mac), 0, 0, false)
	l.run(l.a.frame(l.b.mac), tagC|5, 0, false)
	l.a.wantCounts(Counts{In: 2, InBytes: 60 + 64})
	l.b.wantCounts(Counts{Out: 2, OutBytes: 64 + 64})
}

// What the tap does not take was not punted, and is counted.
func TestOverrun(t *testing.T) {
	l := newLab(t)
	var want Counts
	for range tapQueue + 10 {
		l.a.send(l.a.frame(l.b.mac))
	}
	want.Overrun, want.OverrunBytes = 10, 600
	l.a.wantCounts(want)
	if punted := l.a.port.order.punted.Load(); punted != tapQueue {
		t.Errorf("%d were punted", punted)
	}
}

// What the process sends goes to its host, whatever it is.
func TestSent(t *testing.T) {
	l := newLab(t)
	for _, data := range []string{strings.Repeat("a", 60), strings.Repeat("\xff", 14)} {
		if got := l.run([]byte(data), tagC|3, 0, true); got != (result{"forwarded", l.a.port.Slot(), tagC | 3, data}) {
			t.Error(got)
		}
	}
	if _, sent := l.a.port.sum(); sent != 2 {
		t.Errorf("%d were sent", sent)
	}
	l.a.wantCounts(Counts{Lost: 0})
}
