package lanetest

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// Hub is a network on which all frames go to all.
func Hub(tb testing.TB) *bustest.Lab { return bustest.NewLab(tb, "bustest-hub") }

// Blocking is a network where senders wait for a receiver that has room for
// queue frames and takes none by itself.
func Blocking(tb testing.TB, queue int) (*bustest.Lab, *bustest.Sink) {
	tb.Helper()
	l := Hub(tb)
	if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = queue, bus.BlockSender }); err != nil {
		tb.Fatal(err)
	}
	sink := &bustest.Sink{}
	l.JoinAs(tb, sink, bus.JoinOptions{Recv: true})
	return l, sink
}

// Exhaust charges what memory is left of m, until refund is called.
func Exhaust(m *frame.Memory) (refund func()) {
	charged := 0
	for step := 1 << 28; step > 0; step /= 2 {
		for m.Charge(step) {
			charged += step
		}
	}
	return func() { m.Refund(charged) }
}

// Count is one counter of a port.
func Count(p *bus.Port, name string) uint64 {
	stats := p.Stats()
	for _, s := range stats.List() {
		if s.Name == name {
			return s.Value
		}
	}
	panic("no such counter: " + name)
}

// Frame is the seq-th of a sender.
func Frame(sender, seq int) []byte {
	return bustest.Mark(bustest.EthernetHeader(sender), sender, seq, 30+seq*97%1440)
}
