package bus

import (
	"cmp"
	"slices"
	"sync"
)

// Place is the directory that a File stands in.
type Place uint8

// The places where files can be registered.
const (
	InRoot    Place = iota // the root directory of the mount
	InNetwork              // NET/
	InPort                 // NET/ports/N/
)

// Rule gives the mode of a file, nine bits, from that of the network's port. In
// the root directory it is given 0100: its owner manages, and nobody else. Owner
// and group are those of port, or of the root directory.
type Rule func(port uint32) (mode uint32)

// ReadOnly is the Rule of what can only be read: all may.
func ReadOnly(uint32) uint32 { return 0o444 }

// ForReceivers is the Rule of what those may read who may receive, as it tells
// what stands in frames.
func ForReceivers(port uint32) uint32 { return port & 0o444 }

// Managed is the Rule of what all may read, and those who manage may write.
func Managed(port uint32) uint32 { return 0o444 | ForManagers(port) }

// ForManagers gives w to the classes that have x on port.
func ForManagers(port uint32) uint32 { return port & 0o111 << 1 }

// ForPeers is the Rule of sockets: w, which connect(2) needs, for the classes that
// have r or w on port.
func ForPeers(port uint32) uint32 { return (port>>1 | port) & 0o222 }

// At is where a file stands.
type At struct {
	Bus     *Bus
	Network *Network // nil in the root directory
	Port    *Port    // nil elsewhere than in ports/N/

	// UID and GID are whom Read makes the text for: who opened the file. Else 0.
	UID, GID uint32
}

// File is a file of the tree: a text, a set of things that are attached, or a
// socket. Who serves it registers it. The manual page ipnfs(5) has an entry of
// its name that begins with Summary.
//
// Its functions are called from many threads at once and without a lock, and may
// take as long as the kernel needs to make a device.
type File struct {
	Place   Place
	Name    string
	Summary string // one line for people
	Rule    Rule

	// Read gives the text; nil of a set and of a socket.
	Read func(at At) string
	// Write takes one command whole, or refuses it and changes nothing; nil: it is
	// read only. The command is one line without its end, and without space
	// around it. By the Rule the caller may write; Caller.Rights say what else.
	Write func(at At, by Caller, command string) error
	// Empty: an empty line is a command.
	Empty bool
	// Live: the text may change without a write to this very file, or a write may
	// wait. Locks and watches work on what is not live.
	Live bool
	// Cost is about how many bytes it takes to make the text, which is Live then;
	// nil: few.
	Cost func(at At) int

	// Set serves a file of a network in place of Read and Write, and is Live.
	Set Attacher

	// Socket: the file is a unix socket of a network. It has ForPeers as its Rule.
	Socket *Socket

	// Can tells whether the machine lets it work; nil: always. While it does, Name
	// is a word in the file features.
	Can func() bool
}

var (
	fileMu sync.Mutex
	// +checklocks:fileMu
	files []File
)

// RegisterFile makes f a file of every tree; called from init of its package. It
// panics if f is none, or if its place has a file of that name.
func RegisterFile(f File) {
	fileMu.Lock()
	defer fileMu.Unlock()
	switch {
	case CheckName(f.Name) != nil || f.Place > InPort || f.Summary == "" || f.Rule == nil:
		panic("bus: file " + f.Name + " needs a name, a place, a summary and a rule")
	case f.Set != nil && f.Place != InNetwork || f.Socket != nil && f.Place != InNetwork:
		panic("bus: sets and sockets stand in a network's directory, not so " + f.Name)
	case slices.ContainsFunc(files, func(g File) bool { return f.Place == g.Place && f.Name == g.Name }):
		panic("bus: file " + f.Name + " registered twice")
	}
	if f.Set != nil {
		f.Read, f.Write, f.Live = setReader(f.Set), setWriter(f.Name, f.Set), true
	}
	f.Live = f.Live || f.Cost != nil
	if (f.Read == nil) != (f.Socket != nil) || f.Write != nil && f.Read == nil {
		panic("bus: file " + f.Name + " must be one of a text, a set and a socket")
	}
	files = append(files, f)
}

// Features lists the names of files that the machine lets work, in the order of
// their registration, each once.
func Features() (words []string) {
	fileMu.Lock()
	list := slices.Clone(files)
	fileMu.Unlock()
	for _, f := range list {
		if !slices.Contains(words, f.Name) && (f.Can == nil || f.Can()) {
			words = append(words, f.Name)
		}
	}
	return words
}

// Files lists the registered files by place and name.
func Files() []File {
	fileMu.Lock()
	defer fileMu.Unlock()
	return slices.SortedFunc(slices.Values(files), func(f, g File) int {
		return cmp.Or(cmp.Compare(f.Place, g.Place), cmp.Compare(f.Name, g.Name))
	})
}
