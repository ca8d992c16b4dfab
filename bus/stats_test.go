package bus_test

import (
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

func TestStatsNames(t *testing.T) {
	var names []string
	for _, line := range (&bus.Stats{}).List() {
		names = append(names, line.Name)
	}
	want := "frames bytes refused_too_long offered received received_bytes queued queued_bytes drop_nobody " +
		"drop_full drop_displaced drop_memory drop_too_long drop_left drop_device drop_vlan drop_stp drop_storm drop_isolated drop_filtered drop_malformed drop_loop drop_overrun"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("scripts know the names\n%s, now they are\n%s", want, got)
	}
}

func TestStats(t *testing.T) {
	l := bustest.NewLab(t, directed)
	queue, ears := &bustest.Sink{}, &bustest.Recorder{}
	q := l.Join(t, queue)
	l.JoinAs(t, ears, bus.JoinOptions{Recv: true})
	from := l.JoinAs(t, &bustest.Recorder{}, bus.JoinOptions{Send: true})
	bustest.Send(from, []byte(toAll+"123"))    // 4 bytes to both
	bustest.Send(from, []byte("\x00abcdefgh")) // 9 to nobody
	bustest.Send(from, []byte("\x01a"))        // 2 to the queue
	from.CountRefused()
	queue.Take()

	want := bus.Stats{Frames: 3, Bytes: 15, Refused: 1, Nobody: 1, Offered: 3, Received: 2, ReceivedBytes: 8,
		Queued: 1, QueuedBytes: 2, Ports: 3, Readers: 2, Writers: 2}
	if got := l.Net.Stats(); got != want {
		t.Errorf("the network's are\n%+v, want\n%+v", got, want)
	}
	port := bus.Stats{Offered: 2, Received: 1, ReceivedBytes: 4, Queued: 1, QueuedBytes: 2}
	if got := q.Port().Stats(); got != port {
		t.Errorf("the queue's are\n%+v, want\n%+v", got, port)
	}
	port = bus.Stats{Frames: 3, Bytes: 15, Refused: 1, Nobody: 1}
	if got := from.Port().Stats(); got != port {
		t.Errorf("the sender's are\n%+v, want\n%+v", got, port)
	}

	// What has left stays in the network's.
	l.Leave(from)
	l.Leave(q)
	want.Queued, want.QueuedBytes, want.Ports, want.Readers, want.Writers = 0, 0, 1, 1, 0
	got := l.Net.Stats()
	if got.Drops != [6]uint64{0, 0, 0, 0, 1, 0} {
		t.Errorf("what was queued is dropped as %v", got.Drops)
	}
	got.Drops = want.Drops
	if got != want {
		t.Errorf("after they left the network's are\n%+v, want\n%+v", got, want)
	}
}

func TestResetStats(t *testing.T) {
	l := bustest.NewLab(t, directed)
	queue := &bustest.Sink{}
	q := l.Join(t, queue)
	from := l.Join(t, &bustest.Recorder{})
	gone := l.Join(t, &bustest.Recorder{})
	fill(gone, 0, 2, 1)
	l.Leave(gone)
	fill(from, 0, 3, 1)
	queue.Take()

	l.Net.ResetStats()
	want := bus.Stats{Offered: 4, Queued: 4, QueuedBytes: 8, Ports: 2, Readers: 2, Writers: 2}
	if got := l.Net.Stats(); got != want {
		t.Errorf("after a reset what waits is left:\n%+v, want\n%+v", got, want)
	}
	queue.TakeAll()
	if got := l.Net.Stats(); got.Received != 4 || bustest.CheckBalance(got) != nil {
		t.Errorf("what waited was received: %+v", got)
	}
	if got := q.Port().Stats(); got.Received != 4 {
		t.Errorf("the port's: %+v", got)
	}
}

// A port's reset takes nothing from the network's counters.
func TestResetPortStats(t *testing.T) {
	l := bustest.NewLab(t, directed)
	queue := &bustest.Sink{}
	q := l.Join(t, queue)
	from := l.Join(t, &bustest.Recorder{})
	fill(from, 0, 5, 1)
	queue.Take()
	before := l.Net.Stats()
	q.Port().ResetStats()
	from.Port().ResetStats()
	if got := l.Net.Stats(); got != before {
		t.Errorf("the network's were\n%+v, now\n%+v", before, got)
	}
	if got, want := q.Port().Stats(), (bus.Stats{Offered: 4, Queued: 4, QueuedBytes: 8}); got != want {
		t.Errorf("the port's are\n%+v, want\n%+v", got, want)
	}
	queue.TakeAll()
	if got := q.Port().Stats(); got.Received != 4 || bustest.CheckBalance(got) != nil {
		t.Errorf("the port's are %+v", got)
	}
	if got := l.Net.Stats(); got.Received != 5 || got.Frames != 5 || bustest.CheckBalance(got) != nil {
		t.Errorf("the network's are %+v", got)
	}
}

// The counters of a shared or reserved port go on when one of its users
// leaves.
func TestPortStatsStay(t *testing.T) {
	l := bustest.NewLab(t, directed)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	seven := both
	seven.Number = 7
	for range 3 {
		c := l.JoinAs(t, &bustest.Recorder{}, seven)
		fill(c, 0, 2, 1)
		l.Leave(c)
	}
	if got := l.Net.Port(7).Stats().Frames; got != 6 {
		t.Errorf("3 users sent 2 frames each by port 7, counted %d", got)
	}
	wantKind(t, "remove", l.Net.RemovePort(7), 0)
	if got := l.Net.Stats().Frames; got != 6 {
		t.Errorf("the network counts %d", got)
	}
	if got := l.Join(t, &bustest.Recorder{}).Port().Stats(); got != (bus.Stats{}) {
		t.Errorf("a new port begins with %+v", got)
	}
}

// What went by elsewhere is counted as if it had come here.
func TestAdd(t *testing.T) {
	l := bustest.NewLab(t, directed)
	c := l.Join(t, &bustest.Recorder{})
	c.Add(bus.Passed{Frames: 5, Bytes: 500, Received: 3, ReceivedBytes: 300, Lost: 2})
	c.Add(bus.Passed{Frames: 1, Bytes: 60})
	want := bus.Stats{Frames: 6, Bytes: 560, Offered: 5, Received: 3, ReceivedBytes: 300}
	want.Drops[5] = 2 // device
	if got := c.Port().Stats(); got != want {
		t.Errorf("the port's are\n%+v, want\n%+v", got, want)
	}
	l.Leave(c)
	want.Ports = 0
	if got := l.Net.Stats(); got != want {
		t.Errorf("after it left the network's are\n%+v, want\n%+v", got, want)
	}
}
