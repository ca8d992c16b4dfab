package bus

import (
	"sort"
	"strings"
	"sync"
	"time"
)

// Policy decides where the frames of one network go. Each network has its
// own instance.
type Policy interface {
	// Name is the name it was registered under.
	Name() string

	// Forward adds to out the ports that are to get f, which came by port
	// in. The frame is lent. Forward is called from many threads at once; it
	// must not block, allocate, log or keep f. The port in is never sent to,
	// whatever out says: a frame does not return to its sender.
	//
	// f may be a super-frame that stands for many of one sender and destination
	// (Frame.WireFrames). A policy that would treat some of them otherwise asks
	// for Egress.Split, and is called for each.
	Forward(in *Port, f *Frame, out *Egress)
}

// The optional parts of a Policy. All are called with the network's lock
// held, one at a time, but while Forward runs in other threads.
type (
	// Starter is told of its network, before anything else, and of the end of
	// its time: another policy was put in force, or the network ended.
	Starter interface {
		Start(env Env)
		Stop()
	}
	// Charger charges to env what it holds from the start on (Env.Charge), before
	// it is put in force; or it refuses, and the policy before it stays.
	Charger interface{ Admit(env Env) error }
	// Joiner hears of ports: Join before the first frame can reach or come
	// from p, Leave when none can any more.
	Joiner interface {
		Join(p *Port)
		Leave(p *Port)
	}
	// Linker is told when frames begin or cease to pass what is connected to
	// p: see Env.LinkUp.
	Linker interface{ Link(p *Port) }
	// Ticker is called about once a second, for ageing.
	Ticker interface{ Tick(now time.Time) }
	// Feeder lets a follower repeat the policy's decisions (feed.go); one at a
	// time, else it refuses.
	Feeder interface {
		Follow(f Follower) (Feed, error)
	}
	// Tabler offers tables for people and programs to read and edit: the same
	// ones at each call, at most 48 together with the knobs.
	Tabler interface{ Tables() []Table }
	// Knobber offers values to read and set, the same ones at each call.
	Knobber interface{ Knobs() []Knob }
	// PortKnobber offers values of each port to read and set, at most 32 and
	// the same ones at each call. They stand beside the port's own files, and
	// so need names of their own. They are asked for ports, too, that are
	// reserved or about to be joined, and that nobody has joined.
	PortKnobber interface {
		PortKnobs() []PortKnob
		// SavePort notes how p, which nobody has joined, is set up now. Called
		// before anything else happened to p, restore puts that in force again.
		SavePort(p *Port) (restore func())
	}
)

// Table is a named list that a policy keeps, such as a switch's fdb.
type Table struct {
	Name string
	Read func() string
	// Write applies one command whole or refuses it; nil: read only.
	Write func(command string) error
	// OfFrames: it shows what stands in frames, such as addresses. Who may not
	// receive may not read it.
	OfFrames bool
	// Cost is of a table that may be long and has a lock of its own: about how
	// many bytes Read takes to make the text. Read is then called without the
	// network's lock, and the policy may be out of force by then.
	Cost func() int
}

// Knob is a named value of a policy.
type Knob struct {
	Name string
	Get  func() string
	// Set takes what Get gives; nil: read only.
	Set func(value string) error
}

// PortKnob is a named value that a policy has for each port.
type PortKnob struct {
	Name string
	Get  func(p *Port) string
	// Set takes the first line of what Get gives; nil: read only.
	Set func(p *Port, value string) error
}

// PolicyType is a policy that networks may choose by name.
type PolicyType struct {
	Name    string
	Summary string // one line for people
	// New makes an instance for a network, with the arguments that stood
	// behind the name (key=value). It refuses what it does not know.
	New func(args map[string]string) (Policy, error)
}

var (
	policyMu    sync.Mutex
	policyTypes = map[string]PolicyType{}
)

// RegisterPolicy makes a policy known under its name; called from init of the
// policy's package. A second registration of a name panics.
func RegisterPolicy(t PolicyType) {
	policyMu.Lock()
	defer policyMu.Unlock()
	if _, twice := policyTypes[t.Name]; twice {
		panic("bus: policy " + t.Name + " registered twice")
	}
	policyTypes[t.Name] = t
}

// Policies lists the registered policies by name.
func Policies() []PolicyType {
	policyMu.Lock()
	defer policyMu.Unlock()
	list := make([]PolicyType, 0, len(policyTypes))
	for _, t := range policyTypes {
		list = append(list, t)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

// NewPolicy makes a policy from a specification: NAME [key=value...].
func NewPolicy(spec string) (Policy, error) {
	words := strings.Fields(spec)
	if len(words) == 0 {
		return nil, Errorf(Invalid, "no policy named: one of %s", policyNames())
	}
	policyMu.Lock()
	t, ok := policyTypes[words[0]]
	policyMu.Unlock()
	if !ok {
		return nil, Errorf(Unknown, "unknown policy %q: one of %s", words[0], policyNames())
	}
	args := map[string]string{}
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok || key == "" {
			return nil, Errorf(Invalid, "policy argument %q: must be key=value", word)
		}
		if _, twice := args[key]; twice {
			return nil, Errorf(Invalid, "policy argument %q given twice", key)
		}
		args[key] = value
	}
	p, err := t.New(args)
	if err != nil {
		return nil, err
	}
	return p, nil
}

func policyNames() string {
	var names []string
	for _, t := range Policies() {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}
