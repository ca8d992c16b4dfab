package policy

import (
	"time"

	"ipnfs/bus/frame"
)

// MaxPorts is the highest number that a port may have.
const MaxPorts = 65536

// Port is a port of the network, as a policy sees it. Two are equal if they are
// the same port; one that comes later under the same number is another.
type Port interface {
	// Number returns the port's number, 1 to MaxPorts.
	Number() int
	// Life tells this port from others that had or will have its number: it is
	// another each time, until 65536 ports later.
	Life() uint16
}

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
	// (frame.Frame.WireFrames). A policy that would treat some of them otherwise asks
	// for Egress.Split, and is called for each.
	Forward(in Port, f *frame.Frame, out *Egress)
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
		Join(p Port)
		Leave(p Port)
	}
	// Linker is told when frames begin or cease to pass what is connected to
	// p: see Env.LinkUp.
	Linker interface{ Link(p Port) }
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
		SavePort(p Port) (restore func())
	}
)

// Table is a named list that a policy keeps, such as a switch's fdb.
type Table struct {
	Name string
	Read func() string
	// Write applies one command whole or refuses it; nil: read only.
	Write func(command string) error
	// Save lists commands for Write that make again what people put into the
	// table, in order; nil: there is nothing of that kind.
	Save func() []string
	// Given is Save without what was drawn at random, which is kept for a next
	// process, but not for a second network; nil: Save.
	Given func() []string
	// Late: what Save lists speaks of connected ports, so it is for a time when
	// they are connected again. Each names its port, as port=N.
	Late bool
	// OfFrames: it shows what stands in frames, such as addresses. Who may not
	// receive may not read it.
	OfFrames bool
	// Cost is of a table that may be long and has a lock of its own: about how
	// many bytes Read takes to make the text. Read, Save and Given are then called without
	// the network's lock, and the policy may be out of force by then.
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
	Get  func(p Port) string
	// Set takes the first line of what Get gives; nil: read only.
	Set func(p Port, value string) error
	// Save is what Set takes to make the value so again, empty if it is not p's
	// own; nil: the first line of what Get gives.
	Save func(p Port) string
}
