package snoop

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Types of ICMPv6 messages that are MLD, or RFC 4286's router discovery.
const (
	mldQuery         = 130
	mldReportV1      = 131
	mldDone          = 132
	mldReportV2      = 143
	mldAdvertisement = 151
)

var allNodes = netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x01})

func isMLD(kind byte) bool {
	switch kind {
	case mldQuery, mldReportV1, mldDone, mldReportV2, mldAdvertisement:
		return true
	}
	return false
}

// parseIPv6 reads an IPv6 packet with MLD and makes the checks of RFC 9777,
// 6.2 and 7.4: link-local source, hop limit 1, Router Alert. The unspecified
// source is allowed as RFC 4541, section 3, says.
func parseIPv6(ip []byte) (m message, ok bool) {
	if len(ip) < headerIPv6 || ip[0]>>4 != 6 {
		return m, false
	}
	length := int(binary.BigEndian.Uint16(ip[4:]))
	if length > len(ip)-headerIPv6 {
		return m, false
	}
	options, b := icmpv6(ip[:headerIPv6+length])
	if len(b) < 8 || !isMLD(b[0]) || ip[7] != 1 || !routerAlert(options) {
		return m, false
	}
	pseudo := sum(uint32(len(b))+protocolICMPv6, ip[8:40]) // RFC 8200, 8.1
	if sum(pseudo, b) != 0xffff {
		return m, false
	}
	m.v6, m.source = true, address(ip[8:24])
	if !m.source.IsLinkLocalUnicast() && !m.source.IsUnspecified() {
		return m, false
	}
	return m, m.readMLD(b, address(ip[24:40]))
}

// routerAlert tells whether a hop-by-hop header has that option with the
// value for MLD (RFC 2711).
func routerAlert(options []byte) bool {
	if len(options) < 8 {
		return false
	}
	for o := options[2:]; len(o) >= 2; {
		if o[0] == 0 { // Pad1
			o = o[1:]
			continue
		}
		n := 2 + int(o[1])
		if len(o) < n {
			return false
		}
		if o[0] == 5 && n == 4 {
			return o[2] == 0 && o[3] == 0
		}
		o = o[n:]
	}
	return false
}

// readMLD reads an MLD message of at least 8 bytes.
func (m *message) readMLD(b []byte, destination netip.Addr) bool {
	switch b[0] {
	case mldReportV2:
		m.kind, m.version = report, 2
		var ok bool
		m.records, ok = checkRecords(b[8:], int(binary.BigEndian.Uint16(b[6:])), 16)
		return ok
	case mldAdvertisement:
		m.kind = advertisement
		m.interval = time.Duration(b[1]) * time.Second
		return true
	}
	if len(b) < 24 {
		return false
	}
	m.version, m.group = 1, address(b[8:24])
	switch b[0] {
	// RFC 9777, 8.3.2, says which records stand for the older messages.
	case mldReportV1:
		m.kind, m.record = report, record{group: m.group, kind: isExclude}
		return m.group.IsMulticast()
	case mldDone:
		m.kind, m.record = report, record{group: m.group, kind: toInclude}
		return m.group.IsMulticast()
	}
	m.kind = query
	code := uint32(binary.BigEndian.Uint16(b[4:]))
	switch { // RFC 9777, 8.1
	case len(b) == 24:
		m.response = time.Duration(code) * time.Millisecond
	case len(b) >= 28:
		m.version = 2
		m.response = time.Duration(exponential(code, 12)) * time.Millisecond
		m.querierValues(b[24], b[25])
		n := int(binary.BigEndian.Uint16(b[26:])) * 16
		if len(b) < 28+n {
			return false
		}
		m.sources = b[28 : 28+n]
	default:
		return false
	}
	if m.group.IsUnspecified() { // RFC 9777, 5.1.15
		return destination == allNodes && len(m.sources) == 0
	}
	return m.group.IsMulticast()
}
