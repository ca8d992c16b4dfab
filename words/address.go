package words

import (
	"net"
	"net/netip"
)

// MAC reads the 48-bit address of one station, in a form that net.ParseMAC
// takes. It has not the bit of groups, the first on the wire (IEEE 802 8.2.2),
// and is not zero.
func MAC(what, text string) (mac [6]byte, err error) {
	hw, err := net.ParseMAC(text)
	if err != nil || len(hw) != len(mac) || hw[0]&1 != 0 || [6]byte(hw) == mac {
		return mac, invalid("%s %q is no station's address: 02:00:00:00:00:01 is one", what, text)
	}
	return [6]byte(hw), nil
}

// IP reads the address of one host, IPv4 or IPv6, without a zone.
func IP(what, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || !ofHost(a) {
		return netip.Addr{}, invalid("%s %q is no host's address: 10.0.0.1 or fd00::1 is one", what, text)
	}
	return a, nil
}

// CIDR reads the address of one host with the length of its network's prefix
// (RFC 4632).
func CIDR(what, text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !ofHost(p.Addr()) {
		return netip.Prefix{}, invalid("%s %q is no host's address with its prefix length: 10.0.0.1/24 or fd00::1/64 is one", what, text)
	}
	return p, nil
}

func ofHost(a netip.Addr) bool { return !a.IsMulticast() && !a.IsUnspecified() && !a.Is4In6() }
