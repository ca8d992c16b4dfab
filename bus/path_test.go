package bus_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

func texts(frames [][]byte) string {
	var list []string
	for _, f := range frames {
		list = append(list, string(f))
	}
	return strings.Join(list, " ")
}

func TestFlood(t *testing.T) {
	l := bustest.NewLab(t, directed)
	var ears [4]bustest.Recorder
	var conns []*bus.Conn
	for i := range ears {
		conns = append(conns, l.Join(t, &ears[i]))
	}
	bustest.Send(conns[1], []byte(toAll+"a"))
	bustest.SendBatch(conns[1], []byte(toAll+"b"), []byte(toAll+"c"))
	for i := range ears {
		want := toAll + "a " + toAll + "b " + toAll + "c"
		if i == 1 {
			want = ""
		}
		if got := texts(ears[i].Frames()); got != want {
			t.Errorf("port %d received %q, want %q", i+1, got, want)
		}
	}
}

// A batch whose frames have different egress is cut into runs.
func TestRuns(t *testing.T) {
	l := bustest.NewLab(t, directed)
	var ears [3]bustest.Recorder
	for i := range ears {
		l.Join(t, &ears[i])
	}
	from := l.Join(t, &bustest.Recorder{})
	var batch [][]byte
	want := [3]string{}
	for i := range 50 {
		to := []int{1, 1, 2, 255, 255, 3, 1, 0, 0, 2}[i%10]
		f := fmt.Appendf([]byte{byte(to)}, "-%d", i)
		batch = append(batch, f)
		for k := range want {
			if to == 255 || to == k+1 {
				want[k] += string(f) + " "
			}
		}
	}
	if n := bustest.SendBatch(from, batch...); n != len(batch) {
		t.Errorf("%d of %d frames went", n, len(batch))
	}
	for k := range ears {
		if got := texts(ears[k].Frames()) + " "; got != want[k] {
			t.Errorf("port %d received\n%q, want\n%q", k+1, got, want[k])
		}
	}
	if stats := l.Net.Stats(); stats.Nobody != 10 || stats.Frames != 50 {
		t.Errorf("10 of 50 frames were for nobody; counted %d of %d", stats.Nobody, stats.Frames)
	}
}

// A frame does not return, whatever the policy says.
func TestNeverBack(t *testing.T) {
	l := bustest.NewLab(t, directed)
	me := &bustest.Recorder{}
	c := l.Join(t, me)
	bustest.Send(c, []byte("\x01to myself"))
	bustest.Send(c, []byte(toAll+"alone"))
	if n := len(me.Frames()); n != 0 {
		t.Errorf("%d frames came back", n)
	}
	if stats := l.Net.Stats(); stats.Nobody != 2 {
		t.Errorf("%d frames were for nobody, want 2", stats.Nobody)
	}
}

// Several connections of one port do not hear each other, and all hear the
// others.
func TestSharedPort(t *testing.T) {
	l := bustest.NewLab(t, directed)
	if _, err := l.Net.Reserve(1); err != nil {
		t.Fatal(err)
	}
	one := both
	one.Number = 1
	var ears [2]bustest.Recorder
	a := l.JoinAs(t, &ears[0], one)
	l.JoinAs(t, &ears[1], one)
	other := &bustest.Recorder{}
	from := l.Join(t, other)
	bustest.Send(a, []byte(toAll+"out"))
	bustest.Send(from, []byte("\x01in"))
	bustest.Send(from, []byte(toAll+"all"))
	for i := range ears {
		if got := texts(ears[i].Frames()); got != "\x01in "+toAll+"all" {
			t.Errorf("connection %d received %q", i, got)
		}
	}
	if got := texts(other.Frames()); got != toAll+"out" {
		t.Errorf("the other port received %q", got)
	}
}

// Who may not receive gets nothing, whatever the policy says.
func TestSendOnlyHearsNothing(t *testing.T) {
	l := bustest.NewLab(t, directed)
	deaf := &bustest.Recorder{}
	l.JoinAs(t, deaf, bus.JoinOptions{Send: true})
	from := l.Join(t, &bustest.Recorder{})
	bustest.Send(from, []byte(toAll))
	bustest.Send(from, []byte("\x01"))
	if n := len(deaf.Frames()); n != 0 {
		t.Errorf("%d frames came to who may only send", n)
	}
	if stats := l.Net.Stats(); stats.Nobody != 2 || stats.Offered != 0 {
		t.Errorf("stats are %+v", stats)
	}
}

// A frame that waits is not overtaken by one that finds the reader waiting.
func TestQueueBeforeClaim(t *testing.T) {
	l := bustest.NewLab(t, directed)
	p := &bustest.Puller{}
	l.Join(t, p)
	from := l.Join(t, &bustest.Recorder{})
	for i := range 10 {
		bustest.SendBatch(from, []byte{255, byte(3 * i)}, []byte{255, byte(3*i + 1)})
		bustest.Send(from, []byte{255, byte(3*i + 2)})
		p.Pull(1 + i%4)
	}
	p.Pull(100)
	frames := p.Frames()
	if len(frames) != 30 {
		t.Fatalf("received %d frames, want 30", len(frames))
	}
	for i, f := range frames {
		if !bytes.Equal(f, []byte{255, byte(i)}) {
			t.Errorf("frame %d is % x", i, f)
		}
	}
}

// An endpoint that cannot take long frames gets the others.
func TestMaxLen(t *testing.T) {
	for what, ep := range map[string]interface {
		bus.Endpoint
		all() [][]byte
	}{"takes": &recorder{}, "queues": &sink{}} {
		l := bustest.NewLab(t, directed)
		o := both
		o.MaxLen = 10
		l.JoinAs(t, ep, o)
		from := l.Join(t, &bustest.Recorder{})
		long := toAll + "0123456789"
		bustest.Send(from, []byte(long))
		bustest.SendBatch(from, []byte(toAll+"a"), []byte(long), []byte(long), []byte(toAll+"b"))
		bustest.SendBatch(from, []byte(toAll+"012345678"))
		if got := texts(ep.all()); got != toAll+"a "+toAll+"b "+toAll+"012345678" {
			t.Errorf("%s: received %q", what, got)
		}
		stats := l.Net.Stats()
		if err := bustest.CheckBalance(stats); err != nil || stats.Dropped() != 3 || stats.Frames != 6 {
			t.Errorf("%s: stats are %+v, %v", what, stats, err)
		}
	}
}

type recorder struct{ bustest.Recorder }

func (r *recorder) all() [][]byte { return r.Frames() }

type sink struct{ bustest.Sink }

func (s *sink) all() [][]byte { return s.TakeAll() }

func TestSendNothing(t *testing.T) {
	l := bustest.NewLab(t, directed)
	c := l.Join(t, &bustest.Recorder{})
	var b bus.Batch
	if n := c.Send(&b); n != 0 {
		t.Errorf("an empty batch: %d frames went", n)
	}
	if bustest.SendBatch(c) != 0 || l.Net.Stats().Frames != 0 {
		t.Error("frames were counted")
	}
}

func TestLargestFrame(t *testing.T) {
	l := bustest.NewLab(t, directed)
	s, r := &bustest.Sink{}, &bustest.Recorder{}
	l.Join(t, s)
	l.Join(t, r)
	from := l.Join(t, &bustest.Recorder{})
	f := bytes.Repeat([]byte{255, 1, 2, 3}, frame.MaxFrame/4)
	if !bustest.Send(from, f) {
		t.Fatal("the largest frame did not go")
	}
	if got := s.Take(); !bytes.Equal(got, f) {
		t.Errorf("from the queue came %d bytes, or others", len(got))
	}
	if got := r.Frames(); len(got) != 1 || !bytes.Equal(got[0], f) {
		t.Error("the recorder got something else")
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	l := bustest.NewLab(t, directed)
	for range 3 {
		p := &bustest.Puller{Discard: true}
		p.Pull(1 << 40)
		l.Join(t, p)
	}
	from := l.Join(t, &bustest.Recorder{})
	var b bus.Batch
	one := []byte("\xffone frame")
	runs := bustest.Stream([]byte("\x01a"), []byte("\x02b"), []byte("\xffc"), []byte("\x00d"))
	if n := testing.AllocsPerRun(100, func() {
		b.SetFrame(one)
		from.Send(&b)
		b.SetStream(runs, frame.DefaultMTU)
		from.Send(&b)
		b.Reset()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
