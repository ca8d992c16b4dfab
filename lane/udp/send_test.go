package udp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/test/harness"
)

// checkSent compares what waits at a socket with what was not lost of d.
func checkSent(t *testing.T, fd int, head []byte, d []Datagram) {
	t.Helper()
	got := received(t, fd)
	for i := range d {
		switch {
		case d[i].Lost != 0:
			continue
		case len(got) == 0:
			t.Fatalf("datagram %d did not come", i)
		}
		if want := slices.Concat(head, d[i].Data); !bytes.Equal(got[0], want) {
			t.Fatalf("instead of datagram %d of %d bytes came %d", i, len(want), len(got[0]))
		}
		got = got[1:]
	}
	if len(got) > 0 {
		t.Errorf("%d datagrams more came", len(got))
	}
}

// lengths are mixed: runs of many and of one, more than a call carries.
var lengths = slices.Concat(slices.Repeat([]int{900}, 130), []int{1, 2, 3, 3, 2, 900, 901, 0, 0, 5}, slices.Repeat([]int{60}, 70))

// All goes in its order, whether it is cut by the kernel or not, to an address or by a
// socket that is connected.
func TestSend(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		for _, whole := range []bool{false, true} {
			for _, connected := range []bool{false, true} {
				to, at := open(t, Config{Local: local, Memory: 1 << 20})
				plain(t, to)
				c := Config{Local: local}
				if connected {
					c.Peer, at = netip.AddrPortFrom(at.IP(), at.Port()), Addr{}
				}
				fd, _ := open(t, c)
				s := sender(local)
				s.Head, s.Whole = []byte{1, 2, 3, 4, 5, 6, 7, 8}, whole
				for at0 := 0; at0 < len(lengths); at0 += 70 { // the receiver has room for no more
					d := sized(at, lengths[at0:min(at0+70, len(lengths))]...)
					if n, err := s.Send(fd, d); n != len(d) || err != nil {
						t.Fatal(n, err)
					}
					checkSent(t, to, s.Head, d)
				}
				if s.Whole != whole {
					t.Error("the kernel cannot cut, it says")
				}
			}
		}
	})
}

// What the kernel does not cut goes nevertheless, once: it does not for a socket without
// checksums.
func TestSendUncut(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		to, at := open(t, Config{Local: local, NoChecksum: true})
		plain(t, to)
		fd, _ := open(t, Config{Local: local, NoChecksum: true})
		s := sender(local)
		for range 2 {
			d := sized(at, 5, 7, 500, 500, 500, 100, 500, 500, 30)
			if n, err := s.Send(fd, d); n != len(d) || err != nil {
				t.Fatal(n, err)
			}
			checkSent(t, to, nil, d)
		}
		if !s.Whole {
			t.Error("it tries again and again")
		}
	})
}

// What is too long is lost alone, and the kernel is not thought to cut nothing.
func TestSendTooLong(t *testing.T) {
	local := loopbacks["IPv6"]
	to, at := open(t, Config{Local: local})
	plain(t, to)
	fd, _ := open(t, Config{Local: local})
	if err := unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_MTU, 1280); err != nil {
		t.Fatal(err)
	}
	const most = 1280 - 48
	s := sender(local)
	d := sized(at, 10, 10, most+1, most+1, most+1, most, most, 100, most+9, 20)
	if n, err := s.Send(fd, d); n != len(d) || err != nil {
		t.Fatal(n, err)
	}
	checkSent(t, to, nil, d)
	for i := range d {
		if lost := d[i].Lost == unix.EMSGSIZE; lost != (len(d[i].Data) > most) || d[i].Lost != 0 && !lost {
			t.Errorf("datagram %d of %d bytes: %v", i, len(d[i].Data), d[i].Lost)
		}
	}
	if s.Whole {
		t.Error("the kernel cannot cut, it says")
	}
}

// A datagram that cannot go is lost, and the next goes.
func TestSendNowhere(t *testing.T) {
	to, at := open(t, Config{Local: loopbacks["IPv4"]})
	plain(t, to)
	fd, _ := open(t, Config{Local: loopbacks["IPv4"]})
	nowhere := AddrOf(netip.MustParseAddrPort("255.255.255.255:9"), 0) // EACCES without SO_BROADCAST
	d := slices.Concat(sized(at, 8), sized(nowhere, 9, 9, 9), sized(at, 10, 10))
	if n, err := sender(loopbacks["IPv4"]).Send(fd, d); n != len(d) || err != nil {
		t.Fatal(n, err)
	}
	checkSent(t, to, nil, d)
	for i := range d {
		if lost := d[i].Lost != 0; lost != (d[i].To == nowhere) {
			t.Errorf("datagram %d: %v", i, d[i].Lost)
		}
	}
}

// A socket that is full takes the rest later; a closed one never.
func TestSendFull(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	s := &Sender{Whole: true}
	d := sized(Addr{}, slices.Repeat([]int{100}, 1000)...)
	n, err := s.Send(pair[0], d)
	if n == 0 || n == len(d) || err != unix.EAGAIN {
		t.Fatal(n, err)
	}
	checkSent(t, pair[1], nil, d[:n])
	unix.Close(pair[0])
	if n, err := s.Send(-1, d[n:]); n != 0 || !Fatal(err) {
		t.Error(n, err)
	}
}

func TestSendingAllocatesNothing(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		_, at := open(t, Config{Local: local})
		fd, _ := open(t, Config{Local: local})
		s := sender(local)
		d := sized(at, 1000, 1000, 1000, 50, 0, 70)
		d[0].TOS = 3
		if n := testing.AllocsPerRun(200, func() {
			if n, err := s.Send(fd, d); n != len(d) || err != nil {
				t.Fatal(n, err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestRunOf(t *testing.T) {
	a, b := AddrOf(netip.MustParseAddrPort("192.0.2.1:1"), 0), AddrOf(netip.MustParseAddrPort("192.0.2.1:2"), 0)
	marked := sized(a, 10, 10)
	marked[1].TOS = 1
	for name, c := range map[string]struct {
		d    []Datagram
		head int
		want int
	}{
		"one":               {sized(a, 10), 0, 1},
		"alike":             {sized(a, 10, 10, 10), 0, 3},
		"the last shorter":  {sized(a, 10, 10, 5, 5), 0, 3},
		"longer":            {sized(a, 10, 11), 0, 1},
		"empty":             {sized(a, 0, 0), 0, 1},
		"empty with a head": {sized(a, 0, 0), 8, 2},
		"the last empty":    {sized(a, 4, 0), 0, 1},
		"another address":   {append(sized(a, 10), sized(b, 10)...), 0, 1},
		"another mark":      {marked, 0, 1},
		"64":                {sized(a, slices.Repeat([]int{10}, 100)...), 0, 64},
		"64 KiB":            {sized(a, slices.Repeat([]int{1450}, 64)...), 8, 44},
		"too long already":  {sized(a, 65507, 1), 0, 1},
	} {
		if got := runOf(c.d, c.head); got != c.want {
			t.Errorf("%s: a run of %d, want %d", name, got, c.want)
		}
	}
}

// The error of a datagram that has gone is not that of the next.
func TestSendAfterRefusal(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.AddrPort) {
		closed, err := Open(Config{Local: local})
		if err != nil {
			t.Fatal(err)
		}
		gone := localOf(t, closed)
		unix.Close(closed)
		to, at := open(t, Config{Local: local})
		plain(t, to)
		fd, _ := open(t, Config{Local: local})
		s, d := sender(local), slices.Concat(sized(at, 20, 20), sized(gone, 10), sized(at, 30))
		for _, d := range [][]Datagram{sized(gone, 10), d} {
			if n, err := s.Send(fd, d); n != len(d) || err != nil || d[0].Lost != 0 {
				t.Fatal(n, err, d[0].Lost)
			}
		}
		checkSent(t, to, nil, slices.Concat(d[:2], d[3:]))
	})
}
