package snoop

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// kernelFrames reads testdata/kernel.txt.
func kernelFrames(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/kernel.txt")
	if err != nil {
		t.Fatal(err)
	}
	frames := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, digits, _ := strings.Cut(strings.TrimSpace(line), " ")
		if frames[name], err = hex.DecodeString(digits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if len(frames) < 20 {
		t.Fatalf("%d frames in testdata/kernel.txt", len(frames))
	}
	return frames
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func be16(n int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(n)) }

// list is addresses one behind the other.
func list(addresses ...string) (b []byte) {
	for _, a := range addresses {
		b = append(b, ip(a).AsSlice()...)
	}
	return b
}

// rec is a group record.
func rec(kind recordType, group string, sources ...string) []byte {
	return slicesOf([]byte{byte(kind), 0}, be16(len(sources)), list(group), list(sources...))
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// packet is what a frame is made of, before checksums and lengths are filled
// in; the tests break one thing at a time.
type packet struct {
	source, destination string
	ttl                 byte
	options             []byte // of IPv4, or the whole hop-by-hop header
	protocol            byte
	message             []byte // with its checksum 0
	tags                []byte
	padding             int
}

// alert4 and alert6 are Router Alert: RFC 2113, and RFC 2711 in its header.
var (
	alert4 = []byte{0x94, 4, 0, 0}
	alert6 = []byte{protocolICMPv6, 0, 5, 2, 0, 0, 1, 0}
)

// igmp is an IGMP message from a host or router to a group.
func igmp(source, destination string, message ...[]byte) packet {
	return packet{source: source, destination: destination, ttl: 1, options: alert4, protocol: protocolIGMP, message: slicesOf(message...)}
}

// mld is the same of MLD.
func mld(source, destination string, message ...[]byte) packet {
	return packet{source: source, destination: destination, ttl: 1, options: alert6, protocol: protocolHopByHop, message: slicesOf(message...)}
}

// frame makes the bytes.
func (p packet) frame() []byte {
	source, destination := ip(p.source).AsSlice(), ip(p.destination).AsSlice()
	m := bytes.Clone(p.message)
	if len(destination) == 4 {
		if len(m) >= 4 {
			binary.BigEndian.PutUint16(m[2:], ^uint16(sum(0, m)))
		}
		h := slicesOf([]byte{0x40 | byte(5+len(p.options)/4), 0xc0}, be16(20+len(p.options)+len(m)),
			[]byte{0, 0, 0, 0, p.ttl, p.protocol, 0, 0}, source, destination, p.options)
		binary.BigEndian.PutUint16(h[10:], ^uint16(sum(0, h)))
		mac := []byte{0x01, 0, 0x5e, destination[1] & 0x7f, destination[2], destination[3]}
		return slicesOf(mac, []byte{2, 0, 0, 0, 0, 1}, p.tags, be16(etherIPv4), h, m, make([]byte, p.padding))
	}
	if len(m) >= 4 {
		pseudo := slicesOf(source, destination, be16(0), be16(len(m)), be16(0), be16(protocolICMPv6))
		binary.BigEndian.PutUint16(m[2:], ^uint16(sum(sum(0, pseudo), m)))
	}
	h := slicesOf([]byte{0x60, 0, 0, 0}, be16(len(p.options)+len(m)), []byte{p.protocol, p.ttl}, source, destination, p.options)
	mac := slicesOf([]byte{0x33, 0x33}, destination[12:])
	return slicesOf(mac, []byte{2, 0, 0, 0, 0, 1}, p.tags, be16(etherIPv6), h, m, make([]byte, p.padding))
}

// The messages that the tests send most. Hosts are 10.0.0.9 and fe80::9,
// routers those named.

func report1(group string) []byte {
	return igmp("10.0.0.9", group, []byte{igmpReportV1, 0, 0, 0}, list(group)).frame()
}

func report2(group string) []byte {
	return igmp("10.0.0.9", group, []byte{igmpReportV2, 0, 0, 0}, list(group)).frame()
}

func leave2(group string) []byte {
	return igmp("10.0.0.9", "224.0.0.2", []byte{igmpLeave, 0, 0, 0}, list(group)).frame()
}

// query2 is a general query if group is 0.0.0.0; response is in tenths of a
// second.
func query2(router, group string, response byte) []byte {
	return igmp(router, "224.0.0.1", []byte{igmpQuery, response, 0, 0}, list(group)).frame()
}

// query3 is the same of IGMPv3. flags are S and QRV.
func query3(router, group string, response, flags, qqic byte, sources ...string) []byte {
	return igmp(router, "224.0.0.1", []byte{igmpQuery, response, 0, 0}, list(group), []byte{flags, qqic}, be16(len(sources)), list(sources...)).frame()
}

func report3(records ...[]byte) []byte {
	return igmp("10.0.0.9", "224.0.0.22", []byte{igmpReportV3, 0, 0, 0, 0, 0}, be16(len(records)), slicesOf(records...)).frame()
}

func mldReport(group string) []byte {
	return mld("fe80::9", group, []byte{mldReportV1, 0, 0, 0, 0, 0, 0, 0}, list(group)).frame()
}

func mldLeave(group string) []byte {
	return mld("fe80::9", "ff02::2", []byte{mldDone, 0, 0, 0, 0, 0, 0, 0}, list(group)).frame()
}

// mldAsk is a query of MLDv1; response is in milliseconds.
func mldAsk(router, group string, response int) []byte {
	return mld(router, "ff02::1", []byte{mldQuery, 0, 0, 0}, be16(response), be16(0), list(group)).frame()
}

func mldReport2(records ...[]byte) []byte {
	return mld("fe80::9", "ff02::16", []byte{mldReportV2, 0, 0, 0, 0, 0}, be16(len(records)), slicesOf(records...)).frame()
}
