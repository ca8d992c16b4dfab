package device

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// joinable is a Device that is made before it joins: the suite joins it.
type joinable struct{ *Device }

func newJoinable(tb testing.TB, kind Kind, fds []int) joinable {
	tb.Helper()
	d := &Device{kind: kind, done: make(chan struct{})}
	for _, fd := range fds {
		q := &queue{dev: d, fd: fd, burst: 1}
		var err error
		if q.loop, err = acquireLoop(); err != nil {
			tb.Fatal(err)
		}
		d.queues = append(d.queues, q)
	}
	return joinable{d}
}

// Attach is what Start does when it has joined.
func (j joinable) Attach(c *bus.Conn) {
	j.Device.Attach(c)
	for _, q := range j.queues {
		q.mu.Lock()
		if err := q.loop.watch(q); err != nil {
			panic(err)
		}
		q.mu.Unlock()
	}
}

func fixture(d joinable, far *station) *bustest.Fixture {
	return &bustest.Fixture{
		Endpoint: d,
		Options:  bus.JoinOptions{Recv: true, Send: true, Offload: true},
		Received: far.received,
		Bring:    func(frame []byte) { _ = far.try(frame) },
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
				return fixture(newJoinable(tb, Tap, fds), h.station(tb, index))
			})
		})
	}
}

// That of a grabbed interface is who talks at the other end of its wire.
func TestPacketConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		near, far := newHost(tb), newHost(tb)
		a, b := veth(tb, near, "dvt0", far, "dvt1")
		fd := near.packetSocket(tb, a, unix.PACKET_VNET_HDR, unix.PACKET_AUXDATA)
		return fixture(newJoinable(tb, Packet, []int{fd}), far.station(tb, b))
	})
}
