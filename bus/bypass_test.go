package bus_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// shortcut is a Bypasser that notes what it is told.
type shortcut struct {
	bustest.Recorder
	conn   *bus.Conn
	why    []string
	passed bus.Passed // since Count was last called
}

var _ bus.Bypasser = (*shortcut)(nil)

func (s *shortcut) Attach(c *bus.Conn) { s.conn = c; s.Recorder.Attach(c) }
func (s *shortcut) Bypass(why string)  { s.why = append(s.why, why) }
func (s *shortcut) Count() {
	s.conn.Add(s.passed)
	s.passed = bus.Passed{}
}

func (s *shortcut) want(t *testing.T, after, why string) {
	t.Helper()
	if len(s.why) == 0 || s.why[len(s.why)-1] != why {
		t.Errorf("after %s: told %q, want %q", after, s.why, why)
	}
	s.why = nil
}

// pass is a stage that lets all pass.
type pass struct{}

func (pass) Ingress(*bus.Conn, *frame.Frame) frame.Drop           { return 0 }
func (pass) Egress(*bus.Conn, *bus.Port, *frame.Frame) frame.Drop { return 0 }
func (pass) Hold(*bus.Conn, bus.Way, frame.Frame)                 {}
func (pass) Leave(*bus.Conn)                                      {}

// Who passes frames by himself hears of all that watches or shapes his port, before
// the call returns that brings it, and when it has gone.
func TestBypass(t *testing.T) {
	l := bustest.NewLab(t, directed)
	first := l.Join(t, &bustest.Recorder{})
	wantKind(t, "mirror", first.Port().SetMirror([]int{2}), 0)
	s := &shortcut{}
	c := l.Join(t, s)
	s.want(t, "joining a port with a mirror", "mirror")
	other := &shortcut{}
	l.Join(t, other)
	other.want(t, "joining", "")

	wantKind(t, "mirror", first.Port().SetMirror([]int{7}), 0)
	s.want(t, "the mirror went elsewhere", "")
	wantKind(t, "mirror", first.Port().SetMirror([]int{2}), 0)
	other.want(t, "another's mirror", "")
	wantKind(t, "stage", c.Port().SetStage(bus.Filter, pass{}), 0)
	s.want(t, "mirror and stage", "mirror")
	l.Leave(first)
	s.want(t, "the mirror left", "filter")
	other.want(t, "another's stage", "")
	stop := l.Net.Observe(&bustest.Watcher{})
	s.want(t, "capture and stage", "capture")
	other.want(t, "capture", "capture")
	stop()
	s.want(t, "the capture ended", "filter")
	wantKind(t, "stage", c.Port().SetStage(bus.Filter, nil), 0)
	s.want(t, "the stage went", "")
	o := both
	o.Number = c.Port().Number()
	guest := l.JoinAs(t, &bustest.Recorder{}, o)
	s.want(t, "another joined the port", "shared")
	l.Leave(guest)
	s.want(t, "he left", "")
	wantKind(t, "policy", l.Net.SetPolicy(directed), 0)
	s.want(t, "another policy", "")
}

// Counters are brought up to date before somebody reads or resets them.
func TestCount(t *testing.T) {
	l := bustest.NewLab(t, directed)
	s := &shortcut{}
	c := l.Join(t, s)
	s.passed = bus.Passed{Frames: 3, Bytes: 30, Overrun: 2, OverrunBytes: 20}
	got := l.Net.Stats()
	if got.Frames != 5 || got.Bytes != 50 || got.Barred[frame.DropOverrun] != 2 {
		t.Errorf("the network's are %+v", got)
	}
	s.passed = bus.Passed{Received: 4, ReceivedBytes: 40, Lost: 1}
	if got := c.Port().Stats(); got.Received != 4 || got.Offered != 5 || got.Frames != 5 {
		t.Errorf("the port's are %+v", got)
	}
	s.passed = bus.Passed{Received: ^uint64(0), Lost: 1} // one was lost after all
	if got := c.Port().Stats(); got.Received != 3 || got.Offered != 5 {
		t.Errorf("after one was taken back the port's are %+v", got)
	}
	s.passed = bus.Passed{Frames: 7}
	c.Port().ResetStats()
	s.passed = bus.Passed{Received: ^uint64(0), Lost: 1} // of what was counted before
	if got := c.Port().Stats(); got != (bus.Stats{}) {
		t.Errorf("after a reset the port's are %+v", got)
	}
	s.passed = bus.Passed{Frames: 7}
	l.Net.ResetStats()
	if got := l.Net.Stats(); got.Frames != 0 {
		t.Errorf("after a reset the network's are %+v", got)
	}
	s.passed = bus.Passed{Frames: 1}
	wantKind(t, "remove", l.Net.RemovePort(1), 0)
	if got := l.Net.Stats(); got.Frames != 1 {
		t.Errorf("after the port was removed the network's are %+v", got)
	}
	s.passed = bus.Passed{Frames: 2} // before it was removed, and nobody has asked since
	l.Leave(c)
	if got := l.Net.Stats(); got.Frames != 3 {
		t.Errorf("after it left the network's are %+v", got)
	}
}
