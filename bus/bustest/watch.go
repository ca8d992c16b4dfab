package bustest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"ipnfs/bus"
)

// watch stands between a network and its policy and notes what is wrong with
// the calls of the one and the answers of the other. It is for networks on
// which one thing happens at a time.
type watch struct {
	bus.Policy
	mu     sync.Mutex
	joined map[*bus.Port]bool
	wrong  []error
}

var watches atomic.Int64

// watch puts a watched instance of the suite's policy in force.
func (s *suite) watch(n *bus.Network) (*watch, error) {
	name := fmt.Sprintf("bustest-watch-%d", watches.Add(1))
	bus.RegisterPolicy(bus.PolicyType{
		Name:    name,
		Summary: "for tests: " + s.name() + ", watched",
		New: func(map[string]string) (bus.Policy, error) {
			p, err := bus.NewPolicy(s.spec)
			return &watch{Policy: p, joined: map[*bus.Port]bool{}}, err
		},
	})
	if err := n.SetPolicy(name); err != nil {
		return nil, err
	}
	return n.Policy().(*watch), nil
}

func (w *watch) note(format string, args ...any) {
	if len(w.wrong) < 10 {
		w.wrong = append(w.wrong, fmt.Errorf(format, args...))
	}
}

func (w *watch) Forward(in *bus.Port, f *bus.Frame, out *bus.Egress) {
	w.Policy.Forward(in, f, out)
	w.mu.Lock()
	defer w.mu.Unlock()
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
func (w *watch) Join(p *bus.Port) {
	w.mu.Lock()
	if w.joined[p] {
		w.note("port %d joined twice", p.Number())
	}
	w.joined[p] = true
	w.mu.Unlock()
	if j, ok := w.Policy.(bus.Joiner); ok {
		j.Join(p)
	}
}

// Leave checks that the port had joined.
func (w *watch) Leave(p *bus.Port) {
	w.mu.Lock()
	if !w.joined[p] {
		w.note("port %d left, but had not joined", p.Number())
	}
	delete(w.joined, p)
	w.mu.Unlock()
	if j, ok := w.Policy.(bus.Joiner); ok {
		j.Leave(p)
	}
}

// verdict tells what was wrong, after all have left.
func (w *watch) verdict() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.joined {
		w.note("port %d joined and never left", p.Number())
	}
	return errors.Join(w.wrong...)
}
