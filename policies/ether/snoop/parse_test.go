package snoop

import (
	"fmt"
	"strings"
	"testing"
)

// describe says in one line what parse found.
func describe(m *message) string {
	var b strings.Builder
	switch m.kind {
	case other:
		return "other"
	case query:
		fmt.Fprintf(&b, "query v%d %s %s in %s", m.version, m.source, m.group, m.response)
		if m.robustness != 0 || m.interval != 0 {
			fmt.Fprintf(&b, " QRV %d QQI %s", m.robustness, m.interval)
		}
		if m.suppress {
			b.WriteString(" S")
		}
		for a := range addresses(m.sources, m.v6) {
			fmt.Fprintf(&b, " %s", a)
		}
	case advertisement:
		fmt.Fprintf(&b, "advertisement %s every %s", m.source, m.interval)
	case report:
		fmt.Fprintf(&b, "report v%d", m.version)
		one := func(r *record) {
			fmt.Fprintf(&b, " %d %s", r.kind, r.group)
			for a := range addresses(r.sources, m.v6) {
				fmt.Fprintf(&b, " %s", a)
			}
		}
		if m.records == nil {
			one(&m.record)
		}
		for rest := m.records; len(rest) > 0; {
			var r record
			r, rest, _ = nextRecord(rest, size(m.v6))
			one(&r)
		}
	}
	return b.String()
}

// What Linux sends means what it meant by it.
func TestKernel(t *testing.T) {
	want := map[string]string{
		"igmp1-report":              "report v1 2 239.1.2.1",
		"igmp2-report":              "report v2 2 239.1.2.2",
		"igmp2-leave":               "report v2 3 239.1.2.2",
		"igmp3-join":                "report v3 4 239.1.2.3",
		"igmp3-leave":               "report v3 3 239.1.2.3",
		"igmp3-allow-1":             "report v3 5 232.1.2.3 10.0.0.1",
		"igmp3-allow-2":             "report v3 5 232.1.2.3 10.0.0.2",
		"igmp3-block-1":             "report v3 6 232.1.2.3 10.0.0.1",
		"igmp3-block-2":             "report v3 6 232.1.2.3 10.0.0.2",
		"igmp2-query":               "query v2 10.9.0.1 0.0.0.0 in 10s",
		"igmp2-query-group":         "query v2 10.9.0.1 239.1.2.9 in 1s",
		"igmp3-query":               "query v3 10.9.0.1 0.0.0.0 in 10s QRV 2 QQI 2m5s",
		"igmp3-query-group":         "query v3 10.9.0.1 239.1.2.9 in 1s QRV 2 QQI 2m5s",
		"mld1-report":               "report v1 2 ff0e::1:1",
		"mld1-done":                 "report v1 3 ff0e::1:1",
		"mld2-join":                 "report v2 4 ff0e::1:2",
		"mld2-leave":                "report v2 3 ff0e::1:2",
		"mld2-join-unspecified":     "report v2 4 ff02::1:ff00:a",
		"mld2-join-solicited":       "report v2 4 ff02::1:ff00:a",
		"mld2-two-records":          "report v2 4 ff02::1:ff00:b 4 ff02::6a",
		"mld1-query":                "query v1 fe80::ff:fe00:b :: in 10s",
		"mld1-query-group":          "query v1 fe80::ff:fe00:b ff0e::1:9 in 1s",
		"mld2-query":                "query v2 fe80::ff:fe00:b :: in 10s QRV 2 QQI 2m5s",
		"mld2-query-group":          "query v2 fe80::ff:fe00:b ff0e::1:9 in 1s QRV 2 QQI 2m5s",
		"mld2-query-group-suppress": "query v2 fe80::ff:fe00:b ff0e::1:9 in 1s QRV 2 QQI 2m5s S",
	}
	for name, f := range kernelFrames(t) {
		m, ok := parse(f)
		if got := describe(&m); !ok || got != want[name] {
			t.Errorf("%s: %v %q, want %q", name, ok, got, want[name])
		}
		// As on the wire: padded to 60 bytes, tagged.
		m, ok = parse(append(tagged(f, etherAD, etherQ), make([]byte, 20)...))
		if got := describe(&m); !ok || got != want[name] {
			t.Errorf("%s tagged and padded: %v %q", name, ok, got)
		}
	}
}

// A frame of which any bit is wrong that a checksum covers is not used, and
// one that was cut off neither.
func TestEveryBit(t *testing.T) {
	for name, f := range kernelFrames(t) {
		for i := headerEthernet * 8; i < len(f)*8; i++ {
			byteAt := i / 8
			if f[12] == 0x86 && (byteAt < 14+8 || byteAt >= 14+40 && byteAt < 14+48) {
				continue // of IPv6 header and options the checksum has the addresses
			}
			f[byteAt] ^= 1 << (i % 8)
			if m, ok := parse(f); ok && m.kind != other {
				t.Errorf("%s with bit %d of byte %d wrong: %s", name, i%8, byteAt, describe(&m))
			}
			f[byteAt] ^= 1 << (i % 8)
		}
		for n := range f {
			if m, ok := parse(f[:n:n]); ok && m.kind != other {
				t.Errorf("the first %d bytes of %s: %s", n, name, describe(&m))
			}
		}
	}
}

// TestRules has messages with right checksums: what the RFCs say of each.
func TestRules(t *testing.T) {
	const bad = "bad"
	edit := func(p packet, f func(*packet)) packet { p.message = slicesOf(p.message); f(&p); return p }
	query := igmp("10.0.0.1", "224.0.0.1", []byte{igmpQuery, 100, 0, 0, 0, 0, 0, 0})
	join := igmp("10.0.0.9", "239.1.1.1", []byte{igmpReportV2, 0, 0, 0, 239, 1, 1, 1})
	ask := mld("fe80::1", "ff02::1", []byte{mldQuery, 0, 0, 0, 0x27, 0x10, 0, 0}, list("::"))
	join6 := mld("fe80::9", "ff05::1:3", []byte{mldReportV1, 0, 0, 0, 0, 0, 0, 0}, list("ff05::1:3"))
	v3 := func(tail ...byte) packet {
		return igmp("10.0.0.1", "224.0.0.1", []byte{igmpQuery, 100, 0, 0, 0, 0, 0, 0}, tail)
	}
	records := func(n int, b ...[]byte) packet {
		return igmp("10.0.0.9", "224.0.0.22", []byte{igmpReportV3, 0, 0, 0, 0, 0}, be16(n), slicesOf(b...))
	}
	records6 := func(n int, b ...[]byte) packet {
		return mld("fe80::9", "ff02::16", []byte{mldReportV2, 0, 0, 0, 0, 0}, be16(n), slicesOf(b...))
	}
	for _, c := range []struct {
		name   string
		packet packet
		want   string
	}{
		// RFC 1112, appendix I; RFC 2236, 2.
		{"v1 query", edit(query, func(p *packet) { p.message = []byte{igmpQuery, 0, 0, 0, 0, 0, 0, 0} }), "query v1 10.0.0.1 0.0.0.0 in 10s"},
		{"v1 has no group", edit(query, func(p *packet) { p.message = []byte{igmpQuery, 0, 0, 0, 239, 1, 1, 1} }), "query v1 10.0.0.1 0.0.0.0 in 10s"},
		{"v2 report with more behind", edit(join, func(p *packet) { p.message = append(p.message, 1, 2, 3) }), "report v2 2 239.1.1.1"},
		{"no router alert", edit(join, func(p *packet) { p.options = nil }), "report v2 2 239.1.1.1"},
		{"TTL 2", edit(join, func(p *packet) { p.ttl = 2 }), bad},
		{"TTL 0", edit(query, func(p *packet) { p.ttl = 0 }), bad},
		{"from nobody yet", edit(join, func(p *packet) { p.source = "0.0.0.0" }), "report v2 2 239.1.1.1"},
		{"from a group", edit(join, func(p *packet) { p.source = "224.0.0.5" }), bad},
		{"from everybody", edit(join, func(p *packet) { p.source = "255.255.255.255" }), bad},
		{"from 127.0.0.1", edit(join, func(p *packet) { p.source = "127.0.0.1" }), bad},
		{"report of no group", edit(join, func(p *packet) { p.message = []byte{igmpReportV2, 0, 0, 0, 10, 0, 0, 1} }), bad},
		{"leave of no group", edit(join, func(p *packet) { p.message = []byte{igmpLeave, 0, 0, 0, 0, 0, 0, 0} }), bad},
		{"query of no group", edit(query, func(p *packet) { p.message = []byte{igmpQuery, 10, 0, 0, 10, 0, 0, 1} }), bad},
		{"short", edit(query, func(p *packet) { p.message = []byte{igmpQuery, 10, 0, 0, 0, 0, 0} }), bad},
		{"other protocol", edit(query, func(p *packet) { p.protocol = 17 }), "other"},
		// RFC 4541, 2.1.1 (3): no look behind the IP header.
		{"DVMRP", igmp("10.0.0.1", "224.0.0.4", []byte{0x13, 1, 0, 0, 0, 0, 0, 0}), "other"},
		{"TTL of an unknown message", edit(igmp("10.0.0.1", "224.0.0.4", []byte{0x1f, 1, 0, 0, 0, 0, 0, 0}), func(p *packet) { p.ttl = 9 }), "other"},
		// RFC 9776, 4.1 and 7.1.
		{"general query elsewhere", edit(query, func(p *packet) { p.destination = "224.0.0.2" }), bad},
		{"9 bytes", v3(0), bad},
		{"11 bytes", v3(0, 0, 0), bad},
		{"12 bytes", v3(0, 0, 0, 0), "query v3 10.0.0.1 0.0.0.0 in 10s"},
		{"QRV and QQIC", v3(7, 127, 0, 0), "query v3 10.0.0.1 0.0.0.0 in 10s QRV 7 QQI 2m7s"},
		{"QQIC as a floating point number", v3(7, 0x80, 0, 0), "query v3 10.0.0.1 0.0.0.0 in 10s QRV 7 QQI 2m8s"},
		{"largest QQIC", v3(7, 0xff, 0, 0), "query v3 10.0.0.1 0.0.0.0 in 10s QRV 7 QQI 8h49m4s"},
		{"Max Resp Code as one", edit(v3(0, 0, 0, 0), func(p *packet) { p.message[1] = 0xaf }), "query v3 10.0.0.1 0.0.0.0 in 1m39.2s"},
		{"source that is not there", v3(0, 0, 0, 1), bad},
		{"sources of a general query", v3(0, 0, 0, 1, 10, 0, 0, 5), bad},
		{"group and source", edit(v3(8, 0, 0, 1, 10, 0, 0, 5), func(p *packet) { copy(p.message[4:], []byte{239, 1, 1, 1}) }), "query v3 10.0.0.1 239.1.1.1 in 10s S 10.0.0.5"},
		// RFC 9776, 4.2.
		{"no record", records(0), "report v3"},
		{"record that is not there", records(2, rec(1, "239.1.1.1")), bad},
		{"more than the records", records(1, rec(2, "239.1.1.1"), []byte{9, 9, 9}), "report v3 2 239.1.1.1"},
		{"sources that are not there", records(1, []byte{1, 0, 255, 255, 239, 1, 1, 1}), bad},
		{"auxiliary data", records(2, []byte{1, 2, 0, 1, 239, 1, 1, 1, 10, 0, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8}, rec(4, "239.1.1.2")), "report v3 1 239.1.1.1 10.0.0.5 4 239.1.1.2"},
		{"auxiliary data that is not there", records(1, []byte{1, 2, 0, 0, 239, 1, 1, 1, 1, 2, 3, 4}), bad},
		{"record of no group", records(2, rec(4, "239.1.1.2"), rec(4, "10.0.0.1")), bad},
		// RFC 4286.
		{"advertisement", igmp("10.0.0.1", "224.0.0.106", []byte{igmpAdvertisement, 20, 0, 0, 0, 125, 0, 2}), "advertisement 10.0.0.1 every 20s"},
		{"MLD advertisement", mld("fe80::1", "ff02::6a", []byte{mldAdvertisement, 20, 0, 0, 0, 125, 0, 2}), "advertisement fe80::1 every 20s"},

		// RFC 2710, 3; RFC 9777, 5, 6.2 and 7.4.
		{"MLD query", ask, "query v1 fe80::1 :: in 10s"},
		{"MLD report", join6, "report v1 2 ff05::1:3"},
		{"hop limit 2", edit(join6, func(p *packet) { p.ttl = 2 }), bad},
		{"no options", edit(join6, func(p *packet) { p.options, p.protocol = nil, protocolICMPv6 }), bad},
		{"options without router alert", edit(join6, func(p *packet) { p.options = []byte{protocolICMPv6, 0, 1, 4, 0, 0, 0, 0} }), bad},
		{"router alert of RSVP", edit(join6, func(p *packet) { p.options = []byte{protocolICMPv6, 0, 5, 2, 0, 1, 1, 0} }), bad},
		{"router alert of 4 bytes", edit(join6, func(p *packet) { p.options = []byte{protocolICMPv6, 0, 5, 4, 0, 0, 0, 0} }), bad},
		{"router alert behind others", edit(join6, func(p *packet) {
			p.options = []byte{protocolICMPv6, 1, 0, 0, 1, 3, 0, 0, 0, 5, 2, 0, 0, 1, 1, 0}
		}), "report v1 2 ff05::1:3"},
		{"router alert behind one byte of padding", edit(join6, func(p *packet) {
			p.options = []byte{protocolICMPv6, 1, 0, 1, 3, 0, 0, 0, 5, 2, 0, 0, 1, 2, 0, 0}
		}), "report v1 2 ff05::1:3"},
		{"echo request", edit(ask, func(p *packet) { p.message[0] = 128 }), bad},
		{"option beyond the end", edit(join6, func(p *packet) { p.options = []byte{protocolICMPv6, 0, 1, 9, 5, 2, 0, 0} }), bad},
		{"report from nobody yet", edit(join6, func(p *packet) { p.source = "::" }), "report v1 2 ff05::1:3"},
		{"report from far away", edit(join6, func(p *packet) { p.source = "2001:db8::9" }), bad},
		{"query from far away", edit(ask, func(p *packet) { p.source = "2001:db8::1" }), bad},
		{"query from nobody", edit(ask, func(p *packet) { p.source = "::" }), "query v1 :: :: in 10s"},
		{"MLD general query elsewhere", edit(ask, func(p *packet) { p.destination = "ff02::2" }), bad},
		{"23 bytes", edit(ask, func(p *packet) { p.message = p.message[:23] }), bad},
		{"27 bytes", edit(ask, func(p *packet) { p.message = append(p.message, 0, 0, 0) }), bad},
		{"28 bytes", edit(ask, func(p *packet) { p.message = append(p.message, 2, 125, 0, 0) }), "query v2 fe80::1 :: in 10s QRV 2 QQI 2m5s"},
		{"Maximum Response Code as a floating point number", edit(ask, func(p *packet) {
			p.message = append(p.message, 2, 125, 0, 0)
			p.message[4], p.message[5] = 0x90, 0x01
		}), "query v2 fe80::1 :: in 1m5.552s QRV 2 QQI 2m5s"},
		{"MLD source that is not there", edit(ask, func(p *packet) { p.message = append(p.message, 2, 125, 0, 1) }), bad},
		{"MLD group and source", mld("fe80::1", "ff05::1:3", []byte{mldQuery, 0, 0, 0, 0, 100, 0, 0}, list("ff05::1:3"), []byte{2, 125, 0, 1}, list("2001:db8::5")), "query v2 fe80::1 ff05::1:3 in 100ms QRV 2 QQI 2m5s 2001:db8::5"},
		{"MLD sources of a general query", edit(ask, func(p *packet) { p.message = slicesOf(p.message, []byte{2, 125, 0, 1}, list("2001:db8::5")) }), bad},
		{"MLD query of no group", mld("fe80::1", "ff02::1", []byte{mldQuery, 0, 0, 0, 0, 0, 0, 0}, list("fe80::5")), bad},
		{"MLD report of no group", mld("fe80::9", "ff02::1", []byte{mldReportV1, 0, 0, 0, 0, 0, 0, 0}, list("::")), bad},
		{"MLD done of no group", mld("fe80::9", "ff02::2", []byte{mldDone, 0, 0, 0, 0, 0, 0, 0}, list("fe80::5")), bad},
		{"MLD records", records6(2, rec(1, "ff05::1", "2001:db8::5"), rec(6, "ff05::2")), "report v2 1 ff05::1 2001:db8::5 6 ff05::2"},
		{"MLD record that is not there", records6(2, rec(1, "ff05::1")), bad},
		{"MLD record of no group", records6(1, rec(1, "2001:db8::1")), bad},
	} {
		m, ok := parse(c.packet.frame())
		got := bad
		if ok {
			got = describe(&m)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Headers whose lengths or versions lie, with a right checksum.
func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int // in the IPv4 header
		set  []byte
		want string
	}{
		{"version 5", 0, []byte{0x56}, "bad"},
		{"header of 4 words", 0, []byte{0x44}, "bad"},
		{"header longer than the packet", 0, []byte{0x4f}, "bad"},
		{"total below the header", 2, []byte{0, 23}, "bad"},
		{"total without a message", 2, []byte{0, 24}, "bad"},
		{"total beyond the frame", 2, []byte{0, 33}, "bad"},
		{"more fragments", 6, []byte{0x20, 0}, "other"},
		{"a later fragment", 6, []byte{0, 1}, "other"},
		{"do not fragment", 6, []byte{0x40, 0}, "report v2 2 239.1.1.1"},
	} {
		f := report2("239.1.1.1")
		h := f[headerEthernet : headerEthernet+24]
		copy(h[c.at:], c.set)
		h[10], h[11] = 0, 0
		n := min(int(h[0]&0xf)*4, len(f)-headerEthernet)
		copy(h[10:], be16(int(^uint16(sum(0, f[headerEthernet:headerEthernet+n])))))
		m, ok := parse(f)
		got := "bad"
		if ok {
			got = describe(&m)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	f := mldReport("ff05::1")
	for _, c := range []struct {
		at  int
		set byte
	}{{0, 0x50}, {5, 33}, {5, 0}} { // version, payload length
		g := slicesOf(f)
		g[headerEthernet+c.at] = c.set
		if _, ok := parse(g); ok {
			t.Errorf("IPv6 with byte %d set to %#x is taken", c.at, c.set)
		}
	}
}

// RFC 1071, section 3, and an odd length.
func TestSum(t *testing.T) {
	b := []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}
	if got := sum(0, b); got != 0xddf2 {
		t.Errorf("sum %#x, want 0xddf2", got)
	}
	if got := sum(0xffff, b[:3]); got != 0xf201 {
		t.Errorf("sum %#x, want 0xf201", got)
	}
}
