package bustest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// watch stands between a network and its policy and notes what is wrong with
// the calls of the one and the answers of the other.
type watch struct {
	policy.Policy
	// alone: one thing happens at a time, and the policy stays in force until
	// the network ends. Then it is known which ports a frame may go to.
	alone bool
	stage atomic.Int32

	mu     sync.Mutex
	joined map[policy.Port]bool
	wrong  []error
}

var _ interface {
	policy.Policy
	policy.Charger
	policy.Starter
	policy.Joiner
	policy.Ticker
} = (*watch)(nil)

// The stages of a policy.
const (
	made int32 = iota
	started
	stopped
)

// watches are the instances of one watched policy.
type watches struct {
	name string // under which it is registered

	mu  sync.Mutex
	all []*watch
}

var watchNames atomic.Int64

// watch registers the suite's policy, watched, under a name of its own.
func (s *suite) watch(alone bool) *watches {
	w := &watches{name: fmt.Sprintf("bustest-watch-%d", watchNames.Add(1))}
	policy.Register(policy.Type{
		Name:    w.name,
		Summary: "for tests: " + s.name() + ", watched",
		New: func(map[string]string) (policy.Policy, error) {
			p, err := policy.New(s.spec)
			one := &watch{Policy: p, alone: alone, joined: map[policy.Port]bool{}}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.all = append(w.all, one)
			return one, err
		},
	})
	return w
}

// verdict tells what was wrong, after all networks have ended.
func (w *watches) verdict() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var err error
	for _, one := range w.all {
		err = errors.Join(err, one.verdict())
	}
	return err
}

func (w *watch) note(format string, args ...any) {
	if len(w.wrong) < 10 {
		w.wrong = append(w.wrong, fmt.Errorf(format, args...))
	}
}

// Admit comes before all that is checked.
func (w *watch) Admit(env policy.Env) error {
	if c, ok := w.Policy.(policy.Charger); ok {
		return c.Admit(env)
	}
	return nil
}

// Start checks that it is the first call, and Stop that it is the last.
func (w *watch) Start(env policy.Env) {
	w.turn(made, started, "Start")
	if s, ok := w.Policy.(policy.Starter); ok {
		s.Start(env)
	}
}

// Stop is checked: see Start.
func (w *watch) Stop() {
	w.turn(started, stopped, "Stop")
	if s, ok := w.Policy.(policy.Starter); ok {
		s.Stop()
	}
}

func (w *watch) turn(from, to int32, call string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stage.CompareAndSwap(from, to) {
		w.note("%s came in stage %d (0: made, 1: started, 2: stopped)", call, w.stage.Load())
	}
}

// inTimeLocked checks that a call comes between Start and Stop.
func (w *watch) inTimeLocked(call string) {
	if w.stage.Load() != started {
		w.note("%s came before Start or after Stop", call)
	}
}

// Tick is checked: see Start.
func (w *watch) Tick(now time.Time) {
	w.mu.Lock()
	w.inTimeLocked("Tick")
	w.mu.Unlock()
	if t, ok := w.Policy.(policy.Ticker); ok {
		t.Tick(now)
	}
}

// Forward checks the ports, if it can. Who sends while the policy is replaced
// may still ask the old one.
func (w *watch) Forward(in policy.Port, f *frame.Frame, out *policy.Egress) {
	early := w.stage.Load() == made
	w.Policy.Forward(in, f, out)
	if !w.alone && !early {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if early {
		w.note("a frame came before Start")
	}
	if !w.joined[in] {
		w.note("a frame came from port %d, which has not joined", in.Number())
	}
	for _, p := range out.Ports() {
		if p == nil {
			w.note("Forward added a nil port")
		} else if !w.joined[p] {
			w.note("Forward sends to port %d, which is not there", p.Number())
		}
	}
}

// Join checks that the port is new.
func (w *watch) Join(p policy.Port) {
	w.mu.Lock()
	w.inTimeLocked("Join")
	if w.joined[p] {
		w.note("port %d joined twice", p.Number())
	}
	w.joined[p] = true
	w.mu.Unlock()
	if j, ok := w.Policy.(policy.Joiner); ok {
		j.Join(p)
	}
}

// Leave checks that the port had joined.
func (w *watch) Leave(p policy.Port) {
	w.mu.Lock()
	w.inTimeLocked("Leave")
	if !w.joined[p] {
		w.note("port %d left, but had not joined", p.Number())
	}
	delete(w.joined, p)
	w.mu.Unlock()
	if j, ok := w.Policy.(policy.Joiner); ok {
		j.Leave(p)
	}
}

func (w *watch) verdict() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stage.Load() == started {
		w.note("it was started and never stopped")
	}
	for p := range w.joined {
		if w.alone {
			w.note("port %d joined and never left", p.Number())
		}
	}
	return errors.Join(w.wrong...)
}
