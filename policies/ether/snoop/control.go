package snoop

import "encoding/binary"

// Numbers of the protocols that carry group management.
const (
	etherIPv4 = 0x0800
	etherIPv6 = 0x86dd
	etherQ    = 0x8100 // IEEE 802.1Q customer tag
	etherAD   = 0x88a8 // IEEE 802.1Q (802.1ad) service tag

	headerEthernet = 14
	headerTag      = 4
	headerIPv4     = 20 // at least
	headerIPv6     = 40

	protocolHopByHop = 0
	protocolIGMP     = 2
	protocolICMPv6   = 58
)

// Control tells whether a frame, with up to two VLAN tags, may be IGMP or MLD:
// if not, Lookup is for it. It is the first filter on the path of every frame:
// no lock, and no look at more than the destination if that is no IP group.
func Control(frame []byte) bool {
	return len(frame) >= headerEthernet && frame[0]&1 != 0 && control(frame)
}

// control is the part of Control that is not inlined: frames to groups.
func control(frame []byte) bool {
	switch {
	case frame[0] == 0x01 && frame[1] == 0x00 && frame[2] == 0x5e:
		ip, ether := payload(frame)
		return ether == etherIPv4 && len(ip) >= headerIPv4 && ip[9] == protocolIGMP
	case frame[0] == 0x33 && frame[1] == 0x33:
		ip, ether := payload(frame)
		if ether != etherIPv6 || len(ip) < headerIPv6 {
			return false
		}
		_, icmp := icmpv6(ip)
		return len(icmp) > 0 && isMLD(icmp[0])
	}
	return false
}

// payload returns what is behind the ethernet header and its tags, and the
// ethertype that stands before it. The frame is at least headerEthernet long.
func payload(frame []byte) ([]byte, uint16) {
	ether := binary.BigEndian.Uint16(frame[12:])
	rest := frame[headerEthernet:]
	for range 2 {
		if (ether != etherQ && ether != etherAD) || len(rest) < headerTag {
			break
		}
		ether = binary.BigEndian.Uint16(rest[2:])
		rest = rest[headerTag:]
	}
	return rest, ether
}

// icmpv6 splits an IPv6 packet of at least headerIPv6 bytes into its
// hop-by-hop header, if it has one, and the ICMPv6 message behind that; nil if
// there is none.
func icmpv6(ip []byte) (options, icmp []byte) {
	next, rest := ip[6], ip[headerIPv6:]
	if next == protocolHopByHop {
		if len(rest) < 8 {
			return nil, nil
		}
		n := (int(rest[1]) + 1) * 8 // RFC 8200, 4.3
		if len(rest) < n {
			return nil, nil
		}
		next, options, rest = rest[0], rest[:n], rest[n:]
	}
	if next != protocolICMPv6 {
		return nil, nil
	}
	return options, rest
}
