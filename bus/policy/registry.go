package policy

import (
	"sort"
	"strings"
	"sync"

	"ipnfs/bus/fail"
	"ipnfs/words"
)

// Type is a policy that networks may choose by name.
type Type struct {
	Name    string
	Summary string // one line for people
	Feature bool   // Name is a word in the file features
	// New makes an instance for a network, with the arguments that stood
	// behind the name (key=value). It refuses what it does not know.
	New func(args map[string]string) (Policy, error)
}

var (
	mu sync.Mutex
	// +checklocks:mu
	types = map[string]*entry{}
)

// entry is a type, and how many networks run an instance of that name, also one of
// a type that was replaced.
type entry struct {
	Type
	uses int
}

// Register makes a policy known under its name; called from init of the
// policy's package. A second registration of a name panics.
func Register(t Type) {
	mu.Lock()
	defer mu.Unlock()
	if _, twice := types[t.Name]; twice {
		panic("policy: " + t.Name + " registered twice")
	}
	types[t.Name] = &entry{Type: t}
}

// Unregister makes the policy of that name unknown again. It is Busy while a
// network runs one.
func Unregister(name string) error {
	mu.Lock()
	defer mu.Unlock()
	e := types[name]
	switch {
	case e == nil:
		return fail.Errorf(fail.Unknown, "there is no policy %q", name)
	case e.uses > 0:
		return fail.Errorf(fail.Busy, "policy %s is in force on %d networks", name, e.uses)
	}
	delete(types, name)
	return nil
}

// Replace puts t in the place of the type of its name: networks that choose it
// from now on get instances of t. Those that run stay as they are.
func Replace(t Type) error {
	mu.Lock()
	defer mu.Unlock()
	e := types[t.Name]
	if e == nil {
		return fail.Errorf(fail.Unknown, "there is no policy %q", t.Name)
	}
	e.Type = t
	return nil
}

// Types lists the registered policies by name.
func Types() []Type {
	mu.Lock()
	defer mu.Unlock()
	list := make([]Type, 0, len(types))
	for _, e := range types {
		list = append(list, e.Type)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// New makes a policy from a specification: NAME [key=value...]. No network runs
// it: see Use.
func New(spec string) (Policy, error) {
	p, done, err := Use(spec)
	if err == nil {
		done()
	}
	return p, err
}

// Use is New for a network: the type stays known until done is called once, when
// the policy is in force no more.
func Use(spec string) (p Policy, done func(), err error) {
	name, rest := words.Name(spec)
	if name == "" {
		return nil, nil, fail.Errorf(fail.Invalid, "no policy named: one of %s", names())
	}
	t, done, err := take(name)
	if err != nil {
		return nil, nil, err
	}
	args, err := words.Args(rest)
	if err == nil {
		p, err = t.New(args)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return p, done, nil
}

// take returns the type of that name, which stays known until done is called.
func take(name string) (t Type, done func(), err error) {
	mu.Lock()
	e := types[name]
	if e == nil {
		mu.Unlock()
		return Type{}, nil, fail.Errorf(fail.Unknown, "unknown policy %q: one of %s", name, names())
	}
	defer mu.Unlock()
	e.uses++
	return e.Type, func() {
		mu.Lock()
		defer mu.Unlock()
		e.uses--
	}, nil
}

func names() string {
	var list []string
	for _, t := range Types() {
		list = append(list, t.Name)
	}
	return strings.Join(list, ", ")
}
