package bus_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// Who is removed hears of it once, may still receive what is queued, and can
// send no more.
func TestRemovePort(t *testing.T) {
	l := bustest.NewLab(t, directed)
	sink := &bustest.Sink{}
	c, from := l.Join(t, sink), l.Join(t, &bustest.Recorder{})
	bustest.Send(from, []byte(toAll+"before"))
	wantKind(t, "remove", l.Net.RemovePort(1), 0)
	if sink.GoneCalls() != 1 || !c.Gone() {
		t.Errorf("removed: gone %v, told %d times", c.Gone(), sink.GoneCalls())
	}
	if bustest.Send(c, []byte(toAll+"x")) {
		t.Error("who was removed can still send")
	}
	bustest.Send(from, []byte(toAll+"after"))
	if got := sink.TakeAll(); len(got) != 1 || string(got[0]) != toAll+"before" {
		t.Errorf("received %q, want what was queued", got)
	}
	if p := l.Net.Port(1); p != nil {
		t.Error("the port is still there")
	}
	again := l.Join(t, &bustest.Sink{})
	if again.Port().Number() != 1 || again.Port() == c.Port() {
		t.Error("number 1 is not given again as a port of its own")
	}
	l.Leave(c)
	if l.Net.Port(1) != again.Port() {
		t.Error("closing the removed connection ended the new port of its number")
	}
	if sink.GoneCalls() != 1 {
		t.Errorf("told %d times that it is gone", sink.GoneCalls())
	}
}

func TestRemoveSharedPort(t *testing.T) {
	l := bustest.NewLab(t, directed)
	if _, err := l.Net.Reserve(2); err != nil {
		t.Fatal(err)
	}
	var sinks [3]bustest.Sink
	for i := range sinks {
		l.JoinAs(t, &sinks[i], bus.JoinOptions{Number: 2, Recv: true})
	}
	wantKind(t, "remove", l.Net.RemovePort(2), 0)
	for i := range sinks {
		if sinks[i].GoneCalls() != 1 {
			t.Errorf("connection %d was told %d times", i, sinks[i].GoneCalls())
		}
	}
	if l.Net.Port(2) != nil || l.Bus.PortsUsed() != 0 {
		t.Errorf("port 2 is left, %d ports are used", l.Bus.PortsUsed())
	}
}

func TestCloseWithQueue(t *testing.T) {
	l := bustest.NewLab(t, directed)
	sink := &bustest.Sink{}
	c, from := l.Join(t, sink), l.Join(t, &bustest.Recorder{})
	for range 7 {
		bustest.Send(from, []byte(toAll))
	}
	if l.Bus.Memory.Waiting() == 0 {
		t.Error("queued frames are not charged")
	}
	l.Leave(c)
	stats := l.Net.Stats()
	if err := bustest.CheckBalance(stats); err != nil || stats.Dropped() != 7 || stats.Queued != 0 {
		t.Errorf("7 frames were queued when the receiver left: %+v, %v", stats, err)
	}
	if used := l.Bus.Memory.Waiting(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
	if sink.GoneCalls() != 0 {
		t.Error("who closed by himself was told")
	}
}

func TestCloseTwice(t *testing.T) {
	l := bustest.NewLab(t, directed)
	c := l.Join(t, &bustest.Recorder{})
	l.Join(t, &bustest.Recorder{})
	bustest.Send(c, []byte(toAll))
	c.Close()
	c.Close()
	if stats := l.Net.Stats(); stats.Frames != 1 || stats.Ports != 1 {
		t.Errorf("1 frame was sent, 1 port is left; counted %d and %d", stats.Frames, stats.Ports)
	}
}

func TestShutdown(t *testing.T) {
	b := bus.New(bus.DefaultLimits())
	var sinks [3]bustest.Sink
	for i, name := range []string{"a", "b", "c"} {
		wantKind(t, name, create(b, name), 0)
		if _, err := b.Network(name).Join(&sinks[i], both); err != nil {
			t.Fatal(err)
		}
	}
	b.Shutdown()
	for i := range sinks {
		if sinks[i].GoneCalls() != 1 {
			t.Errorf("connection %d was told %d times", i, sinks[i].GoneCalls())
		}
		sinks[i].Conn().Close()
	}
	if len(b.Networks()) != 0 || b.PortsUsed() != 0 {
		t.Errorf("%d networks and %d ports are left", len(b.Networks()), b.PortsUsed())
	}
}

// A network that is not to persist ends with its last port, also if that was
// taken off.
func TestEvictionEndsNetwork(t *testing.T) {
	var s script
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Persist, s.Queue, s.Overflow = false, 1, bus.Disconnect })
	slow := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Recv: true})
	s.tick = func(s *script) { s.env.Send(slow.Port(), []byte{1}) }
	l.Bus.Tick(epoch)
	if slow.Gone() || l.Bus.Network("lab") != l.Net {
		t.Fatal("it ended with a port")
	}
	l.Bus.Tick(epoch)
	if !slow.Gone() || l.Bus.Network("lab") != nil {
		t.Error("it did not end with its last port")
	}
}
