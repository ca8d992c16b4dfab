// Package plane is what forwards in the kernel: one program and its maps for all
// networks of the process, and the devices of each port. It decides nothing: all
// that it knows others have put there, see package fastpath.
package plane

import (
	"ipnfs/iface/netns"
)

// Plane is the process's only one.
type Plane struct{}

// Load makes the plane when it is first called. The error says why this kernel, or this
// process, cannot have one, in a few words.
func Load() (*Plane, error) { panic("not yet") }

// NS is the private namespace that the daemon's ends of ports lie in.
func (p *Plane) NS() *netns.NS { panic("not yet") }

// NewNetwork returns a number for a network, which its keys have. FreeNetwork gives it back.
func (p *Plane) NewNetwork() (id uint32, err error) { panic("not yet") }

// FreeNetwork gives a number back. All entries of the network were deleted.
func (p *Plane) FreeNetwork(id uint32) { panic("not yet") }

// Key tells an address of a network.
type Key struct {
	Network uint32
	VLAN    uint16
	MAC     [6]byte
}

// Entry says where an address is: at the port of that slot, as was found when the
// port had that mark.
type Entry struct {
	Slot   int
	Mark   uint32
	Tagged bool // frames to it leave with the tag of the port and the VLAN
}

// Put stores entries; a key that is there gets the new one. It fails if the table is full.
func (p *Plane) Put(keys []Key, entries []Entry) error { panic("not yet") }

// Delete takes keys out, as far as they are there.
func (p *Plane) Delete(keys []Key) { panic("not yet") }

// Used tells when a frame from an address last went by the plane: in nanoseconds of
// CLOCK_MONOTONIC, to about a second; 0: never, or it is not there.
func (p *Plane) Used(k Key) (when int64) { panic("not yet") }
