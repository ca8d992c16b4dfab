package fs

import (
	"cmp"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"

	"ipnfs/bus"
)

// A node id says all that must be known of a node, so that nothing is stored
// per node and FORGET means nothing:
//
//	63..56  row of the table, counted from 1 (the root directory is id 1)
//	55..32  the network's id, 0 in the root directory
//	31..0   of a network's doors: a sequence number
//	31..0   of POLICY/ and its files: the policy's life (bus.Network.PolicyLife)
//	31..16  of ports/N and its files: the port's number, less 1
//	15..0   the port's life (bus.Port.Life)
//	15..8   of ports/N/port: the low bits of the life, and in 7..0 a sequence
//	15..0   of ports/N's files that the policy serves: both lives, mixed
//
// The sequence number is there because each LOOKUP of a door, or of a file that
// attaches, gives a fresh node: the kernel locks an inode while a write to it
// waits, and so another opener of the same file must not have the same inode.
//
// The lives are there because the kernel remembers that a directory was removed
// for as long as it remembers the node: a number that is used again must not
// bring the dead directory back, and who still has a file of it open must not
// act on the new port or policy.
const (
	rowShift  = 56
	netShift  = 32
	portShift = 16
	lifeBits  = 16
	seqBits   = 8
	// lifeMix spreads the lives of policies over the sums with those of ports:
	// odd, so that 65536 policies make 65536 ids.
	lifeMix = 0x9e37
)

// node is a node id taken apart. net and port are nil where there is none;
// gone says that there was one and it has ended.
type node struct {
	id   uint64
	row  *row // nil: the root directory
	net  *bus.Network
	port *bus.Port
	gone bool

	// Of what a policy serves, and empty in all other nodes:
	life     uint64 // of the policy
	policy   string // its name
	own      string // the file's
	readOnly bool
}

var sequence atomic.Uint32

// ofPort tells whether the row is a port's directory or stands in it.
func (r *row) ofPort() bool { return r.in == inPort || r.kind == portDir }

// ofPolicy tells whether the row is for what a policy serves.
func (r *row) ofPolicy() bool {
	return r.in == inPolicy || r.kind == policyDir || r.in == inPort && r.name == ""
}

// fresh tells whether each LOOKUP gives another node.
func (r *row) fresh() bool { return r.isDoor() || r.kind == attachFile }

// makeID gives the node id of a row; life is the policy's, of what it serves.
func makeID(r *row, net *bus.Network, port *bus.Port, life uint64) uint64 {
	id := uint64(r.index) << rowShift
	if net != nil {
		id |= uint64(net.ID()) << netShift
	}
	low := uint32(life)
	if r.fresh() {
		low = sequence.Add(1)
	}
	if port != nil {
		lives := uint32(port.Life()) + low*lifeMix
		if r.isDoor() {
			lives = uint32(port.Life())<<seqBits | low&(1<<seqBits-1)
		}
		low = uint32(port.Number()-1)<<portShift | lives&(1<<lifeBits-1)
	}
	return id | uint64(low)
}

// sameLife tells whether an id of a port's file was made in p's life.
func sameLife(r *row, id uint64, p *bus.Port) bool {
	made, now := uint16(id), p.Life()
	if r.isDoor() {
		return made>>seqBits == now&(1<<(lifeBits-seqBits)-1)
	}
	return made == now
}

// node finds what an id means.
func (f *FS) node(id uint64) node {
	n := node{id: id}
	index := int(id >> rowShift)
	if id == fuse.FUSE_ROOT_ID {
		return n
	}
	if index < 1 || index > len(table) {
		n.gone = true
		n.row = &unknownRow
		return n
	}
	n.row = &table[index-1]
	n.gone = !n.row.there()
	if n.row.in != inRoot || n.row.kind == netDir {
		n.net = f.bus.NetworkByID(uint32(id>>netShift) & (1<<24 - 1))
		n.gone = n.gone || n.net == nil
	}
	if n.row.ofPort() && !n.gone {
		n.port = n.net.Port(int(uint32(id)>>portShift) + 1)
		if n.port != nil && !n.row.ofPolicy() && !sameLife(n.row, id, n.port) {
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
	return n, !n.gone && n.port == was.port && n.life == was.life
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
