package bustest

import (
	"bytes"
	"strings"
	"testing"

	"ipnfs/bus"
)

func TestRecorder(t *testing.T) {
	l := NewLab(t, hubName)
	r := &Recorder{}
	l.Join(t, r)
	from := l.Join(t, &Recorder{})
	Send(from, []byte("one"))
	if n := SendBatch(from, []byte("two"), []byte("three")); n != 2 {
		t.Errorf("a batch of 2: %d went", n)
	}
	if got := string(bytes.Join(r.Frames(), []byte(" "))); got != "one two three" {
		t.Errorf("recorded %q", got)
	}
}

func TestSink(t *testing.T) {
	l := NewLab(t, hubName)
	s := &Sink{}
	l.Join(t, s)
	from := l.Join(t, &Recorder{})
	for _, f := range []string{"a", "b", "c"} {
		Send(from, []byte(f))
	}
	if s.Queued() != 3 || s.Wakes() != 1 {
		t.Errorf("%d queued, %d wakes; want 3 and 1", s.Queued(), s.Wakes())
	}
	if f := s.Take(); string(f) != "a" {
		t.Errorf("the oldest is %q", f)
	}
	if n := len(s.TakeAll()); n != 2 || s.Take() != nil {
		t.Errorf("%d were left, want 2 and then none", n)
	}
}

func TestPuller(t *testing.T) {
	l := NewLab(t, hubName)
	p := &Puller{}
	l.Join(t, p)
	from := l.Join(t, &Recorder{})
	p.Pull(2)
	for _, f := range []string{"a", "b", "c", "d"} {
		Send(from, []byte(f))
	}
	if p.Taken() != 2 {
		t.Errorf("2 reads waited, %d frames were taken", p.Taken())
	}
	p.Pull(3)
	Send(from, []byte("e"))
	Send(from, []byte("f"))
	if got := string(bytes.Join(p.Frames(), nil)); got != "abcde" {
		t.Errorf("5 reads took %q, want abcde", got)
	}
}

func TestEvents(t *testing.T) {
	l := NewLab(t, hubName)
	e := &Events{}
	if err := l.Net.Subscribe(e); err != nil {
		t.Fatal(err)
	}
	l.Leave(l.Join(t, &Sink{}))
	l.Bus.Shutdown()
	if e.Count("port-joined") != 1 || e.Count("port-left") != 1 || e.GoneCalls() != 1 {
		t.Errorf("joined, left and ended; told %q, gone %d times", e.Lines(), e.GoneCalls())
	}
	if line := e.Lines()[0]; !strings.HasPrefix(line, "port-joined port=1 ") {
		t.Errorf("the first line is %q", line)
	}
}

func TestMark(t *testing.T) {
	f := Mark([]byte("head"), 7, 300, 20)
	if sender, seq, err := ReadMark(f); sender != 7 || seq != 300 || err != nil {
		t.Errorf("read %d %d %v", sender, seq, err)
	}
	changed := bytes.Clone(f)
	changed[10]++
	for what, bad := range map[string][]byte{
		"empty": nil, "short": f[1:], "long": append([]byte{0}, f...), "cut": f[:len(f)-1], "changed": changed,
	} {
		if _, _, err := ReadMark(bad); err == nil {
			t.Errorf("a frame that is %s passes", what)
		}
	}
	a, b, other := Mark(nil, 1, 1, 0), Mark(nil, 1, 2, 0), Mark(nil, 2, 1, 0)
	for what, c := range map[string]struct {
		frames [][]byte
		ok     bool
	}{
		"in order":    {[][]byte{a, other, b}, true},
		"out of it":   {[][]byte{b, a}, false},
		"twice":       {[][]byte{a, a}, false},
		"from itself": {[][]byte{a, Mark(nil, 5, 1, 0)}, false},
	} {
		if err := CheckOrder(c.frames, 5); (err == nil) != c.ok {
			t.Errorf("frames %s: %v", what, err)
		}
	}
}

func TestBalance(t *testing.T) {
	s := bus.Stats{Offered: 6, Received: 3, Queued: 1}
	if CheckBalance(s) == nil {
		t.Error("two copies are missing, and that passes")
	}
	s.Drops[0] = 2
	if err := CheckBalance(s); err != nil {
		t.Error(err)
	}
}

// What a lab checks at its end: that all was closed and given back.
func TestLabChecksTheEnd(t *testing.T) {
	shorten(t)
	l, err := newLab(hubName)
	if err != nil {
		t.Fatal(err)
	}
	forgotten, err := l.Net.Join(&Sink{}, both)
	if err != nil {
		t.Fatal(err)
	}
	from, err := l.join(&Recorder{}, both)
	if err != nil {
		t.Fatal(err)
	}
	Send(from, make([]byte, 100))
	if err := l.close(); err == nil || !strings.Contains(err.Error(), "queued") || !strings.Contains(err.Error(), "memory") {
		t.Errorf("a connection was forgotten: %v", err)
	}
	forgotten.Close()
}
