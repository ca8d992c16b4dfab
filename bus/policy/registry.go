package policy

import (
	"sort"
	"strings"
	"sync"

	"ipnfs/bus/fail"
)

// Type is a policy that networks may choose by name.
type Type struct {
	Name    string
	Summary string // one line for people
	// New makes an instance for a network, with the arguments that stood
	// behind the name (key=value). It refuses what it does not know.
	New func(args map[string]string) (Policy, error)
}

var (
	mu    sync.Mutex
	types = map[string]Type{}
)

// Register makes a policy known under its name; called from init of the
// policy's package. A second registration of a name panics.
func Register(t Type) {
	mu.Lock()
	defer mu.Unlock()
	if _, twice := types[t.Name]; twice {
		panic("policy: " + t.Name + " registered twice")
	}
	types[t.Name] = t
}

// Types lists the registered policies by name.
func Types() []Type {
	mu.Lock()
	defer mu.Unlock()
	list := make([]Type, 0, len(types))
	for _, t := range types {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// New makes a policy from a specification: NAME [key=value...].
func New(spec string) (Policy, error) {
	words := strings.Fields(spec)
	if len(words) == 0 {
		return nil, fail.Errorf(fail.Invalid, "no policy named: one of %s", names())
	}
	mu.Lock()
	t, ok := types[words[0]]
	mu.Unlock()
	if !ok {
		return nil, fail.Errorf(fail.Unknown, "unknown policy %q: one of %s", words[0], names())
	}
	args := map[string]string{}
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok || key == "" {
			return nil, fail.Errorf(fail.Invalid, "policy argument %q: must be key=value", word)
		}
		if _, twice := args[key]; twice {
			return nil, fail.Errorf(fail.Invalid, "policy argument %q given twice", key)
		}
		args[key] = value
	}
	p, err := t.New(args)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func names() string {
	var list []string
	for _, t := range Types() {
		list = append(list, t.Name)
	}
	return strings.Join(list, ", ")
}
