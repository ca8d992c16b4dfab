package snoop

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// tagged puts VLAN tags with these ethertypes into a frame.
func tagged(frame []byte, ethers ...int) []byte {
	for _, e := range slices.Backward(ethers) {
		frame = slicesOf(frame[:12], be16(e), be16(5), frame[12:])
	}
	return frame
}

func otherEther(frame []byte, ether int) []byte {
	return slicesOf(frame[:12], be16(ether), frame[14:])
}

func TestControl(t *testing.T) {
	for name, f := range kernelFrames(t) {
		for _, tags := range [][]int{{}, {etherQ}, {etherAD}, {etherAD, etherQ}, {etherQ, etherQ}} {
			if !Control(tagged(f, tags...)) {
				t.Errorf("%s with tags %x: not seen", name, tags)
			}
		}
		if Control(tagged(f, etherAD, etherQ, etherQ)) {
			t.Errorf("%s with three tags: taken", name)
		}
		unicast := slices.Clone(f)
		unicast[0] = 2
		if Control(unicast) {
			t.Errorf("%s to a single station: taken", name)
		}
		for n := range f {
			Control(f[:n:n])
			Control(tagged(f, etherQ)[:n:n])
		}
	}
	udp := packet{source: "10.0.0.9", destination: "239.1.1.1", ttl: 1, protocol: 17, message: make([]byte, 8)}
	// A neighbour solicitation, and an echo request behind options.
	solicit := packet{source: "::", destination: "ff02::1:ff00:1", ttl: 255, protocol: protocolICMPv6, message: slicesOf([]byte{135, 0}, make([]byte, 22))}
	echo := mld("fe80::9", "ff02::1", []byte{128, 0}, make([]byte, 6))
	noAlert := mld("fe80::9", "ff05::1", []byte{mldReportV1, 0}, make([]byte, 6), list("ff05::1"))
	noAlert.options, noAlert.protocol = nil, protocolICMPv6
	options := mld("fe80::9", "ff05::1", []byte{mldReportV1, 0}, make([]byte, 6))
	options.options = []byte{17, 0, 5, 2, 0, 0, 1, 0}
	long := mld("fe80::9", "ff05::1")
	long.options = []byte{protocolICMPv6, 255, 5, 2, 0, 0, 1, 0}
	for _, c := range []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"IPv4 UDP", udp.frame(), false},
		{"neighbour solicitation", solicit.frame(), false},
		{"echo request with router alert", echo.frame(), false},
		{"MLD without router alert", noAlert.frame(), true},
		{"UDP behind options", options.frame(), false},
		{"options longer than the packet", long.frame(), false},
		{"unknown IGMP", igmp("10.0.0.9", "224.0.0.1", []byte{0x13, 0, 0, 0, 0, 0, 0, 0}).frame(), true},
		{"ARP", slicesOf([]byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6}, make([]byte, 46)), false},
		{"BPDU", slicesOf([]byte{1, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 38}, make([]byte, 46)), false},
		{"IPv4 to an address of IPv6", slicesOf([]byte{0x33, 0x33}, report2("239.1.1.1")[2:]), false},
		{"IPv6 to an address of IPv4", otherEther(report2("239.1.1.1"), etherIPv6), false},
		{"IPv4 in what looks like MLD", otherEther(mldReport("ff05::1:3"), etherIPv4), false},
		{"nothing", nil, false},
	} {
		if Control(c.frame) != c.want {
			t.Errorf("%s: want %v", c.name, c.want)
		}
	}
}

func TestLookupNoAllocation(t *testing.T) {
	h := newSwitch(t, 10)
	h.query()
	frame := report2("239.1.1.1")
	h.from(1, frame)
	mac := [6]byte{1, 0, 0x5e, 1, 1, 1}
	if n := testing.AllocsPerRun(1000, func() {
		Control(frame)
		h.tab.Lookup(1, mac)
		h.tab.Lookup(1, [6]byte{1, 0, 0x5e, 1, 1, 2})
		h.tab.Lookup(1, [6]byte{0x33, 0x33, 0, 1, 1, 2})
	}); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func BenchmarkControl(b *testing.B) {
	unicast := append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}, make([]byte, 1486)...)
	stream := packet{source: "10.0.0.9", destination: "239.1.1.1", ttl: 1, protocol: 17, message: make([]byte, 1000)}.frame()
	for _, c := range []struct {
		name  string
		frame []byte
	}{{"unicast", unicast}, {"multicast", stream}, {"tagged", tagged(stream, etherQ)}, {"igmp", report2("239.1.1.1")}, {"mld", mldReport("ff05::1")}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Control(c.frame)
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	for _, n := range []int{10, DefaultLimit} {
		tab := New(DefaultLimit, nil)
		start := time.Unix(1e9, 0)
		tab.Snoop(1, 7, query2("10.0.0.1", "0.0.0.0", 100), start)
		for i := range n {
			tab.Snoop(1, 1, report2(fmt.Sprintf("239.1.%d.%d", i>>8, i&255)), start)
		}
		tab.Tick(start.Add(10 * time.Second))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				j := i * 7919 % n
				tab.Lookup(1, [6]byte{1, 0, 0x5e, 1, byte(j >> 8), byte(j)})
			}
		})
	}
}
