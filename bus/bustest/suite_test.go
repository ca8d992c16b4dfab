package bustest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

func TestFakePasses(t *testing.T) {
	t.Run("all", func(t *testing.T) { TestPolicy(t, FakeName) })
	t.Run("many at once", func(t *testing.T) { TestPolicy(t, FakeBatcherName) })
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
	make  func(f *Fake) policy.Policy
}{
	"other name":      {"identity", "its name is", func(f *Fake) policy.Policy { return f }},
	"any argument":    {"identity", "unknown argument", func(f *Fake) policy.Policy { return named{f, "any-argument"} }},
	"scribbles":       {"delivery", "was changed", func(f *Fake) policy.Policy { return &scribbler{Fake: f} }},
	"sends twice":     {"delivery", "came after", func(f *Fake) policy.Policy { return &twice{Fake: f} }},
	"sends nothing":   {"delivery", "no frame reached", func(f *Fake) policy.Policy { return silent{f} }},
	"allocates":       {"forward allocates nothing", "allocates", func(f *Fake) policy.Policy { return &allocator{Fake: f} }},
	"allocates there": {"send allocates nothing", "allocates", func(f *Fake) policy.Policy { return &allocator{Fake: f} }},
	"goroutine":       {"goroutines", "goroutines more", func(f *Fake) policy.Policy { return newRunner(f) }},
	"forgets none":    {"joins and leaves", "not there", func(f *Fake) policy.Policy { return &stale{Fake: f} }},
	"ticks":           {"ticks", "was changed", func(f *Fake) policy.Policy { return &ticker{Fake: f} }},
	"own refusal":     {"tables and knobs", "refuses what it gives", func(f *Fake) policy.Policy { return oddKnob(f, "a", false) }},
	"bad refusal":     {"tables and knobs", "and yet changed", func(f *Fake) policy.Policy { return oddKnob(f, "b", true) }},
	"knob's name":     {"tables and knobs", "network name", func(f *Fake) policy.Policy { return oddKnob(f, "b c", false) }},
	"same names":      {"tables and knobs", "one name", func(f *Fake) policy.Policy { return oddKnob(f, "mute", false) }},
	"plain error":     {"tables and knobs", "no bus.Error", func(f *Fake) policy.Policy { return oddKnob(f, "plain", false) }},
	"other lists":     {"tables and knobs", "others at each call", func(f *Fake) policy.Policy { return &shifty{Fake: f} }},
	"one for all":     {"tables and knobs", "and yet changed", func(f *Fake) policy.Policy { return &mixed{Fake: f} }},
	"puts none back":  {"tables and knobs", "SavePort put back", func(f *Fake) policy.Policy { return &careless{Fake: f} }},
	"saves rubbish":   {"tables and knobs", "refuses what it saves", func(f *Fake) policy.Policy { return &saver{f, "+what"} }},
	"saves more":      {"tables and knobs", "set to what it saves, and that changed", func(f *Fake) policy.Policy { return &saver{f, "+7"} }},
	"late setting":    {"concurrency", "refuses what it gave", func(f *Fake) policy.Policy { return &spent{Fake: f} }},
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
func registerFlawed(name string, make func(*Fake) policy.Policy) string {
	if as, ok := registered[name]; ok {
		return as
	}
	as := strings.NewReplacer(" ", "-", "'", "").Replace(name)
	policy.Register(policy.Type{Name: as, Summary: "flawed", New: func(args map[string]string) (policy.Policy, error) {
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

func (s *scribbler) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	f.Data()[9]++
	s.Fake.Forward(in, f, out)
}

type twice struct{ *Fake }

func (w *twice) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	w.Fake.Forward(in, f, out)
	w.Fake.Forward(in, f, out)
}

type silent struct{ *Fake }

func (silent) Forward(policy.Port, *frame.Frame, *policy.Egress) {}

type allocator struct {
	*Fake
	last []byte
}

func (a *allocator) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	a.last = make([]byte, 8)
	a.Fake.Forward(in, f, out)
}

// runner has a goroutine, which ends with the test.
type runner struct{ *Fake }

var stopRunners chan struct{}

func newRunner(f *Fake) policy.Policy {
	stop := stopRunners
	go func() { <-stop }()
	return runner{f}
}

type stale struct{ *Fake }

func (stale) Leave(policy.Port) {}

// ticker begins to scribble after its first tick.
type ticker struct {
	*Fake
	ticked bool
}

func (k *ticker) Tick(time.Time) { k.ticked = true }

func (k *ticker) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
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

func oddKnob(f *Fake, name string, apply bool) policy.Policy {
	return &odd{Fake: f, name: name, apply: apply, value: "start"}
}

func (o *odd) Knobs() []policy.Knob {
	return append(o.Fake.Knobs(), policy.Knob{Name: o.name, Get: func() string { return o.value }, Set: func(v string) error {
		switch {
		case o.name == "a" || v != "start":
			if o.apply {
				o.value = v
			}
			if o.name == "plain" {
				return errPlain
			}
			return fail.Errorf(fail.Invalid, "no")
		}
		return nil
	}})
}

type plainError struct{}

func (plainError) Error() string { return "plain" }

var errPlain = plainError{}

// shifty has its tables in another order each time.
type shifty struct {
	*Fake
	calls int
}

func (s *shifty) Tables() []policy.Table {
	tables := s.Fake.Tables()
	if s.calls++; s.calls%2 == 0 {
		slices.Reverse(tables)
	}
	return tables
}

// saver saves a command that it was not given.
type saver struct {
	*Fake
	command string
}

func (s *saver) Tables() []policy.Table {
	tables := s.Fake.Tables()
	tables[1].Save = func() []string { return []string{s.command} }
	return tables
}

// mixed has a knob of each port that changes another port's, if refused.
type mixed struct {
	*Fake
	last string
}

func (m *mixed) PortKnobs() []policy.PortKnob {
	return []policy.PortKnob{{Name: "mixed", Get: func(policy.Port) string { return m.last }, Set: func(p policy.Port, v string) error {
		if v == m.last {
			return nil
		}
		m.last = v
		return fail.Errorf(fail.Invalid, "no")
	}}}
}

// careless does not put back how a port was set up.
type careless struct{ *Fake }

func (careless) SavePort(policy.Port) func() { return func() {} }

// spent has a knob that can be set twice.
type spent struct {
	*Fake
	sets int
}

func (s *spent) PortKnobs() []policy.PortKnob {
	return []policy.PortKnob{{Name: "spent", Get: func(policy.Port) string { return "x" }, Set: func(policy.Port, string) error {
		if s.sets++; s.sets > 2 {
			return fail.Errorf(fail.Busy, "no more")
		}
		return nil
	}}}
}

// What a network may not do to its policy is noted.
func TestWatch(t *testing.T) {
	l := NewLab(t, hubName)
	port := l.Join(t, &Sink{}).Port()
	data := frame.NewFrame([]byte{0, 0})
	forward := func(w *watch) { w.Forward(port, &data, &policy.Egress{}) }
	start := func(w *watch) { w.Start(policy.Env(nil)) }
	for what, calls := range map[string][]func(*watch){
		"Start came in stage 1": {start, start},
		"Stop came in stage 0":  {(*watch).Stop},
		"Stop came in stage 2":  {start, (*watch).Stop, (*watch).Stop},
		"before Start":          {forward},
		"Tick came before":      {func(w *watch) { w.Tick(time.Time{}) }},
		"Join came before":      {func(w *watch) { w.Join(port) }},
		"or after Stop":         {start, (*watch).Stop, func(w *watch) { w.Leave(port) }},
		"never stopped":         {start},
		"never left":            {start, func(w *watch) { w.Join(port) }, (*watch).Stop},
		"has not joined":        {start, forward, (*watch).Stop},
		"":                      {start, func(w *watch) { w.Join(port) }, forward, func(w *watch) { w.Leave(port) }, (*watch).Stop},
	} {
		f, err := NewFake(nil)
		if err != nil {
			t.Fatal(err)
		}
		w := &watch{Policy: f, alone: true, joined: map[policy.Port]bool{}}
		for _, call := range calls {
			call(w)
		}
		switch err := w.verdict(); {
		case what == "" && err != nil:
			t.Errorf("all was well: %v", err)
		case what != "" && (err == nil || !strings.Contains(err.Error(), what)):
			t.Errorf("%q is not noted: %v", what, err)
		}
	}
}
