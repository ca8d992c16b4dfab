package bustest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus"
)

// FakeName is the name under which Fake is registered.
const FakeName = "fake"

func init() {
	bus.RegisterPolicy(bus.PolicyType{
		Name:    FakeName,
		Summary: "for tests: the first byte of a frame is the port it is for",
		New: func(args map[string]string) (bus.Policy, error) {
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
type Fake struct {
	ports [255]atomic.Pointer[bus.Port]
	muted [255]atomic.Bool
	ticks atomic.Int64

	mu    sync.Mutex
	limit int
	calls []string
}

// NewFake makes a Fake; limit=N is the one argument.
func NewFake(args map[string]string) (*Fake, error) {
	f := &Fake{}
	for key, value := range args {
		if key != "limit" {
			return nil, bus.Errorf(bus.Invalid, "policy fake: unknown argument %q", key)
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
func (f *Fake) Forward(_ *bus.Port, frame *bus.Frame, out *bus.Egress) {
	data := frame.Data()
	if len(data) == 0 {
		return
	}
	to := data[0]
	if to == 255 {
		out.Flood()
	} else if p := f.ports[to].Load(); p != nil && !f.muted[to].Load() {
		out.Add(p)
	}
}

// Join notes the port.
func (f *Fake) Join(p *bus.Port) {
	if n := p.Number(); n < len(f.ports) {
		f.ports[n].Store(p)
	}
	f.note("join", p)
}

// Leave forgets the port.
func (f *Fake) Leave(p *bus.Port) {
	if n := p.Number(); n < len(f.ports) {
		f.ports[n].Store(nil)
	}
	f.note("leave", p)
}

func (f *Fake) note(call string, p *bus.Port) {
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
func (f *Fake) Tables() []bus.Table {
	return []bus.Table{
		{Name: "ports", Read: func() string {
			return f.list(func(n int) bool { return f.ports[n].Load() != nil })
		}},
		{Name: "mute", Write: f.mute, Read: func() string {
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

func (f *Fake) mute(command string) error {
	number, add := strings.CutPrefix(command, "+")
	if !add {
		var remove bool
		if number, remove = strings.CutPrefix(command, "-"); !remove {
			return bus.Errorf(bus.Invalid, "mute takes +N or -N, not %q", command)
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return bus.Errorf(bus.Invalid, "%q is no port number", number)
	}
	if err := bus.CheckRange("port", n, 1, len(f.muted)-1); err != nil {
		return err
	}
	f.muted[n].Store(add)
	return nil
}

// Knobs are limit and ticks.
func (f *Fake) Knobs() []bus.Knob {
	return []bus.Knob{
		{Name: "limit", Set: f.setLimit, Get: func() string {
			f.mu.Lock()
			defer f.mu.Unlock()
			return strconv.Itoa(f.limit)
		}},
		{Name: "ticks", Get: func() string { return strconv.FormatInt(f.ticks.Load(), 10) }},
	}
}

func (f *Fake) setLimit(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return bus.Errorf(bus.Invalid, "limit %q is no number", value)
	}
	if err := bus.CheckRange("limit", n, 0, 100); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.limit = n
	return nil
}
