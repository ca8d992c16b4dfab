package bustest

import (
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
)

func TestFakePasses(t *testing.T) {
	t.Run("all", func(t *testing.T) { TestPolicy(t, FakeName) })
	t.Run("directed", func(t *testing.T) {
		TestPolicy(t, FakeName, Args("limit=7"), Header(func(sender int) []byte { return []byte{byte(1 + sender%6)} }))
	})
}

func TestHubPasses(t *testing.T) {
	for _, c := range policyChecks {
		if c.name == "identity" { // it takes any argument
			continue
		}
		if err := c.run(newSuite(hubName)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Policies that are wrong in one way each, and the check that must find it.
var flawed = map[string]struct {
	check string
	what  string // in the error
	make  func(f *Fake) bus.Policy
}{
	"other name":      {"identity", "its name is", func(f *Fake) bus.Policy { return f }},
	"any argument":    {"identity", "unknown argument", func(f *Fake) bus.Policy { return named{f, "any-argument"} }},
	"scribbles":       {"delivery", "was changed", func(f *Fake) bus.Policy { return &scribbler{Fake: f} }},
	"sends twice":     {"delivery", "came after", func(f *Fake) bus.Policy { return &twice{Fake: f} }},
	"sends nothing":   {"delivery", "no frame reached", func(f *Fake) bus.Policy { return silent{f} }},
	"allocates":       {"forward allocates nothing", "allocates", func(f *Fake) bus.Policy { return &allocator{Fake: f} }},
	"allocates there": {"send allocates nothing", "allocates", func(f *Fake) bus.Policy { return &allocator{Fake: f} }},
	"goroutine":       {"goroutines", "goroutines more", func(f *Fake) bus.Policy { return newRunner(f) }},
	"forgets none":    {"joins and leaves", "not there", func(f *Fake) bus.Policy { return &stale{Fake: f} }},
	"ticks":           {"ticks", "was changed", func(f *Fake) bus.Policy { return &ticker{Fake: f} }},
	"own refusal":     {"tables and knobs", "refuses what it gives", func(f *Fake) bus.Policy { return oddKnob(f, "a", false) }},
	"bad refusal":     {"tables and knobs", "and yet changed", func(f *Fake) bus.Policy { return oddKnob(f, "b", true) }},
	"knob's name":     {"tables and knobs", "network name", func(f *Fake) bus.Policy { return oddKnob(f, "b c", false) }},
	"same names":      {"tables and knobs", "one name", func(f *Fake) bus.Policy { return oddKnob(f, "mute", false) }},
	"plain error":     {"tables and knobs", "no bus.Error", func(f *Fake) bus.Policy { return oddKnob(f, "plain", false) }},
}

func TestSuiteFindsFlaws(t *testing.T) {
	stopRunners = make(chan struct{})
	t.Cleanup(func() { close(stopRunners) })
	for name, c := range flawed {
		t.Run(name, func(t *testing.T) {
			shorten(t)
			err := checkOf(t, c.check)(newSuite(registerFlawed(name, c.make), Header(func(sender int) []byte {
				return []byte{byte(1 + sender%6), 0, 0, 0, 0, 0, 0, 0}
			})))
			if err == nil || !strings.Contains(err.Error(), c.what) {
				t.Errorf("the check %q says %v, want something with %q", c.check, err, c.what)
			}
		})
	}
}

func checkOf(t *testing.T, name string) func(*suite) error {
	for _, c := range policyChecks {
		if c.name == name {
			return c.run
		}
	}
	t.Fatalf("there is no check %q", name)
	return nil
}

var registered = map[string]string{}

// registerFlawed registers once, for go test -count.
func registerFlawed(name string, make func(*Fake) bus.Policy) string {
	if as, ok := registered[name]; ok {
		return as
	}
	as := strings.NewReplacer(" ", "-", "'", "").Replace(name)
	bus.RegisterPolicy(bus.PolicyType{Name: as, Summary: "flawed", New: func(args map[string]string) (bus.Policy, error) {
		f, err := NewFake(nil)
		return make(f), err
	}})
	registered[name] = as
	return as
}

type named struct {
	*Fake
	name string
}

func (n named) Name() string { return n.name }

type scribbler struct{ *Fake }

func (s *scribbler) Forward(in *bus.Port, f *bus.Frame, out *bus.Egress) {
	f.Data()[9]++
	s.Fake.Forward(in, f, out)
}

type twice struct{ *Fake }

func (w *twice) Forward(in *bus.Port, f *bus.Frame, out *bus.Egress) {
	w.Fake.Forward(in, f, out)
	w.Fake.Forward(in, f, out)
}

type silent struct{ *Fake }

func (silent) Forward(*bus.Port, *bus.Frame, *bus.Egress) {}

type allocator struct {
	*Fake
	last []byte
}

func (a *allocator) Forward(in *bus.Port, f *bus.Frame, out *bus.Egress) {
	a.last = make([]byte, 8)
	a.Fake.Forward(in, f, out)
}

// runner has a goroutine, which ends with the test.
type runner struct{ *Fake }

var stopRunners chan struct{}

func newRunner(f *Fake) bus.Policy {
	stop := stopRunners
	go func() { <-stop }()
	return runner{f}
}

type stale struct{ *Fake }

func (stale) Leave(*bus.Port) {}

// ticker begins to scribble after its first tick.
type ticker struct {
	*Fake
	ticked bool
}

func (k *ticker) Tick(time.Time) { k.ticked = true }

func (k *ticker) Forward(in *bus.Port, f *bus.Frame, out *bus.Egress) {
	if k.ticked {
		f.Data()[9]++
	}
	k.Fake.Forward(in, f, out)
}

// odd has one more knob, which takes one letter.
type odd struct {
	*Fake
	name  string
	value string
	apply bool // also what it refuses
}

func oddKnob(f *Fake, name string, apply bool) bus.Policy {
	return &odd{Fake: f, name: name, apply: apply, value: "start"}
}

func (o *odd) Knobs() []bus.Knob {
	return append(o.Fake.Knobs(), bus.Knob{Name: o.name, Get: func() string { return o.value }, Set: func(v string) error {
		switch {
		case o.name == "a" || v != "start":
			if o.apply {
				o.value = v
			}
			if o.name == "plain" {
				return errPlain
			}
			return bus.Errorf(bus.Invalid, "no")
		}
		return nil
	}})
}

type plainError struct{}

func (plainError) Error() string { return "plain" }

var errPlain = plainError{}
