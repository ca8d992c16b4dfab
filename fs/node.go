package fs

import (
	"cmp"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

// A node id says what must be known of a node:
//
//	63..56  number of a row of the table, or of a slot of a row, from 1 (the root
//	        directory is id 1)
//	55..32  the network's id, 0 in the root directory
//	31..0   of POLICY/: the policy's life (bus.Network.PolicyLife)
//	31..16  of its files: the low bits of that
//	31..16  of ports/N and its files: the port's number, less 1
//	15..0   what tells them from those that the kernel knows already: which
//	        port and which policy is meant stands in FS.known
//
// Of a fresh node the lowest bits are a sequence number, and a policy's life is
// moved up by as many (sequenceBits): each LOOKUP gives another node. There are two
// reasons. The kernel locks an inode while a write to it waits, and so another
// opener of a door, or of a set such as tap, must not have the same inode.
// And the kernel keeps the size and the pages that sendfile(2) and splice(2)
// read with the inode: of a text that changes by itself each reader must have
// his own. Settings have one inode each, so that locks and watches work there; a
// socket has one while it is bound.
//
// No id is given again while the kernel knows a node of it (FS.known). The
// kernel remembers that a directory was removed for as long as it remembers the
// node: a number that is used again must not bring the dead directory back. And
// who still has a file open must not act on what came later: the kernel checks
// fchmod(2) by the owner that the file had.
const (
	rowShift  = 56
	netShift  = 32
	portShift = 16
)

// netOf is the network's id in a node id.
func netOf(id uint64) uint32 { return uint32(id>>netShift) & (1<<24 - 1) }

// node is a node id taken apart. net and port are nil where there is none;
// gone says that there was one and it has ended.
type node struct {
	id   uint64
	row  *row // nil: the root directory
	net  *bus.Network
	port *bus.Port
	gone bool

	reader, readerGroup uint32           // user and group id of whom the text is made for
	opener              *bus.Credentials // of the open file, in a write

	// Of what a policy serves, and empty in all other nodes:
	slot     int    // which of those that the row stands for
	life     uint64 // of the policy
	policy   string // its name
	own      string // the file's
	readOnly bool
	ofFrames bool       // policy.Table.OfFrames
	cost     func() int // policy.Table.Cost
}

var sequence atomic.Uint32

// ofNetwork tells whether the row is a network's directory or stands in it.
func (r *row) ofNetwork() bool {
	return r.in != bus.InRoot && r.in != inHiding || r.kind == netDir
}

// ofPort tells whether the row is a port's directory or stands in it.
func (r *row) ofPort() bool { return r.in == bus.InPort || r.kind == portDir }

// ofPolicy tells whether the row is for what a policy serves.
func (r *row) ofPolicy() bool {
	return r.slots > 0 || r.kind == policyDir
}

// sequenceBits is how many bits of a node id tell one LOOKUP from another.
func (r *row) sequenceBits() uint {
	switch {
	case !r.live:
		return 0
	case r.ofPort(), r.in == inPolicy:
		return 16
	}
	return 32
}

// makeID gives the node id of a row, with the slot and the sequence number 0; life
// is the policy's, of what it serves. known.enter completes it.
func makeID(r *row, net *bus.Network, port *bus.Port, life uint64) uint64 {
	id := uint64(r.index) << rowShift
	if net != nil {
		id |= uint64(net.ID()) << netShift
	}
	low := uint32(life) << r.sequenceBits()
	if port != nil {
		low = uint32(port.Number()-1)<<portShift | uint32(port.Life()<<r.sequenceBits())
	}
	return id | uint64(low)
}

// refresh gives the id of a fresh node its sequence number.
func (n *node) refresh() {
	if n.row.live {
		n.id |= uint64(sequence.Add(1)) & n.row.sequenceMask()
	}
}

// sequenceMask has the bits of the sequence number set.
func (r *row) sequenceMask() uint64 { return 1<<r.sequenceBits() - 1 }

// node finds what an id means.
func (f *FS) node(id uint64) node {
	n := node{id: id}
	index := int(id >> rowShift)
	if id == fuse.FUSE_ROOT_ID {
		return n
	}
	if n.row, n.slot = tree().numbered(index); n.row == nil {
		n.gone = true
		n.row = &unknownRow
		return n
	}
	if n.row.ofNetwork() {
		n.net = f.bus.NetworkByID(netOf(id))
		n.gone = n.gone || n.net == nil
	}
	if n.row.ofPort() && !n.gone {
		n.port, n.life = f.known.port(id)
		if n.port != n.net.Port(int(uint32(id)>>portShift)+1) {
			n.port = nil
		}
		n.gone = n.port == nil
	}
	if n.row.ofPolicy() && !n.gone {
		n.gone = !n.resolve()
	}
	return n
}

// still finds a node again that somebody has open: not if it has ended, also
// if what came in its place got the same id.
func (f *FS) still(was *node) (n node, ok bool) {
	n = f.node(was.id)
	return n, !n.gone && n.net == was.net && n.port == was.port && n.life == was.life
}

// ino is the inode number that stat shows: the node id without sequence and
// life.
func (n *node) ino() uint64 {
	switch {
	case n.row == nil:
		return fuse.FUSE_ROOT_ID
	case n.row.ofPort():
		return n.id &^ (1<<portShift - 1)
	}
	return n.id &^ (1<<netShift - 1)
}

// name is that of a file, or of a directory that has no number or name of
// its own.
func (n *node) name() string {
	return cmp.Or(n.row.name, n.own, n.policy, unknownRow.name)
}

// path names the node within the mount, for people.
func (n *node) path() string {
	if n.row == nil {
		return "/"
	}
	path := n.localPath()
	if n.net != nil && n.row.kind != netDir {
		return n.net.Name() + "/" + path
	}
	return path
}

// localPath names the node within its network.
func (n *node) localPath() string {
	switch {
	case n.row == nil:
		return "/"
	case n.row.kind == netDir && n.net != nil:
		return n.net.Name()
	case n.port == nil && n.own != "":
		return n.policy + "/" + n.own
	case n.port == nil:
		return n.name()
	case n.row.kind == portDir:
		return "ports/" + itoa(n.port.Number())
	}
	return "ports/" + itoa(n.port.Number()) + "/" + n.name()
}
