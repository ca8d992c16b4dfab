package bus_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
)

// script is a policy that does what a test says, and notes when it was called.
type script struct {
	name    string
	forward func(s *script, in *bus.Port, f *bus.Frame, out *bus.Egress)
	start   func(s *script)
	stop    func(s *script)
	join    func(s *script, p *bus.Port)
	leave   func(s *script, p *bus.Port)
	tick    func(s *script)
	knob    func(s *script, value string)

	env bus.Env

	mu    sync.Mutex
	notes []string
}

var scripts atomic.Int64

// register makes s the policy of a name that nothing else has.
func (s *script) register() string {
	s.name = fmt.Sprintf("test-script-%d", scripts.Add(1))
	bus.RegisterPolicy(bus.PolicyType{Name: s.name, New: func(map[string]string) (bus.Policy, error) { return s, nil }})
	return s.name
}

// lab makes a network with the policy s.
func (s *script) lab(t testing.TB) *bustest.Lab { return bustest.NewLab(t, s.register()) }

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

func (s *script) Name() string { return s.name }

func (s *script) Forward(in *bus.Port, f *bus.Frame, out *bus.Egress) {
	if s.forward != nil {
		s.forward(s, in, f, out)
		return
	}
	out.Flood()
}

func (s *script) Start(env bus.Env) {
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

func (s *script) Join(p *bus.Port) {
	s.note("join %d", p.Number())
	if s.join != nil {
		s.join(s, p)
	}
}

func (s *script) Leave(p *bus.Port) {
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

func (s *script) Knobs() []bus.Knob {
	return []bus.Knob{{Name: "do", Get: func() string { return "" }, Set: func(value string) error {
		if s.knob != nil {
			s.knob(s, value)
		}
		return nil
	}}}
}

// turn turns the policy's knob, as a write to its file does.
func (s *script) turn(t *testing.T, n *bus.Network, value string) {
	t.Helper()
	err := n.UsePolicy(func(p bus.Policy) error { return p.(bus.Knobber).Knobs()[0].Set(value) })
	wantKind(t, "knob", err, 0)
}
