package bus_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

func TestDefaultSettings(t *testing.T) {
	l := bustest.NewLab(t, directed)
	want := bus.Settings{MTU: 65535, Queue: 256, Overflow: bus.DropNew, MaxPorts: 1024, Persist: true, LinkType: "ethernet"}
	if got := l.Net.Settings(); got != want {
		t.Errorf("a new network has %+v, want %+v", got, want)
	}
}

func TestChange(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*bus.Settings)
		kind   fail.Kind
	}{
		{"mtu 59", func(s *bus.Settings) { s.MTU = 59 }, fail.Range},
		{"mtu 60", func(s *bus.Settings) { s.MTU = 60 }, 0},
		{"mtu 1044480", func(s *bus.Settings) { s.MTU = 1044480 }, 0},
		{"mtu 1044481", func(s *bus.Settings) { s.MTU = 1044481 }, fail.Range},
		{"mtu -1", func(s *bus.Settings) { s.MTU = -1 }, fail.Range},
		{"queue 0", func(s *bus.Settings) { s.Queue = 0 }, fail.Range},
		{"queue 1", func(s *bus.Settings) { s.Queue = 1 }, 0},
		{"queue 65536", func(s *bus.Settings) { s.Queue = 65536 }, 0},
		{"queue 65537", func(s *bus.Settings) { s.Queue = 65537 }, fail.Range},
		{"maxports 0", func(s *bus.Settings) { s.MaxPorts = 0 }, fail.Range},
		{"maxports 2", func(s *bus.Settings) { s.MaxPorts = 2 }, fail.InUse},
		{"maxports 3", func(s *bus.Settings) { s.MaxPorts = 3 }, 0},
		{"maxports 65536", func(s *bus.Settings) { s.MaxPorts = 65536 }, 0},
		{"maxports 65537", func(s *bus.Settings) { s.MaxPorts = 65537 }, fail.Range},
		{"linktype raw", func(s *bus.Settings) { s.LinkType = "raw" }, 0},
		{"linktype user0", func(s *bus.Settings) { s.LinkType = "user0" }, 0},
		{"linktype user1", func(s *bus.Settings) { s.LinkType = "user1" }, fail.Invalid},
		{"linktype empty", func(s *bus.Settings) { s.LinkType = "" }, fail.Invalid},
		{"one good, one bad", func(s *bus.Settings) { s.MTU, s.Queue = 1500, 0 }, fail.Range},
	} {
		l := bustest.NewLab(t, directed)
		if _, err := l.Net.Reserve(3); err != nil {
			t.Fatal(err)
		}
		before := l.Net.Settings()
		wantKind(t, c.what, l.Net.Change(c.change), c.kind)
		want := before
		if c.kind == 0 {
			c.change(&want)
		}
		if got := l.Net.Settings(); got != want {
			t.Errorf("%s: settings are %+v, want %+v", c.what, got, want)
		}
		if got := l.Net.MTU(); got != want.MTU {
			t.Errorf("%s: MTU is %d, want %d", c.what, got, want.MTU)
		}
	}
}

func TestOverflowNames(t *testing.T) {
	for o, name := range map[bus.Overflow]string{
		bus.DropNew: "drop-new", bus.DropOld: "drop-old", bus.BlockSender: "block", bus.Disconnect: "disconnect",
	} {
		if o.String() != name {
			t.Errorf("%d is called %q, want %q", o, o.String(), name)
		}
		if got, err := bus.ParseOverflow(name); got != o || err != nil {
			t.Errorf("%q is %v, %v", name, got, err)
		}
	}
	for _, s := range []string{"", "Block", "drop", "drop-new ", "4"} {
		_, err := bus.ParseOverflow(s)
		wantKind(t, "overflow "+s, err, fail.Invalid)
	}
}

func TestPortOverrides(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 10, bus.DropOld })
	p := l.Join(t, &bustest.Sink{}).Port()
	check := func(what string, queue int, overflow bus.Overflow) {
		t.Helper()
		if p.Queue() != queue || p.Overflow() != overflow {
			t.Errorf("%s: queue %d, overflow %v; want %d, %v", what, p.Queue(), p.Overflow(), queue, overflow)
		}
	}
	check("before", 10, bus.DropOld)
	block := bus.BlockSender
	wantKind(t, "queue", p.SetQueue(20), 0)
	wantKind(t, "overflow", p.SetOverflow(&block), 0)
	check("overridden", 20, bus.BlockSender)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 30, bus.DropNew })
	check("network changed", 20, bus.BlockSender)
	wantKind(t, "queue -1", p.SetQueue(-1), fail.Range)
	wantKind(t, "queue 65537", p.SetQueue(65537), fail.Range)
	check("refused", 20, bus.BlockSender)
	wantKind(t, "queue 0", p.SetQueue(0), 0)
	wantKind(t, "overflow nil", p.SetOverflow(nil), 0)
	check("inherited again", 30, bus.DropNew)
}

func TestPortName(t *testing.T) {
	l := bustest.NewLab(t, directed)
	p := l.Join(t, &bustest.Sink{}).Port()
	long := string(make([]byte, bus.MaxPortName))
	wantKind(t, "128 bytes", p.SetName(long), 0)
	wantKind(t, "129 bytes", p.SetName(long+"x"), fail.Range)
	if got := p.Info().Name; got != long {
		t.Errorf("after a refusal the name is %q", got)
	}
	wantKind(t, "empty", p.SetName(""), 0)
	if got := p.Info().Name; got != "" {
		t.Errorf("the name is %q, want none", got)
	}
}
