package broadcast

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

func TestBroadcast(t *testing.T) { bustest.TestPolicy(t, Name) }

// Whatever its bytes are, a frame goes to every port but its own.
func TestEverybodyHears(t *testing.T) {
	l := bustest.NewLab(t, Name)
	var conns []*bus.Conn
	ears := make([]bustest.Recorder, 5)
	for i := range ears {
		conns = append(conns, l.Join(t, &ears[i]))
	}
	frames := []string{"x", "\x00", "hello\n", "\xff\xff\xff\xff\xff\xff unicast or not"}
	for _, f := range frames {
		bustest.Send(conns[2], []byte(f))
	}
	for i := range ears {
		want := len(frames)
		if i == 2 {
			want = 0
		}
		got := ears[i].Frames()
		if len(got) != want {
			t.Errorf("port %d received %d frames, want %d", i+1, len(got), want)
		}
		for k := range got {
			if string(got[k]) != frames[k] {
				t.Errorf("port %d received %q, want %q", i+1, got[k], frames[k])
			}
		}
	}
}

func TestArguments(t *testing.T) {
	if _, err := New(map[string]string{"ageing": "300"}); fail.KindOf(err) != fail.Invalid {
		t.Errorf("an argument: %v, want Invalid", err)
	}
}
