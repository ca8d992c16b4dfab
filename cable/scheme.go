package cable

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/lane"
	"ipnfs/words"
)

// Scheme is a kind of cable, by the word before :// in a locator. Who serves it
// registers it.
type Scheme struct {
	Name    string
	Summary string // one line for people
	// Command says that the rest of a locator is a command line, in which spaces and
	// question marks stand for themselves.
	Command bool
	// Hops says that its framing tells how many cables a frame has passed
	// (frame.Frame.Hops), so that one that has passed too many ends here.
	Hops bool
	// Can tells whether this machine lets it work; nil: always.
	Can func() bool
	// Open reads a locator whole and makes what connects the cable, or refuses what is
	// wrong and keeps nothing. It opens the files that the locator names, by o and no
	// other way, and connects to nothing.
	Open func(l words.Locator, o *Origin) (Dialer, error)
}

// Dialer makes the links of one cable, one after the other.
type Dialer interface {
	// Dial makes a link, or tells why there is none now, after which it is called
	// again some time later. It waits as long as that takes, on a goroutine of the
	// cable's, and gives up when ctx ends; a peer that says nothing is to be given up
	// after bus.Patience. Whatever goes on behind the link ends with its Driver's Close.
	Dial(ctx context.Context, p *Plug) (*Link, error)
	// Close gives back what the Dialer keeps between links. It is the last call.
	Close()
}

// Noter is a Dialer that has more to tell of its cable.
type Noter interface {
	// Note gives words of the form key=value, for the cable's line. It may be called at
	// any time, from any thread.
	Note() string
}

// Link is a connection that is up.
type Link struct {
	// FD, OutFD and Driver are a lane.Source's. An error with which Read or Write
	// would end an endpoint ends the link, and Driver.Close is its last call. Read is
	// asked for whole bursts, as of a source that is Bulk.
	lane.Source
	// Peer tells people who is at the other end.
	Peer string
	// MaxLen is the longest frame in bytes that the link can carry; 0: any. It may
	// change by Plug.SetMaxLen.
	MaxLen int

	broken atomic.Pointer[error] // by Plug.Broken
}

// Owner is a Dialer whose cable is no descriptor: it makes the endpoint of the port
// by itself. Its Links have no Source.
type Owner interface {
	Dialer
	// Endpoint makes it. It is joined, ends by Close like a lane.Endpoint, and calls
	// ended, once, if it ends otherwise.
	Endpoint(p *Plug, ended func(reason string)) (Endpoint, error)
}

// Endpoint is what stands at the port of a cable: a lane.Endpoint, or an Owner's.
type Endpoint interface {
	bus.Endpoint
	Conn() *bus.Conn
	Close()
}

var schemes struct {
	mu sync.Mutex
	// +checklocks:mu
	list []Scheme
}

// Register makes s known; called from init of its package.
func Register(s Scheme) {
	schemes.mu.Lock()
	defer schemes.mu.Unlock()
	schemes.list = append(schemes.list, s)
	slices.SortFunc(schemes.list, func(a, b Scheme) int { return strings.Compare(a.Name, b.Name) })
}

// Schemes lists what is known, by name.
func Schemes() []Scheme {
	schemes.mu.Lock()
	defer schemes.mu.Unlock()
	return slices.Clone(schemes.list)
}

// schemeOf finds the scheme of a name, or refuses.
func schemeOf(name string) (s Scheme, err error) {
	var names []string
	for _, s := range Schemes() {
		if s.Name == name {
			if s.Can != nil && !s.Can() {
				return s, fail.Errorf(fail.Unsupported, "this machine has what %s:// needs neither built in nor loaded", name)
			}
			return s, nil
		}
		names = append(names, s.Name+"://")
	}
	return s, fail.Errorf(fail.Invalid, "there is no cable %s://: one of %s", name, strings.Join(names, ", "))
}
