package fs

import (
	"strconv"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

// place is the directory that a file stands in.
type place uint8

const (
	inRoot place = iota
	inNet
	inPorts
	inPort
	inPolicy
)

// kind is what a node is.
type kind uint8

const (
	textFile   kind = iota // read and written as text
	attachFile             // tap, grab: likewise; served by a bus.Attacher
	portDoor               // port: a frame a call
	streamDoor             // stream: many frames a call
	eventFile              // events: a live stream of lines
	netDir                 // NET/
	portsDir               // NET/ports/
	portDir                // NET/ports/N/
	policyDir              // NET/POLICY/
)

// rule says where a node's owner and mode come from; see attr.go.
type rule uint8

const (
	report    rule = iota // 0444
	setting               // 0444, and w for the classes with x on port
	rootLog               // 0444, and w for the owner of the root directory
	ownDoor               // set by chmod and chown
	rwOfDoor              // rw of port
	ownDir                // set by mkdir, chmod and chown
	reportDir             // 0555
	manageDir             // 0555, and w for the classes with x on port
)

// row is one file or directory of the tree.
type row struct {
	name string // what has a name of its own has none here
	in   place
	kind kind
	rule rule
	// read renders the text. If it finds that n is gone by now, it says so in
	// n. A write gives what read would show.
	read func(f *FS, n *node) string
	// write takes one command whole, or refuses it and changes nothing.
	write func(f *FS, n *node, by *fuse.InHeader, command string) error
	// emptyOK: an empty line is a command.
	emptyOK bool
	// live: the text may change without a write to this very file.
	live bool
	// cost is about how many bytes it takes to make the text; nil: few.
	cost func(f *FS, n *node) int

	index uint8
	slot  uint8 // of what a policy serves: which of it, from 0
}

func (r *row) isDir() bool { return r.kind >= netDir }

func (r *row) isDoor() bool { return r.kind == portDoor || r.kind == streamDoor }

// isText tells whether the row is read and written as text.
func (r *row) isText() bool { return r.kind == textFile || r.kind == attachFile }

// there tells whether this build has what serves the row.
func (r *row) there() bool { return r.kind != attachFile || bus.AttacherOf(r.name) != nil }

// unknownRow stands for a node id that never was.
var unknownRow = row{name: "?"}

// table is the tree. Rows of one directory stand in the order of a listing.
var table []row

func init() { // in init, since readers look into the table themselves
	table = []row{
		{name: "version", in: inRoot, read: readVersion},
		{name: "features", in: inRoot, read: readFeatures},
		{name: "policies", in: inRoot, read: readPolicies},
		{name: "metrics", in: inRoot, read: readMetrics, live: true, cost: costOfMetrics},
		{name: "errors", in: inRoot, rule: rootLog, read: readRootErrors, write: clearRootErrors, emptyOK: true, live: true},
		{in: inRoot, kind: netDir, rule: ownDir},

		{name: "port", in: inNet, kind: portDoor, rule: ownDoor},
		{name: "stream", in: inNet, kind: streamDoor, rule: rwOfDoor},
		{name: "policy", in: inNet, rule: setting, read: readPolicy, write: writePolicy, live: true},
		{name: "mtu", in: inNet, rule: setting, read: readSetting, write: writeSetting},
		{name: "queue", in: inNet, rule: setting, read: readSetting, write: writeSetting},
		{name: "overflow", in: inNet, rule: setting, read: readSetting, write: writeSetting},
		{name: "maxports", in: inNet, rule: setting, read: readSetting, write: writeSetting},
		{name: "persist", in: inNet, rule: setting, read: readSetting, write: writeSetting},
		{name: "linktype", in: inNet, rule: setting, read: readSetting, write: writeSetting},
		{name: "tap", in: inNet, kind: attachFile, rule: setting, read: readAttached, write: writeAttached},
		{name: "grab", in: inNet, kind: attachFile, rule: setting, read: readAttached, write: writeAttached},
		{name: "stats", in: inNet, rule: setting, read: readStats, write: resetStats, live: true},
		{name: "events", in: inNet, kind: eventFile},
		{name: "errors", in: inNet, rule: setting, read: readErrors, write: clearErrors, emptyOK: true, live: true},
		{name: "ports", in: inNet, kind: portsDir, rule: manageDir},
		{in: inNet, kind: policyDir, rule: reportDir},

		{in: inPorts, kind: portDir, rule: reportDir},

		{name: "port", in: inPort, kind: portDoor, rule: ownDoor},
		{name: "info", in: inPort, read: readPortInfo, live: true, cost: costOfPortInfo},
		{name: "stats", in: inPort, rule: setting, read: readPortStats, write: resetPortStats, live: true},
		{name: "name", in: inPort, rule: setting, read: readSetting, write: writeSetting, emptyOK: true},
		{name: "queue", in: inPort, rule: setting, read: readSetting, write: writeSetting, live: true},
		{name: "overflow", in: inPort, rule: setting, read: readSetting, write: writeSetting, live: true},
		{name: "mirror", in: inPort, rule: setting, read: readSetting, write: writeSetting, emptyOK: true},
	}
	for _, in := range []place{inPolicy, inPort} {
		for i := range slots(in) {
			table = append(table, row{in: in, rule: setting, read: readValue, write: writeValue, emptyOK: true, live: true, slot: uint8(i)})
		}
	}
	for i := range table {
		table[i].index = uint8(i + 1)
	}
}

// reservedNames are names in the root directory that no network may have,
// though there is no file there yet.
var reservedNames = map[string]bool{"policies.d": true}

// rowOf finds a row by directory and name; "" finds the first without one.
func rowOf(in place, name string) *row {
	for i := range table {
		if table[i].in == in && table[i].name == name {
			return &table[i]
		}
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
