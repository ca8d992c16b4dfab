package udp

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// What was asked for is set.
func TestOpen(t *testing.T) {
	v4, v6 := loopbacks["IPv4"], loopbacks["IPv6"]
	for _, c := range []struct {
		what   string
		config Config
		level  int
		option int
		want   int
	}{
		{"TTL", Config{Local: v4, TTL: 7}, unix.SOL_IP, unix.IP_TTL, 7},
		{"TTL of groups", Config{Local: v4, TTL: 7}, unix.SOL_IP, unix.IP_MULTICAST_TTL, 7},
		{"hops", Config{Local: v6, TTL: 7}, unix.SOL_IPV6, unix.IPV6_UNICAST_HOPS, 7},
		{"hops of groups", Config{Local: v6, TTL: 7}, unix.SOL_IPV6, unix.IPV6_MULTICAST_HOPS, 7},
		{"DF", Config{Local: v4}, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO},
		{"DF in IPv6", Config{Local: v6}, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO},
		{"one family", Config{Local: v6}, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1},
		{"checksum", Config{Local: v4}, unix.SOL_SOCKET, unix.SO_NO_CHECK, 0},
		{"no checksum", Config{Local: v4, NoChecksum: true}, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1},
		{"no checksum in IPv6", Config{Local: v6, NoChecksum: true}, unix.SOL_UDP, unix.UDP_NO_CHECK6_TX, 1},
		{"none needed in IPv6", Config{Local: v6, NoChecksum: true}, unix.SOL_UDP, unix.UDP_NO_CHECK6_RX, 1},
		{"runs", Config{Local: v4}, unix.SOL_UDP, unix.UDP_GRO, 1},
		{"groups of others", Config{Local: v4}, unix.SOL_IP, unix.IP_MULTICAST_ALL, 0},
		{"memory", Config{Local: v4, Memory: 50000}, unix.SOL_SOCKET, unix.SO_RCVBUF, 100000},
		{"own group", Config{Local: v4, Group: netip.MustParseAddr("239.1.2.3"), Scope: 1}, unix.SOL_IP, unix.IP_MULTICAST_LOOP, 0},
		{"interface of a group", Config{Local: v6, Group: netip.MustParseAddr("ff05::9"), Scope: 1}, unix.SOL_IPV6, unix.IPV6_MULTICAST_IF, 1},
	} {
		fd, _ := open(t, c.config)
		if got, err := unix.GetsockoptInt(fd, c.level, c.option); err != nil || got != c.want {
			t.Errorf("%s: %d, want %d (%v)", c.what, got, c.want, err)
		}
	}
}

// What cannot be is refused, and nothing stays open.
func TestOpenRefuses(t *testing.T) {
	_, at := open(t, Config{Local: loopbacks["IPv4"]})
	next, _ := unix.Dup(0)
	unix.Close(next)
	for _, c := range []Config{
		{Local: netip.AddrPortFrom(at.IP(), at.Port())},
		{Local: loopbacks["IPv4"], TTL: 300},
		{Local: loopbacks["IPv4"], Device: "no-such-device"},
		{Local: loopbacks["IPv4"], Group: netip.MustParseAddr("10.0.0.1"), Scope: 1},
		{Local: loopbacks["IPv6"], Peer: loopbacks["IPv4"]},
		{Local: netip.MustParseAddrPort("198.51.100.77:0")},
	} {
		if fd, err := Open(c); err == nil {
			t.Errorf("%+v: descriptor %d", c, fd)
		}
	}
	if fd, _ := unix.Dup(0); fd != next {
		t.Errorf("a socket stays open: the next descriptor is %d, was %d", fd, next)
	} else {
		unix.Close(fd)
	}
}

// A path is as long as the shortest of those that there are, and told again when it may
// have changed.
func TestPath(t *testing.T) {
	other := map[string]string{"IPv4": "[::1]:9", "IPv6": "127.0.0.1:9"} // to which such a socket has no way
	want := map[string]int{"IPv4": 1<<16 - 1 - 28, "IPv6": 1<<16 - 1 - 48}
	for family, local := range loopbacks {
		nowhere := AddrOf(netip.MustParseAddrPort(other[family]), 0)
		_, at := open(t, Config{Local: local})
		probe := func() int {
			fd, err := Open(Config{Local: local})
			if err != nil {
				t.Fatal(err)
			}
			return fd
		}
		told := make(chan int, 1)
		p, bytes, err := NewPath(probe(), []Addr{nowhere, at}, func(bytes int) { told <- bytes })
		if err != nil || bytes != want[family] {
			t.Fatalf("%s: %d bytes, want %d: %v", family, bytes, want[family], err)
		}
		p.Stale()
		p.Stale()
		if bytes := <-told; bytes != want[family] {
			t.Errorf("%s: %d bytes are told, want %d", family, bytes, want[family])
		}
		select {
		case <-told:
		default:
		}
		p.Close()
		if _, _, err := NewPath(probe(), []Addr{nowhere}, nil); err == nil {
			t.Errorf("%s: there is a way to nowhere", family)
		}
	}
}

// A group is received, by who has joined only.
func TestGroup(t *testing.T) {
	group := netip.MustParseAddr("239.77.1.2")
	any := netip.MustParseAddrPort("0.0.0.0:0")
	to, at := open(t, Config{Local: any, Group: group, Scope: 1})
	plain(t, to)
	fd, _ := open(t, Config{Local: any})
	if err := unix.SetsockoptIPMreqn(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: 1}); err != nil {
		t.Fatal(err)
	}
	d := sized(AddrOf(netip.AddrPortFrom(group, at.Port()), 0), 100, 200)
	if n, err := sender(any).Send(fd, d); n != 2 || err != nil || d[0].Lost != 0 {
		t.Skip("loopback carries no groups here: ", err, d[0].Lost)
	}
	checkSent(t, to, nil, d)
}
