package bustest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// FakeName is the name under which Fake is registered.
const FakeName = "fake"

func init() {
	policy.Register(policy.Type{
		Name:    FakeName,
		Summary: "for tests: the first byte of a frame is the port it is for",
		New: func(args map[string]string) (policy.Policy, error) {
			f, err := NewFake(args)
			if err != nil {
				return nil, err
			}
			return f, nil
		},
	})
}

// Fake is a policy with all optional parts: the first byte of a frame is the
// number of the port it is for, 255 for all, 0 for nobody. It keeps
//
//	ports   a table of the connected ports (read only)
//	mute    a table of ports that get nothing: +N adds one, -N removes it
//	limit   a knob, 0 to 100, without effect; also an argument
//	ticks   a knob: how often Tick was called (read only)
//	tag     a port's knob, 0 to 4094, without effect
//	silent  a port's knob: whether it is in mute (read only)
//
// Each change of mute is an event.
type Fake struct {
	ports [255]atomic.Pointer[policy.Port]
	muted [255]atomic.Bool
	ticks atomic.Int64

	mu    sync.Mutex
	limit int
	tags  map[int]tag // by port number
	calls []string
	env   policy.Env // nil: not started
}

var _ interface {
	policy.Policy
	policy.Starter
	policy.Joiner
	policy.Ticker
	policy.Tabler
	policy.Knobber
	policy.PortKnobber
} = (*Fake)(nil)

// tag is the knob of that name, of a port in one of its lives.
type tag struct {
	life  uint16
	value int
}

// NewFake makes a Fake; limit=N is the one argument.
func NewFake(args map[string]string) (*Fake, error) {
	f := &Fake{tags: map[int]tag{}}
	for key, value := range args {
		if key != "limit" {
			return nil, fail.Errorf(fail.Invalid, "policy fake: unknown argument %q", key)
		}
		if err := f.setLimit(value); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Name is FakeName.
func (f *Fake) Name() string { return FakeName }

// Forward looks at the first byte.
func (f *Fake) Forward(_ policy.Port, raw *frame.Frame, out *policy.Egress) {
	data := raw.Data()
	if len(data) == 0 {
		return
	}
	to := data[0]
	if to == 255 {
		out.Flood()
	} else if p := f.ports[to].Load(); p != nil && !f.muted[to].Load() {
		out.Add(*p)
	}
}

// Start lets it publish events.
func (f *Fake) Start(env policy.Env) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.env = env
}

// Stop ends that.
func (f *Fake) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.env = nil
}

// Join notes the port.
func (f *Fake) Join(p policy.Port) {
	if n := p.Number(); n < len(f.ports) {
		f.ports[n].Store(&p)
	}
	f.note("join", p)
}

// Leave forgets the port.
func (f *Fake) Leave(p policy.Port) {
	if n := p.Number(); n < len(f.ports) {
		f.ports[n].Store(nil)
	}
	f.note("leave", p)
}

func (f *Fake) note(call string, p policy.Port) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call+" "+strconv.Itoa(p.Number()))
}

// Calls lists the calls of Join and Leave: "join N", "leave N".
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Tick counts.
func (f *Fake) Tick(time.Time) { f.ticks.Add(1) }

// Tables are ports and mute.
func (f *Fake) Tables() []policy.Table {
	return []policy.Table{
		{Name: "ports", Read: func() string {
			return f.list(func(n int) bool { return f.ports[n].Load() != nil })
		}},
		{Name: "mute", Write: f.mute, Save: f.saveMute, Read: func() string {
			return f.list(func(n int) bool { return f.muted[n].Load() })
		}},
	}
}

func (f *Fake) list(has func(n int) bool) string {
	var b strings.Builder
	for n := range f.ports {
		if has(n) {
			fmt.Fprintln(&b, n)
		}
	}
	return b.String()
}

func (f *Fake) saveMute() (commands []string) {
	for n := range f.muted {
		if f.muted[n].Load() {
			commands = append(commands, fmt.Sprintf("+%d", n))
		}
	}
	return commands
}

func (f *Fake) mute(command string) error {
	sign, number, err := words.Signed(command)
	if err != nil {
		return err
	}
	if sign == 0 {
		return fail.Errorf(fail.Invalid, "mute takes +N or -N, not %q", command)
	}
	n, err := words.Int("port", number, 1, len(f.muted)-1)
	if err != nil {
		return err
	}
	add := sign == '+'
	f.muted[n].Store(add)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.env != nil {
		f.env.Event("muted", "port=%d now=%v", n, add)
	}
	return nil
}

// Knobs are limit and ticks.
func (f *Fake) Knobs() []policy.Knob {
	return []policy.Knob{
		{Name: "limit", Set: f.setLimit, Get: func() string {
			f.mu.Lock()
			defer f.mu.Unlock()
			return strconv.Itoa(f.limit)
		}},
		{Name: "ticks", Get: func() string { return strconv.FormatInt(f.ticks.Load(), 10) }},
	}
}

func (f *Fake) setLimit(value string) error {
	n, err := words.Int("limit", value, 0, 100)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = n
	return nil
}

// PortKnobs are tag and silent.
func (f *Fake) PortKnobs() []policy.PortKnob {
	return []policy.PortKnob{
		{Name: "tag", Get: f.tagOf, Set: f.setTag, Save: f.saveTag},
		{Name: "silent", Get: func(p policy.Port) string {
			n := p.Number()
			return strconv.FormatBool(n < len(f.muted) && f.muted[n].Load())
		}},
	}
}

// SavePort notes tag.
func (f *Fake) SavePort(p policy.Port) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	before, had := f.tags[p.Number()]
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.tags, p.Number())
		if had {
			f.tags[p.Number()] = before
		}
	}
}

func (f *Fake) tagOf(p policy.Port) string { return cmp.Or(f.saveTag(p), "0") }

// saveTag is the tag that was set.
func (f *Fake) saveTag(p policy.Port) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t, ok := f.tags[p.Number()]; ok && t.life == p.Life() {
		return strconv.Itoa(t.value)
	}
	return ""
}

func (f *Fake) setTag(p policy.Port, value string) error {
	n, err := words.Int("tag", value, 0, 4094)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tags[p.Number()] = tag{p.Life(), n}
	return nil
}
