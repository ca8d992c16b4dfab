package bus

import (
	"maps"
	"slices"
	"sync"
)

// Caller is who wrote a command, as the kernel told.
type Caller struct {
	Info
	// Thread is the thread that makes the call, 0 if it cannot be known. Its
	// /proc entry stays its own until the call is answered.
	Thread uint32
	// Rights are what he may do, as far as whoever opened the file may, too.
	Rights Credentials
}

// Attacher serves one file of a network's directory that is a set of things
// attached to the network, such as tap. Safe for concurrent use; calls may
// take as long as the kernel needs to make a device.
type Attacher interface {
	// Attach makes what a command describes (NAME [key=value...]) a port, or
	// refuses it and changes nothing. It has to check the caller's rights: x on
	// port is all that was checked before.
	Attach(n *Network, by Caller, command string) error
	// Detach takes the thing that a command describes (NAME [key=value...]) off
	// the network.
	Detach(n *Network, by Caller, command string) error
	// List gives a line for each thing attached: name, port number, state,
	// options.
	List(n *Network) string
}

// Saver is an Attacher that tells how to attach again what is attached.
type Saver interface {
	// Save lists commands for Attach, in order. Each names its port.
	Save(n *Network) []string
}

var (
	attacherMu sync.Mutex
	attachers  = map[string]Attacher{}
)

// RegisterAttacher makes a the server of file; called from init of its
// package. A second registration of a file panics.
func RegisterAttacher(file string, a Attacher) {
	attacherMu.Lock()
	defer attacherMu.Unlock()
	if _, twice := attachers[file]; twice {
		panic("bus: attacher of " + file + " registered twice")
	}
	attachers[file] = a
}

// AttacherOf returns who serves file, or nil.
func AttacherOf(file string) Attacher {
	attacherMu.Lock()
	defer attacherMu.Unlock()
	return attachers[file]
}

// Attachers lists the files that are served, by name.
func Attachers() []string {
	attacherMu.Lock()
	defer attacherMu.Unlock()
	return slices.Sorted(maps.Keys(attachers))
}
