package fs

import (
	"slices"
	"strconv"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
)

// Places beside those where files can be registered.
const (
	inPorts   = bus.InPort + 1 + iota // NET/ports/
	inPolicy                          // NET/POLICY/
	inHiding                          // what no directory lists
	inSockets                         // where sockets are bound: nothing is listed
)

// kind is what a node is.
type kind uint8

const (
	regular    kind = iota
	socket          // see socket.go
	netDir          // NET/
	portsDir        // NET/ports/
	portDir         // NET/ports/N/
	policyDir       // NET/POLICY/
	socketsDir      // where sockets are bound: see socket.go
)

// row is one file or directory of the tree.
type row struct {
	name string // what has a name of its own has none here
	in   bus.Place
	kind kind
	// rule gives the mode; nil: mode and owner are set by chmod and chown.
	rule bus.Rule
	// read renders the text; nil: it is none. If it finds that n is gone by now,
	// it says so in n. A write gives what read would show.
	read func(f *FS, n *node) string
	// write takes one command whole, or refuses it and changes nothing.
	write func(f *FS, n *node, by *fuse.InHeader, command string) error
	// open opens a door: a file that the device serves.
	open func(f *FS, n *node, in *fuse.OpenIn) (fh uint64, err error)
	// emptyOK: an empty line is a command.
	emptyOK bool
	// live: the text may change without a write to this very file, or a write may
	// wait. Each LOOKUP gives another node: see node.go.
	live bool
	// signed: a write wants to know what the opener of the file may do.
	signed bool
	// cost is about how many bytes it takes to make the text; nil: few.
	cost func(f *FS, n *node) int
	// socket says who serves it, of a row that is one.
	socket *bus.Socket
	// slots is how many files a row stands for that have no name here, those of a
	// policy; 0: one.
	slots int

	index uint8 // its number, and of its slot 0
}

func (r *row) isDir() bool { return r.kind >= netDir }

// format is the type of the file in a mode.
func (r *row) format() uint32 {
	switch {
	case r.isDir():
		return unix.S_IFDIR
	case r.kind == socket:
		return unix.S_IFSOCK
	}
	return unix.S_IFREG
}

// isText tells whether the row is read and written as text.
func (r *row) isText() bool { return r.read != nil }

// unknownRow stands for a node id that never was.
var unknownRow = row{name: "?"}

// table is the tree: the rows that stand here, and one for each file that is
// registered. Rows of one directory stand in the order of a listing. A row's
// number follows from its place here; those of registered files are in the order
// of their names, so it does not matter which package registered first.
type table struct {
	rows     []row
	byNumber []*row // by number; nil for 0
}

// tree is the table of all mounts. It is made at first use, when all packages
// have registered their files.
var tree func() *table

func init() { // in init, since readers look into the table themselves
	tree = sync.OnceValue(func() *table { return newTable(bus.Files()) })
}

// maxRows is how many numbers a node id has for rows.
const maxRows = 1<<(64-rowShift) - 1

// newTable makes the table of the tree's own files and of registered ones. A file
// that has no place in it is a mistake of its author's: a panic.
func newTable(files []bus.File) *table {
	t := &table{rows: ownRows(), byNumber: []*row{nil}}
	for _, f := range files {
		if t.row(f.Place, f.Name) != nil || f.Place == bus.InRoot && reservedNames[f.Name] {
			panic("fs: the tree has a file " + f.Name + " of its own")
		}
		t.rows = append(t.rows, registered(f))
	}
	for i := range t.rows {
		r := &t.rows[i]
		r.index = uint8(len(t.byNumber))
		for range max(1, r.slots) {
			t.byNumber = append(t.byNumber, r)
		}
	}
	if len(t.byNumber)-1 > maxRows {
		panic("fs: too many files: a node id has no number for " + files[len(files)-1].Name)
	}
	return t
}

// numbered returns the row of a number and which slot of it that is, or nil.
func (t *table) numbered(number int) (r *row, slot int) {
	if number < 1 || number >= len(t.byNumber) {
		return nil, 0
	}
	r = t.byNumber[number]
	return r, number - int(r.index)
}

// row finds a row by directory and name; "" finds the one without.
func (t *table) row(in bus.Place, name string) *row {
	for i := range t.rows {
		if t.rows[i].in == in && t.rows[i].name == name {
			return &t.rows[i]
		}
	}
	return nil
}

// rowOf finds a row of the tree.
func rowOf(in bus.Place, name string) *row { return tree().row(in, name) }

// Rules of files that stand here.
func doorRule(port uint32) uint32    { return port & 0o666 }
func directoryRule(uint32) uint32    { return 0o555 }
func managedRule(port uint32) uint32 { return 0o555 | bus.ForManagers(port) }

// ownRows are the files that the tree serves itself.
func ownRows() []row {
	return slices.Concat([]row{
		{name: "version", in: bus.InRoot, rule: bus.ReadOnly, read: readVersion},
		{name: "features", in: bus.InRoot, rule: bus.ReadOnly, read: readFeatures},
		{name: "policies", in: bus.InRoot, rule: bus.ReadOnly, read: readPolicies},
		{name: "metrics", in: bus.InRoot, rule: bus.ReadOnly, read: readMetrics, live: true, cost: costOfMetrics},
		{name: "errors", in: bus.InRoot, rule: bus.Managed, read: readRootErrors, write: clearRootErrors, emptyOK: true, live: true},
		{in: bus.InRoot, kind: netDir},
		{name: socketsName, in: inHiding, kind: socketsDir, rule: func(uint32) uint32 { return 0o700 }},

		{name: "port", in: bus.InNetwork, open: openPort, live: true},
		{name: "stream", in: bus.InNetwork, rule: doorRule, open: openStream, live: true},
		{name: "policy", in: bus.InNetwork, rule: bus.Managed, read: readPolicy, write: writePolicy, live: true},
	}, settingRows(bus.InNetwork, bus.NetworkSettings, func(n *node) *bus.Network { return n.net }), []row{
		{name: "stats", in: bus.InNetwork, rule: bus.Managed, read: readStats, write: resetStats, live: true},
		{name: "events", in: bus.InNetwork, rule: bus.ReadOnly, open: openEvents},
		{name: "errors", in: bus.InNetwork, rule: bus.Managed, read: readErrors, write: clearErrors, emptyOK: true, live: true},
		{name: "ports", in: bus.InNetwork, kind: portsDir, rule: managedRule},
		{in: bus.InNetwork, kind: policyDir, rule: directoryRule},

		{in: inPorts, kind: portDir, rule: directoryRule},

		{name: "port", in: bus.InPort, open: openPort, live: true},
		{name: "info", in: bus.InPort, rule: bus.ReadOnly, read: readPortInfo, live: true, cost: costOfPortInfo},
		{name: "stats", in: bus.InPort, rule: bus.Managed, read: readPortStats, write: resetPortStats, live: true},
	}, settingRows(bus.InPort, bus.PortSettings, func(n *node) *bus.Port { return n.port }), []row{
		{in: bus.InPort, rule: bus.Managed, read: readValue, write: writeValue, emptyOK: true, live: true, slots: 32},

		{in: inPolicy, rule: bus.Managed, read: readValue, write: writeValue, emptyOK: true, live: true, slots: 48},
	})
}

// reservedNames are names in the root directory that no network may have,
// though there is no file there yet.
var reservedNames = map[string]bool{"policies.d": true}

func itoa(n int) string { return strconv.Itoa(n) }
