package udp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// message is a control message as the kernel lays it.
func message(level, kind uint32, data ...byte) []byte {
	b := binary.NativeEndian.AppendUint64(nil, uint64(16+len(data)))
	b = binary.NativeEndian.AppendUint32(b, level)
	b = append(binary.NativeEndian.AppendUint32(b, kind), data...)
	return append(b, make([]byte, -len(b)&7)...)
}

func TestParse(t *testing.T) {
	four := binary.NativeEndian.AppendUint32(nil, 1450)
	report := append(append(binary.NativeEndian.AppendUint32(nil, uint32(unix.EMSGSIZE)), unix.SO_EE_ORIGIN_ICMP, 3, 4, 0),
		append(binary.NativeEndian.AppendUint32(nil, 1400), 0, 0, 0, 0)...)
	gro := message(unix.SOL_UDP, unix.UDP_GRO, four...)
	tos := message(unix.SOL_IP, unix.IP_TOS, 3)
	for name, c := range map[string]struct {
		control []byte
		want    said
	}{
		"nothing":       {nil, said{}},
		"a size":        {gro, said{size: 1450}},
		"size and mark": {append(gro, tos...), said{size: 1450, tos: 3}},
		"mark and size": {append(tos, gro...), said{size: 1450, tos: 3}},
		"no padding":    {append(gro, tos[:17]...), said{size: 1450, tos: 3}},
		"IPv6":          {message(unix.SOL_IPV6, unix.IPV6_TCLASS, 2, 0, 0, 0), said{tos: 2}},
		"unknown":       {append(message(9, 9, 1, 2), gro...), said{size: 1450}},
		"too short":     {message(unix.SOL_UDP, unix.UDP_GRO, 1, 2), said{}},
		"cut off":       {gro[:19], said{}},
		"no length":     {append(make([]byte, 16), gro...), said{}},
		"report": {message(unix.SOL_IP, unix.IP_RECVERR, report...), said{
			failed: true, report: unix.SockExtendedErr{Errno: uint32(unix.EMSGSIZE), Origin: unix.SO_EE_ORIGIN_ICMP, Type: 3, Code: 4, Info: 1400}}},
	} {
		if got := parse(c.control); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(message(unix.SOL_UDP, unix.UDP_GRO, 1, 2, 3, 4))
	f.Add(append(message(unix.SOL_IP, unix.IP_TOS, 1), message(unix.SOL_IPV6, unix.IPV6_RECVERR, make([]byte, 44)...)...))
	f.Fuzz(func(t *testing.T, control []byte) {
		s := parse(control)
		if len(control) < 17 && s != (said{}) {
			t.Errorf("%+v out of %d bytes", s, len(control))
		}
	})
}

func TestAddr(t *testing.T) {
	for _, text := range []string{"192.0.2.7:4789", "[2001:db8::7]:1", "[fe80::1%3]:65535", "0.0.0.0:0"} {
		ap := netip.MustParseAddrPort(text)
		scope := uint32(0)
		if ap.Addr().Zone() != "" {
			scope = 3
		}
		a := AddrOf(ap, scope)
		var n name
		length := a.put(&n)
		if back := addrIn(&n, length); back != a || a.String() != text || a.Port() != ap.Port() || a.IP() != ap.Addr().WithZone("") {
			t.Errorf("%s becomes %v, and %v again", text, a, back)
		}
		if back := addrIn(&n, length-1); back != (Addr{}) {
			t.Errorf("%v out of too few bytes", back)
		}
	}
}
