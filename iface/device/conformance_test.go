package device

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/lane"
)

// joinable is an endpoint that the suite joins.
type joinable struct{ *lane.Endpoint }

func newJoinable(tb testing.TB, sources []lane.Source) joinable {
	tb.Helper()
	e, err := lane.New(lane.Config{Sources: sources, Lossy: true})
	if err != nil {
		tb.Fatal(err)
	}
	return joinable{e}
}

// Attach is what Start does when it has joined.
func (j joinable) Attach(c *bus.Conn) {
	j.Endpoint.Attach(c)
	j.Serve()
}

func fixture(d joinable, far *station) *bustest.Fixture {
	return &bustest.Fixture{
		Endpoint: d,
		Options:  bus.JoinOptions{Recv: true, Send: true, Offload: true},
		Received: far.Received,
		Bring:    func(frame []byte) { _ = far.Try(frame) },
		Close:    d.Close,
	}
}

// The far end of a tap is who talks on its interface.
func TestTapConforms(t *testing.T) {
	for what, queues := range map[string]int{"one queue": 1, "four queues": 4} {
		t.Run(what, func(t *testing.T) {
			bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
				h := newHost(tb)
				fds, index := h.tap(tb, "dvt0", queues)
				return fixture(newJoinable(tb, tapSources(fds, false)), h.station(tb, index))
			})
		})
	}
}

// That of a punt tap is who talks at its interface, as the program does in the kernel.
func TestPuntConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		h := newHost(tb)
		fds, index := h.tap(tb, "dvt0", 1)
		s := &idleShortcut{}
		q := &puntQueue{tapQueue: tapQueue{queue{fd: fds[0]}}, shortcut: s}
		far := h.station(tb, index)
		f := fixture(newJoinable(tb, []lane.Source{{FD: q.fd, Driver: q}}), far)
		f.Bring = func(frame []byte) {
			if far.Try(frame) == nil {
				s.brought.Add(1)
			}
		}
		tb.Cleanup(func() {
			if carried, brought := s.carried.Load(), s.brought.Load(); carried > brought {
				tb.Errorf("%d frames were brought, and %d carried", brought, carried)
			}
		})
		return f
	})
}

// idleShortcut forwards nothing. It counts what was carried.
type idleShortcut struct{ brought, carried atomic.Int64 }

var _ Shortcut = (*idleShortcut)(nil)

func (*idleShortcut) Attach(*bus.Conn)     {}
func (*idleShortcut) Bypass(string)        {}
func (*idleShortcut) Count()               {}
func (*idleShortcut) Resize(int)           {}
func (*idleShortcut) SetMaxLen(int)        {}
func (s *idleShortcut) Carried(frames int) { s.carried.Add(int64(frames)) }

// That of a grabbed interface is who talks at the other end of its wire.
func TestPacketConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		near, far := newHost(tb), newHost(tb)
		a, b := veth(tb, near, "dvt0", far, "dvt1")
		fd := near.packetSocket(tb, a, unix.PACKET_VNET_HDR, unix.PACKET_AUXDATA)
		return fixture(newJoinable(tb, packetSources([]int{fd})), far.station(tb, b))
	})
}
