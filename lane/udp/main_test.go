package udp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopbacks are the local hosts of both families.
var loopbacks = map[string]netip.AddrPort{
	"IPv4": netip.MustParseAddrPort("127.0.0.1:0"),
	"IPv6": netip.MustParseAddrPort("[::1]:0"),
}

// eachFamily runs a test for both families.
func eachFamily(t *testing.T, test func(t *testing.T, local netip.AddrPort)) {
	for family, local := range loopbacks {
		t.Run(family, func(t *testing.T) { test(t, local) })
	}
}

// open makes a socket until the test ends, and returns where it is.
func open(tb testing.TB, c Config) (fd int, at Addr) {
	tb.Helper()
	fd, err := Open(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Close(fd) })
	return fd, localOf(tb, fd)
}

// localOf returns what a socket is bound to.
func localOf(tb testing.TB, fd int) Addr {
	tb.Helper()
	a, err := unix.Getsockname(fd)
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return AddrOf(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), 0)
	case *unix.SockaddrInet6:
		return AddrOf(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)), 0)
	}
	tb.Fatal(err)
	return Addr{}
}

// sender is for a socket of the family of an address.
func sender(at netip.AddrPort) *Sender {
	s := &Sender{Family: unix.AF_INET}
	if at.Addr().Is6() {
		s.Family = unix.AF_INET6
	}
	return s
}

// sized makes datagrams of those lengths to one address, each with bytes of its own.
func sized(to Addr, lengths ...int) (d []Datagram) {
	for i, n := range lengths {
		d = append(d, Datagram{To: to, Data: bytes.Repeat([]byte{byte(i + 1)}, n)})
	}
	return d
}

// received takes what waits at a socket that knows of no runs: one datagram a message.
func received(tb testing.TB, fd int) (got [][]byte) {
	tb.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil {
			return got
		}
		got = append(got, slices.Clone(buf[:n]))
	}
}

// plain makes a socket one that knows of no runs.
func plain(tb testing.TB, fd int) {
	tb.Helper()
	if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 0); err != nil {
		tb.Fatal(err)
	}
}

// hearer is a driver that tells what it receives.
type hearer struct {
	fd      int
	in      Receiver
	frames  bool // they go on into the network
	runs    chan Run
	reports chan Report
}

var _ lane.Driver = (*hearer)(nil)

// hear has a lane serve a new socket, as one to which a network with a sink listens.
func hear(t testing.TB, c Config) (h *hearer, at Addr, p *bus.Port) {
	t.Helper()
	fd, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	h = &hearer{fd: fd, runs: make(chan Run, 1000), reports: make(chan Report, 1000)}
	l := lanetest.Hub(t)
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{{FD: fd, Driver: h}}}, bus.JoinOptions{Send: true})
	if err != nil {
		t.Fatal(err)
	}
	l.Join(t, &bustest.Sink{})
	t.Cleanup(e.Close)
	return h, localOf(t, fd), e.Conn().Port()
}

func (h *hearer) Read(t *lane.Turn, room int) (frames int, err error) {
	runs, err := h.in.Receive(t, h.fd, room)
	if err != nil {
		for {
			report, ok := h.in.Report(h.fd)
			if !ok {
				break
			}
			h.reports <- report
		}
		if Fatal(err) {
			return 0, err
		}
		return 0, nil
	}
	for _, r := range runs {
		if !h.frames {
			r.Data = slices.Clone(r.Data)
			h.runs <- r
			continue
		}
		for more := true; more; more = len(r.Data) > 0 {
			t.Batch.AddPlain(r.Next())
			frames++
		}
	}
	return max(frames, len(runs)), nil
}

func (h *hearer) Write(_ *lane.Turn, frames []frame.Frame) (int, error) { return len(frames), nil }

func (h *hearer) Close() { _ = unix.Close(h.fd) }
