package bus

import "ipnfs/words"

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

// Saver is an Attacher that tells how to attach again what is attached.
type Saver interface {
	// Save lists commands for Attach, in order. Each names its port, as port=N.
	Save(n *Network) []string
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

// Attachers lists the names of the sets in networks' directories, in order.
func Attachers() (names []string) {
	for _, f := range Files() {
		if f.Set != nil {
			names = append(names, f.Name)
		}
	}
	return names
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
		sign, what, err := words.Signed(command)
		switch {
		case err != nil:
			return err
		case sign == '-':
			return a.Detach(at.Network, by, what)
		}
		return a.Attach(at.Network, by, what)
	}
}
