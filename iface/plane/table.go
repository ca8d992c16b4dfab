package plane

import (
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
)

// Key tells an address of a network. It is a key of the map as it is.
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

// Put stores entries; a key that is there gets the new one, and keeps when it was used. It
// fails if the table is full.
func (p *Plane) Put(keys []Key, entries []Entry) error {
	if len(keys) == 0 {
		return nil
	}
	values := make([]value, len(entries))
	for i, e := range entries {
		v := &values[i]
		_ = p.maps.fdb.Lookup(&keys[i], v) // what is not there was not used
		v.Slot, v.Mark, v.Tag = uint16(e.Slot), e.Mark, keys[i].VLAN
		if e.Tagged {
			v.Tag |= tagged
		}
	}
	_, err := p.maps.fdb.BatchUpdate(keys, values, nil)
	if errors.Is(err, unix.E2BIG) {
		return fail.Errorf(fail.NoSpace, "the kernel's table has %d addresses, which is all it takes", maxEntries)
	}
	return err
}

// Delete takes keys out, as far as they are there.
func (p *Plane) Delete(keys []Key) {
	for len(keys) > 0 {
		n, err := p.maps.fdb.BatchDelete(keys, nil)
		if !errors.Is(err, ebpf.ErrKeyNotExist) {
			return
		}
		keys = keys[n+1:] // the batch ends at one that is not there
	}
}

// Used tells when a frame from an address last went by the plane: in nanoseconds of
// CLOCK_MONOTONIC, to about a second; 0: never, or it is not there.
func (p *Plane) Used(k Key) (when int64) {
	var v value
	if p.maps.fdb.Lookup(&k, &v) != nil {
		return 0
	}
	return int64(v.Used)
}
