package bus_test

import (
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// fill sends n frames numbered from first on, to all, alone or in batches.
func fill(from *bus.Conn, first, n, batch int) (sent int) {
	for i := 0; i < n; i += batch {
		var frames [][]byte
		for k := range min(batch, n-i) {
			frames = append(frames, []byte{255, byte(first + i + k)})
		}
		sent += bustest.SendBatch(from, frames...)
	}
	return sent
}

func numbers(frames [][]byte) string {
	var list []byte
	for _, f := range frames {
		list = append(list, f[1])
	}
	return fmt.Sprint(list)
}

func drop(s bus.Stats, reason string) uint64 {
	for _, line := range s.List() {
		if line.Name == "drop_"+reason {
			return line.Value
		}
	}
	panic("no such reason: " + reason)
}

func TestOverflow(t *testing.T) {
	for _, c := range []struct {
		overflow bus.Overflow
		queued   string
		sent     int
		reason   string
		drops    uint64
		gone     bool
	}{
		{bus.DropNew, "[0 1 2 3]", 10, "full", 6, false},
		{bus.DropOld, "[6 7 8 9]", 10, "displaced", 6, false},
		{bus.BlockSender, "[0 1 2 3]", 4, "full", 0, false},
		{bus.Disconnect, "[0 1 2 3]", 10, "full", 1, true},
	} {
		for _, batch := range []int{1, 3, 10} {
			what := fmt.Sprintf("%v, %d at a time", c.overflow, batch)
			l := bustest.NewLab(t, directed)
			set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 4, c.overflow })
			full, other := &bustest.Sink{}, &bustest.Recorder{}
			conn := l.Join(t, full)
			l.Join(t, other)
			from := l.Join(t, &bustest.Recorder{})
			sent := 0
			if c.overflow == bus.BlockSender { // it stops at the first that has no room
				sent = fill(from, 0, min(10, 4/batch*batch+batch), batch)
			} else {
				sent = fill(from, 0, 10, batch)
			}
			if sent != c.sent {
				t.Errorf("%s: %d frames went, want %d", what, sent, c.sent)
			}
			if n := len(other.Frames()); n != c.sent {
				t.Errorf("%s: a receiver with room got %d frames, want %d", what, n, c.sent)
			}
			stats := l.Net.Stats()
			if err := bustest.CheckBalance(stats); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			want := c.drops
			if c.overflow == bus.Disconnect { // the rest of its batch is lost to it
				want = uint64(min(batch-4%batch, 6))
			}
			if got := drop(stats, c.reason); got != want || stats.Dropped() != want {
				t.Errorf("%s: %d dropped as %s, %d in all; want %d", what, got, c.reason, stats.Dropped(), want)
			}
			if c.gone {
				bustest.WaitFor(t, "the one too slow is told", func() bool { return full.GoneCalls() > 0 })
			}
			if conn.Gone() != c.gone || (full.GoneCalls() == 1) != c.gone {
				t.Errorf("%s: gone %v, told %d times; want %v", what, conn.Gone(), full.GoneCalls(), c.gone)
			}
			if got := numbers(full.TakeAll()); got != c.queued {
				t.Errorf("%s: queued were %s, want %s", what, got, c.queued)
			}
		}
	}
}

// Disconnected for being slow: the port is free again, an event says why.
func TestDisconnect(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.Disconnect })
	e := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(e), 0)
	l.Join(t, &bustest.Sink{})
	from := l.Join(t, &bustest.Recorder{})
	fill(from, 0, 2, 1)
	if l.Net.Port(1) != nil {
		t.Error("the port is still there")
	}
	if got := fmt.Sprint(e.Lines()); e.Count("port-left") != 1 {
		t.Errorf("events are %s", got)
	}
	if fill(from, 2, 3, 3) != 3 {
		t.Error("the others cannot go on")
	}
}

// A queue that was made shorter keeps what it has, and takes no more.
func TestShorterQueue(t *testing.T) {
	for overflow, want := range map[bus.Overflow]string{
		bus.DropNew: "[0 1 2 3 4 5 6 7 8 9]",
		bus.DropOld: "[10 11]",
	} {
		l := bustest.NewLab(t, directed)
		set(t, l, func(s *bus.Settings) { s.Overflow = overflow })
		s := &bustest.Sink{}
		l.Join(t, s)
		from := l.Join(t, &bustest.Recorder{})
		fill(from, 0, 10, 1)
		set(t, l, func(s *bus.Settings) { s.Queue = 2 })
		fill(from, 10, 2, 1)
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Error(err)
		}
		if got := numbers(s.TakeAll()); got != want {
			t.Errorf("%v: 10 waited, the queue became 2, 2 more came: %s, want %s", overflow, got, want)
		}
	}
}

// What one port's own queue and overflow say does not touch the others.
func TestOverflowOfOnePort(t *testing.T) {
	l := bustest.NewLab(t, directed)
	var ears [3]bustest.Sink
	for i := range ears {
		l.Join(t, &ears[i])
	}
	old := bus.DropOld
	wantKind(t, "queue", l.Net.Port(1).SetQueue(2), 0)
	wantKind(t, "queue", l.Net.Port(2).SetQueue(3), 0)
	wantKind(t, "overflow", l.Net.Port(2).SetOverflow(&old), 0)
	from := l.Join(t, &bustest.Recorder{})
	fill(from, 0, 5, 5)
	for i, want := range []string{"[0 1]", "[2 3 4]", "[0 1 2 3 4]"} {
		if got := numbers(ears[i].TakeAll()); got != want {
			t.Errorf("port %d has %s, want %s", i+1, got, want)
		}
	}
}

// Frames that no memory is left for are dropped and counted, and other
// networks still get theirs.
func TestMemoryCap(t *testing.T) {
	b := newBus(t, bus.Limits{Ports: 10, Networks: 4, Memory: 1 << 20})
	send := func(name string) (received int, conns []*bus.Conn) {
		wantKind(t, name, create(b, name), 0)
		n := b.Network(name)
		s := &bustest.Sink{}
		to, err := n.Join(s, both)
		if err != nil {
			t.Fatal(err)
		}
		from, err := n.Join(&bustest.Recorder{}, both)
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			bustest.Send(from, append([]byte{255}, make([]byte, 9000)...))
		}
		stats := n.Stats()
		if err := bustest.CheckBalance(stats); err != nil {
			t.Error(err)
		}
		if stats.Queued+drop(stats, "memory") != 200 {
			t.Errorf("%s: %d queued + %d dropped for memory are not 200", name, stats.Queued, drop(stats, "memory"))
		}
		return s.Queued(), []*bus.Conn{to, from}
	}
	first, conns := send("first")
	second, more := send("second")
	if first == 0 || first == 200 || second == 0 {
		t.Errorf("the first network queued %d of 200, the second %d: want some of each", first, second)
	}
	if used := b.Memory.Used(); used > b.Memory.Limit() || used == 0 {
		t.Errorf("%d of %d bytes are used", used, b.Memory.Limit())
	}
	for _, c := range append(conns, more...) {
		c.Close()
	}
	if used := b.Memory.Used(); used != 0 {
		t.Errorf("%d bytes are used when all have left", used)
	}
}
