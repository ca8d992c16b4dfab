package bus_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

func TestEvents(t *testing.T) {
	l := bustest.NewLab(t, directed)
	e := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(e), 0)
	if _, err := l.Net.Reserve(3); err != nil {
		t.Fatal(err)
	}
	c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Number: 3, Recv: true})
	wantKind(t, "name", c.Port().SetName("two words"), 0)
	wantKind(t, "policy", l.Net.SetPolicy(hub), 0)
	l.Net.ChangeDoorAccess(func(a *bus.Access) { *a = bus.Access{Mode: 0o640, UID: 1, GID: 2} })
	wantKind(t, "rename", l.Bus.Rename("lab", "net"), 0)
	l.Net.ResetStats()
	l.Net.Event("own", "key=%d", 1)
	l.Net.Event("bare", "")
	wantKind(t, "remove", l.Net.RemovePort(3), 0)
	l.Bus.Shutdown()
	want := `port-reserved port=3
port-joined port=3 kind=fake rights=r uid=0 pid=0 comm=""
counts readers=1 writers=0
port-named port=3 name="two words"
policy name=test-hub
rights mode=0640 uid=1 gid=2
renamed from=lab to=net
stats-reset
own key=1
bare
port-left port=3 kind=fake reason=removed
counts readers=0 writers=0
port-released port=3
network-ended`
	if got := strings.Join(e.Lines(), "\n"); got != want {
		t.Errorf("events are\n%s\nwant\n%s", got, want)
	}
	if e.GoneCalls() != 1 {
		t.Errorf("told %d times that the network has ended", e.GoneCalls())
	}
}

// raw keeps lines as they come.
type raw struct{ lines []string }

func (r *raw) Add(line []byte) { r.lines = append(r.lines, string(line)) }
func (r *raw) Gone()           {}

func TestEventLines(t *testing.T) {
	l := bustest.NewLab(t, directed)
	var r raw
	wantKind(t, "subscribe", l.Net.Subscribe(&r), 0)
	before := time.Now().Add(-time.Second)
	l.Net.Event("x", "a=b")
	m := regexp.MustCompile(`^(\S+Z) x a=b\n$`).FindStringSubmatch(r.lines[0])
	if m == nil {
		t.Fatalf("a line is %q", r.lines[0])
	}
	stamp, err := time.Parse("2006-01-02T15:04:05.000000Z", m[1])
	if err != nil || stamp.Before(before) || stamp.After(time.Now().Add(time.Second)) {
		t.Errorf("its time is %s, %v", m[1], err)
	}
}

func TestSubscribers(t *testing.T) {
	l := bustest.NewLab(t, directed)
	subs := []*bustest.Events{{}, {}, {}}
	for _, e := range subs {
		wantKind(t, "subscribe", l.Net.Subscribe(e), 0)
	}
	l.Net.Event("one", "")
	l.Net.Unsubscribe(subs[1])
	l.Net.Unsubscribe(subs[1])
	l.Net.Unsubscribe(&bustest.Events{})
	l.Net.Event("two", "")
	for i, want := range []string{"one two", "one", "one two"} {
		if got := strings.Join(subs[i].Lines(), " "); got != want {
			t.Errorf("subscriber %d was told %q, want %q", i, got, want)
		}
	}
	l.Bus.Shutdown()
	if subs[0].GoneCalls() != 1 || subs[1].GoneCalls() != 0 {
		t.Error("who unsubscribed was told of the end, or another was not")
	}
}

func TestStamp(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600))
	if got := bus.Stamp(at); got != "2026-01-02T02:04:05.000006Z" {
		t.Errorf("the stamp is %s", got)
	}
}
