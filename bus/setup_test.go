package bus_test

import (
	"fmt"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// tagOf reads the knob "tag" that the policy Fake has for a port.
func tagOf(t *testing.T, p *bus.Port) (value string) {
	t.Helper()
	err := p.UsePolicy(func(current policy.Policy) error {
		value = current.(policy.PortKnobber).PortKnobs()[0].Get(p)
		return nil
	})
	wantKind(t, "tag", err, 0)
	return value
}

func tagged(number int, value string) bus.JoinOptions {
	return bus.JoinOptions{Number: number, Recv: true, Make: true, Setup: []bus.PortSetting{{Name: "tag", Value: value}}}
}

// A joiner's port is set up for it, whether it is made, reserved or any.
func TestJoinSetsUp(t *testing.T) {
	l := bustest.NewLab(t, bustest.FakeName)
	events := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(events), 0)
	_, err := l.Net.Reserve(5)
	wantKind(t, "reserve", err, 0)
	for i, number := range []int{0, 5, 9} {
		o := tagged(number, fmt.Sprint(10+i))
		o.Name = "host"
		wantKind(t, "may join", l.Net.CanJoin(o), 0)
		c := l.JoinAs(t, &bustest.Sink{}, o)
		p := c.Port()
		if number != 0 && p.Number() != number || tagOf(t, p) != fmt.Sprint(10+i) || p.Info().Name != "host" {
			t.Errorf("joined %d as %d, tag %s, name %q", number, p.Number(), tagOf(t, p), p.Info().Name)
		}
		if p.Info().Reserved != (number == 5) {
			t.Errorf("port %d is reserved: %v", number, p.Info().Reserved)
		}
		l.Leave(c)
		if left := l.Net.Port(number); (left != nil) != (number == 5) {
			t.Errorf("port %d is there when its holder has left: %v", number, left != nil)
		}
	}
	if n := events.Count("port-named"); n != 3 {
		t.Errorf("%d events port-named, want 3", n)
	}
	// What a reserved port was told stays with it.
	c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Number: 5, Recv: true, Alone: true})
	if tagOf(t, c.Port()) != "11" || c.Port().Info().Name != "host" {
		t.Errorf("who came back found tag %s, name %q", tagOf(t, c.Port()), c.Port().Info().Name)
	}
}

// The settings are in force when the policy hears of the port, and so before
// any frame.
func TestSetUpBeforeJoin(t *testing.T) {
	s := &script{}
	var seen string
	p := &setUpScript{script: s}
	s.join = func(_ *script, port policy.Port) { seen = p.values[port.Number()] }
	l := bustest.NewLab(t, register(t, p))
	l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Number: 3, Make: true, Recv: true, Setup: []bus.PortSetting{{Name: "v", Value: "x"}}})
	if seen != "x" {
		t.Errorf("at Join the value was %q", seen)
	}
}

// setUpScript has one value for each port.
type setUpScript struct {
	*script
	values map[int]string
}

func (s *setUpScript) PortKnobs() []policy.PortKnob {
	return []policy.PortKnob{{Name: "v", Get: func(p policy.Port) string { return s.values[p.Number()] },
		Set: func(p policy.Port, v string) error { s.values = map[int]string{p.Number(): v}; return nil }}}
}

func (*setUpScript) SavePort(policy.Port) func() { return func() {} }

// What is refused changes nothing, and is refused by CanJoin too.
func TestJoinRefused(t *testing.T) {
	l := bustest.NewLab(t, bustest.FakeName)
	set(t, l, func(s *bus.Settings) { s.MaxPorts = 10 })
	p, err := l.Net.Reserve(5)
	wantKind(t, "reserve", err, 0)
	wantKind(t, "name", p.SetName("printer"), 0)
	holder := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Number: 7, Make: true, Recv: true, Info: bus.Info{Detail: "eth0", UID: 3, PID: 44, Comm: "sh"}})
	wantKind(t, "tag of 5", p.UsePolicy(func(current policy.Policy) error {
		return current.(policy.PortKnobber).PortKnobs()[0].Set(p, "77")
	}), 0)
	events := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(events), 0)
	setup := func(number int, pairs ...string) bus.JoinOptions {
		o := bus.JoinOptions{Number: number, Make: true, Recv: true, Name: "new", Words: "port=, name="}
		for i := 0; i < len(pairs); i += 2 {
			o.Setup = append(o.Setup, bus.PortSetting{Name: pairs[i], Value: pairs[i+1]})
		}
		return o
	}
	alone := bus.JoinOptions{Number: 7, Alone: true, Info: bus.Info{UID: 3}}
	long := setup(9)
	long.Name = strings.Repeat("x", bus.MaxPortName+1)
	for what, c := range map[string]struct {
		o    bus.JoinOptions
		kind fail.Kind
		says []string
	}{
		"no such setting":          {setup(9, "tag", "1", "colour", "red"), fail.Invalid, []string{`"colour"`, "port=, name=", "policy fake has tag="}},
		"no such setting, 5":       {setup(5, "tag", "1", "colour", "red"), fail.Invalid, nil},
		"no such setting, any":     {setup(0, "tag", "1", "colour", "red"), fail.Invalid, nil},
		"a setting to read":        {setup(9, "silent", "true"), fail.Invalid, nil},
		"a bad value":              {setup(5, "tag", "1", "tag", "4095"), fail.Range, nil},
		"over maxports":            {setup(11, "tag", "1"), fail.Range, []string{"1 to 10"}},
		"negative":                 {setup(-1, "tag", "1"), fail.Range, nil},
		"a long name":              {long, fail.Range, nil},
		"connected, set up":        {setup(7, "tag", "1"), fail.Busy, []string{"uid 3", "eth0", "pid 44", "sh"}},
		"connected, of one's own":  {alone, fail.Busy, nil},
		"neither there nor made":   {bus.JoinOptions{Number: 9}, fail.Unknown, nil},
		"not the number of a port": {bus.JoinOptions{Number: 1 << 40, Make: true}, fail.Range, nil},
	} {
		for _, try := range []func() error{
			func() error { return l.Net.CanJoin(c.o) },
			func() error { _, err := l.Net.Join(&bustest.Sink{}, c.o); return err },
		} {
			err := try()
			wantKind(t, what, err, c.kind)
			for _, word := range c.says {
				if err != nil && !strings.Contains(err.Error(), word) {
					t.Errorf("%s: %q does not say %q", what, err, word)
				}
			}
			if got := fmt.Sprint(l.Net.Ports()); got != "[5 7]" || tagOf(t, p) != "77" || p.Info().Name != "printer" {
				t.Errorf("%s: ports %s, tag %s, name %q", what, got, tagOf(t, p), p.Info().Name)
			}
		}
	}
	if lines := events.Lines(); len(lines) != 0 {
		t.Errorf("refusals are events: %q", lines)
	}
	if l.Bus.PortsUsed() != 2 || len(holder.Port().Info().Conns) != 1 {
		t.Errorf("%d ports are used, want 2", l.Bus.PortsUsed())
	}
	// A number that was refused is free, and nothing of it is remembered.
	if got := tagOf(t, l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Number: 9, Make: true, Recv: true}).Port()); got != "0" {
		t.Errorf("a new port 9 has the tag %s of one that was refused", got)
	}
}

// A policy without settings of ports says so.
func TestSetUpWithoutSettings(t *testing.T) {
	l := (&script{}).lab(t)
	_, err := l.Net.Join(&bustest.Sink{}, tagged(3, "1"))
	wantKind(t, "a policy without settings", err, fail.Invalid)
	if err != nil && !strings.Contains(err.Error(), "has no settings of ports") {
		t.Errorf("it says %q", err)
	}
}
