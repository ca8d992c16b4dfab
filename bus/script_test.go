package bus_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// scriptName is the policy whose argument n tells which script it is.
const scriptName = "test-script"

// script is a policy that does what a test says, and notes when it was called.
type script struct {
	spec    string // under which it is known
	forward func(s *script, in policy.Port, f *frame.Frame, out *policy.Egress)
	start   func(s *script)
	stop    func(s *script)
	join    func(s *script, p policy.Port)
	leave   func(s *script, p policy.Port)
	tick    func(s *script)
	knob    func(s *script, value string)

	env policy.Env

	mu    sync.Mutex
	notes []string
}

var scripts struct {
	sync.Mutex
	last int
	of   map[string]policy.Policy
}

func init() {
	scripts.of = map[string]policy.Policy{}
	policy.Register(policy.Type{Name: scriptName, New: func(args map[string]string) (policy.Policy, error) {
		scripts.Lock()
		defer scripts.Unlock()
		return scripts.of[args["n"]], nil
	}})
}

// register makes p known, until the test ends, and returns what to call it.
func register(t testing.TB, p policy.Policy) (spec string) {
	scripts.Lock()
	defer scripts.Unlock()
	scripts.last++
	n := strconv.Itoa(scripts.last)
	scripts.of[n] = p
	t.Cleanup(func() {
		scripts.Lock()
		defer scripts.Unlock()
		delete(scripts.of, n)
	})
	return scriptName + " n=" + n
}

// register makes s known.
func (s *script) register(t testing.TB) string {
	s.spec = register(t, s)
	return s.spec
}

// lab makes a network with the policy s.
func (s *script) lab(t testing.TB) *bustest.Lab { return bustest.NewLab(t, s.register(t)) }

func (s *script) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// noted returns the notes since the last call.
func (s *script) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.notes
	s.notes = nil
	return notes
}

func (s *script) wantNotes(t *testing.T, what string, want ...string) {
	t.Helper()
	if got := s.noted(); !slices.Equal(got, want) {
		t.Errorf("%s: noted %q, want %q", what, got, want)
	}
}

func (s *script) Name() string { return scriptName }

func (s *script) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	if s.forward != nil {
		s.forward(s, in, f, out)
		return
	}
	out.Flood()
}

func (s *script) Start(env policy.Env) {
	s.env = env
	s.note("start")
	if s.start != nil {
		s.start(s)
	}
}

func (s *script) Stop() {
	s.note("stop")
	if s.stop != nil {
		s.stop(s)
	}
}

func (s *script) Join(p policy.Port) {
	s.note("join %d", p.Number())
	if s.join != nil {
		s.join(s, p)
	}
}

func (s *script) Leave(p policy.Port) {
	s.note("leave %d", p.Number())
	if s.leave != nil {
		s.leave(s, p)
	}
}

func (s *script) Tick(time.Time) {
	if s.tick != nil {
		s.tick(s)
	}
}

func (s *script) Knobs() []policy.Knob {
	return []policy.Knob{{Name: "do", Get: func() string { return "" }, Set: func(value string) error {
		if s.knob != nil {
			s.knob(s, value)
		}
		return nil
	}}}
}

// turn turns the policy's knob, as a write to its file does.
func (s *script) turn(t *testing.T, n *bus.Network, value string) {
	t.Helper()
	err := n.UsePolicy(func(p policy.Policy) error { return p.(policy.Knobber).Knobs()[0].Set(value) })
	wantKind(t, "knob", err, 0)
}
