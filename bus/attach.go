package bus

import "strings"

// Caller is who wrote a command or connected, as the kernel told: package creds
// makes one.
type Caller struct {
	Info
	// Rights are what he may do; of a command, as far as whoever opened the file
	// may, too.
	Rights Credentials
}

// Attacher serves one file of a network's directory that is a set of things
// attached to the network, such as tap: File.Set. Safe for concurrent use; calls
// may take as long as the kernel needs to make a device.
type Attacher interface {
	// Attach makes what a command describes (NAME [key=value...]) a port, or
	// refuses it and changes nothing. It has to check the caller's rights: x on
	// port is all that was checked before. Caller.Kind is the file's name.
	Attach(n *Network, by Caller, command string) error
	// Detach takes the thing that a command describes (NAME [key=value...]) off
	// the network.
	Detach(n *Network, by Caller, command string) error
	// List gives a line for each thing attached: name, port number, state,
	// options.
	List(n *Network) string
}

// AttacherOf returns who serves the set of that name in networks' directories, or
// nil.
func AttacherOf(name string) Attacher {
	fileMu.Lock()
	defer fileMu.Unlock()
	for _, f := range files {
		if f.Place == InNetwork && f.Name == name {
			return f.Set
		}
	}
	return nil
}

// setReader makes the reader of the file that a serves.
func setReader(a Attacher) func(At) string {
	return func(at At) string { return a.List(at.Network) }
}

// setWriter makes the writer of the file that a serves: NAME or +NAME attaches,
// -NAME detaches, with options.
func setWriter(file string, a Attacher) func(At, Caller, string) error {
	return func(at At, by Caller, command string) error {
		by.Kind = file
		what, remove := strings.CutPrefix(command, "-")
		if !remove {
			what = strings.TrimPrefix(command, "+")
		}
		words := strings.Fields(what)
		switch {
		case len(words) == 0 || !strings.HasPrefix(what, words[0]):
			return Errorf(Invalid, "%q: a name must follow the sign", command)
		case strings.ContainsAny(words[0][:1], "+-"):
			return Errorf(Invalid, "%q: a name does not begin with a sign", words[0])
		case !remove:
			return a.Attach(at.Network, by, what)
		}
		return a.Detach(at.Network, by, what)
	}
}
