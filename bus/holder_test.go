package bus_test

import (
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// A refusal to end a network says who is on it, the first few, and what to do;
// with the longest names it is still short enough for a line of errors.
func TestHolders(t *testing.T) {
	b := newBus(t, bus.DefaultLimits())
	name := strings.Repeat("n", 64)
	for _, network := range []string{"lan", name} {
		if err := create(b, network); err != nil {
			t.Fatal(err)
		}
	}
	join := func(network string, o bus.JoinOptions) {
		o.Recv = true
		c, err := b.Network(network).Join(&bustest.Sink{}, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
	}
	refused := func(network string) string {
		err := b.Remove(network)
		wantKind(t, network, err, fail.Busy)
		return err.Error()
	}

	cat := bus.Info{Kind: "port", Comm: "cat", PID: 77}
	join("lan", bus.JoinOptions{Info: cat})
	for _, c := range []struct {
		more func()
		want string
	}{
		{func() {}, "has 1 ports: ports/1 (port, cat, pid 77):"},
		{func() {
			join("lan", bus.JoinOptions{Info: bus.Info{Kind: "tap", Detail: "eth 0", Comm: "sh", PID: 80}})
		},
			`has 2 ports: ports/1 (port, cat, pid 77), ports/2 (tap "eth 0", sh, pid 80):`},
		{func() { _, _ = b.Network("lan").Reserve(7) },
			`has 3 ports: ports/1 (port, cat, pid 77), ports/2 (tap "eth 0", sh, pid 80), ports/7 (reserved):`},
		{func() { join("lan", bus.JoinOptions{Number: 1, Info: bus.Info{Kind: "stream"}}) },
			`has 3 ports: ports/1 (port, cat, pid 77), ports/1 (stream), ports/2 (tap "eth 0", sh, pid 80) and 1 more:`},
	} {
		c.more()
		if got, want := refused("lan"), "network lan "+c.want+" rmdir lan/ports/* first"; got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}

	for range 1000 {
		join(name, bus.JoinOptions{Info: bus.Info{Kind: "stream", Detail: "123456789012345", Comm: "abcdefghijklmno", PID: 4194304}})
	}
	if got := refused(name); len(got) > 320 || !strings.HasSuffix(got, " more: rmdir "+name+"/ports/* first") {
		t.Errorf("%d bytes: %s", len(got), got)
	}

	wantPort := "port 1 is held by uid 0 (port, cat, pid 77)"
	_, err := b.Network("lan").Join(&bustest.Sink{}, bus.JoinOptions{Number: 1, Recv: true, Info: bus.Info{UID: 5}})
	if err == nil || err.Error() != wantPort {
		t.Errorf("%v; want %s", err, wantPort)
	}
}
