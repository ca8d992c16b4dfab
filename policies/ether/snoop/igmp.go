package snoop

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Types of IGMP messages. Those of multicast router discovery are RFC 4286's.
const (
	igmpQuery         = 0x11
	igmpReportV1      = 0x12
	igmpReportV2      = 0x16
	igmpLeave         = 0x17
	igmpReportV3      = 0x22
	igmpAdvertisement = 0x30
)

var (
	allHosts  = netip.AddrFrom4([4]byte{224, 0, 0, 1})
	broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// parseIPv4 reads an IPv4 packet with IGMP. Router Alert is not asked for:
// IGMPv1 has none, and RFC 2236 and 9776 tell only the sender to put it there.
func parseIPv4(ip []byte) (m message, ok bool) {
	if len(ip) < headerIPv4 || ip[0]>>4 != 4 {
		return m, false
	}
	header, total := int(ip[0]&0xf)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if header < headerIPv4 || total < header || total > len(ip) || sum(0, ip[:header]) != 0xffff {
		return m, false
	}
	if ip[9] != protocolIGMP || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
		return m, true // of a fragment nothing can be checked
	}
	source, destination := address(ip[12:16]), address(ip[16:20])
	if source.IsMulticast() || source.IsLoopback() || source == broadcast {
		return m, false
	}
	b := ip[header:total]
	if len(b) < 8 {
		return m, false
	}
	switch b[0] {
	case igmpQuery, igmpReportV1, igmpReportV2, igmpLeave, igmpReportV3, igmpAdvertisement:
	default:
		return m, true
	}
	if ip[8] != 1 || sum(0, b) != 0xffff {
		return m, false
	}
	m.source = source
	return m, m.readIGMP(b, destination)
}

// readIGMP reads an IGMP message of a type that is known, at least 8 bytes.
func (m *message) readIGMP(b []byte, destination netip.Addr) bool {
	group := address(b[4:8])
	join := func(version uint8, kind recordType) bool {
		m.kind, m.version = report, version
		m.record = record{group: group, kind: kind}
		return group.IsMulticast()
	}
	switch b[0] {
	// RFC 9776, 7.3.2, says which records stand for the older messages.
	case igmpReportV1:
		return join(1, isExclude)
	case igmpReportV2:
		return join(2, isExclude)
	case igmpLeave:
		return join(2, toInclude)
	case igmpReportV3:
		m.kind, m.version = report, 3
		var ok bool
		m.records, ok = checkRecords(b[8:], int(binary.BigEndian.Uint16(b[6:])), 4)
		return ok
	case igmpAdvertisement:
		m.kind = advertisement
		m.interval = time.Duration(b[1]) * time.Second
		return true
	}
	m.kind, m.group = query, group
	switch { // RFC 9776, 7.1
	case len(b) == 8 && b[1] == 0:
		m.version, m.response = 1, 10*time.Second
		m.group = netip.IPv4Unspecified()
	case len(b) == 8:
		m.version, m.response = 2, time.Duration(b[1])*100*time.Millisecond
	case len(b) >= 12:
		m.version = 3
		m.response = time.Duration(exponential(uint32(b[1]), 4)) * 100 * time.Millisecond
		m.querierValues(b[8], b[9])
		n := int(binary.BigEndian.Uint16(b[10:])) * 4
		if len(b) < 12+n {
			return false
		}
		m.sources = b[12 : 12+n]
	default:
		return false
	}
	if m.group.IsUnspecified() { // RFC 9776, 4.1.12
		return destination == allHosts && len(m.sources) == 0
	}
	return m.group.IsMulticast()
}
