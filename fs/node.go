package fs

import (
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
//	31..15  of a port's files: the port's number, and in 14..0 the sequence
//
// The sequence number is there because each LOOKUP of a door gives a fresh
// node: the kernel locks an inode while a write to it waits, and so another
// opener of the same door must not have the same inode.
const (
	rowShift  = 56
	netShift  = 32
	portShift = 15
)

// node is a node id taken apart. net and port are nil where there is none;
// gone says that there was one and it has ended.
type node struct {
	id   uint64
	row  *row // nil: the root directory
	net  *bus.Network
	port *bus.Port
	gone bool
}

var doorSequence atomic.Uint32

// makeID gives the node id of a row; fresh: one of its own.
func makeID(r *row, net uint32, port int, fresh bool) uint64 {
	id := uint64(r.index)<<rowShift | uint64(net)<<netShift
	var sequence uint32
	if fresh {
		sequence = doorSequence.Add(1)
	}
	if r.in == inPort || r.kind == portDir {
		return id | uint64(port)<<portShift | uint64(sequence)&(1<<portShift-1)
	}
	return id | uint64(sequence)
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
	if n.row.in != inRoot || n.row.kind == netDir {
		n.net = f.bus.NetworkByID(uint32(id>>netShift) & (1<<24 - 1))
		n.gone = n.net == nil
	}
	if n.row.in == inPort || n.row.kind == portDir {
		if !n.gone {
			n.port = n.net.Port(int(uint32(id) >> portShift))
			n.gone = n.port == nil
		}
	}
	return n
}

// ino is the inode number that stat shows: the node id without the sequence.
func (n *node) ino() uint64 {
	switch {
	case n.row == nil:
		return fuse.FUSE_ROOT_ID
	case n.row.in == inPort || n.row.kind == portDir:
		return n.id &^ (1<<portShift - 1)
	}
	return n.id &^ (1<<netShift - 1)
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
	case n.port == nil:
		return n.row.name
	case n.row.kind == portDir:
		return "ports/" + itoa(n.port.Number())
	}
	return "ports/" + itoa(n.port.Number()) + "/" + n.row.name
}
