package plane

import (
	"math/rand/v2"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

const (
	maxSlots   = 4096     // of the first none is a port's
	maxCounts  = 32 << 20 // bytes of all counters
	maxEntries = 1 << 20  // addresses of all networks
)

// maps are what the program and the process share. The arrays are memory of both:
// each field has one writer, or is written by atomic operations.
type maps struct {
	slots  int // in use is at most that number less one
	cpus   int
	ports  array[portCell]
	order  array[orderCell]
	counts array[countCell] // slots times cpus
	fdb    *ebpf.Map        // of Key and value
}

// portCell is how the program treats frames of a port. The process writes it.
type portCell struct {
	mark    atomic.Uint32 // goes on counting when the slot has another port
	valid   atomic.Uint32 // the mark that the rest is of; another: nothing is forwarded
	network atomic.Uint32
	flags   atomic.Uint32
	vlan    atomic.Uint32 // two halves: the pvid, and the tpid in the order of the wire
	maxLen  atomic.Uint32 // of what the host's end takes
	mtu     atomic.Uint32 // of the network
	_       [36]byte      // a cache line
}

// Offsets in a portCell.
const (
	portMark, portValid, portNetwork, portFlags     = 0, 4, 8, 12
	portPVID, portTPID, portMaxLen, portMTU         = 16, 18, 20, 24
	flagVLANs, flagIsolated                         = 1, 2
	anyLen                                      int = 1<<31 - 1
)

// orderCell keeps frames that are forwarded behind those that were punted before.
type orderCell struct {
	punted   atomic.Uint64 // to the tap; the program writes it
	draining atomic.Uint64 // too many wait: others are dropped until all are carried
	_        [48]byte
	done     atomic.Uint64 // of those that were punted; the process writes it
	_        [56]byte
}

// Offsets in an orderCell.
const orderPunted, orderDraining, orderDone = 0, 8, 64

// countCell counts for a port on one processor. The program writes it, there only, and so
// by no atomic operations.
type countCell struct {
	in, inBytes           atomic.Uint64
	out, outBytes         atomic.Uint64
	overrun, overrunBytes atomic.Uint64
	sent                  atomic.Uint64 // by the process, to the host's end
	_                     [8]byte
}

// Offsets in a countCell; the bytes are behind the frames.
const countIn, countOut, countOverrun, countSent = 0, 16, 32, 48

// value is where an address is, as the program sees it. Its fields have names that
// package ebpf can read.
type value struct {
	Slot uint16
	Tag  uint16 // the VLAN, as the key has it, and tagged
	Mark uint32
	Used uint64 // nanoseconds of CLOCK_MONOTONIC; the program writes it
}

// Offsets in a value.
const valueSlot, valueTag, valueMark, valueUsed = 0, 2, 4, 8

// tagged is in a Tag: frames leave with the VLAN's tag.
const tagged = 1 << 15

// array is a map whose elements are memory of the process, too.
type array[T any] struct {
	fd    *ebpf.Map
	cells []T
	bytes []byte
}

func newArray[T any](name string, n int) (a array[T], err error) {
	var cell T
	a.fd, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: name, Type: ebpf.Array, Flags: unix.BPF_F_MMAPABLE,
		KeySize: 4, ValueSize: uint32(unsafe.Sizeof(cell)), MaxEntries: uint32(n),
	})
	if err != nil {
		return a, err
	}
	size := (n*int(unsafe.Sizeof(cell)) + unix.Getpagesize() - 1) &^ (unix.Getpagesize() - 1)
	a.bytes, err = unix.Mmap(a.fd.FD(), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == nil {
		a.cells = unsafe.Slice((*T)(unsafe.Pointer(&a.bytes[0])), n)
	}
	return a, err
}

func (a *array[T]) close() {
	if a.bytes != nil {
		_ = unix.Munmap(a.bytes)
	}
	if a.fd != nil {
		_ = a.fd.Close()
	}
}

func newMaps() (*maps, error) {
	m := &maps{}
	if err := m.make(); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *maps) make() (err error) {
	if m.cpus, err = ebpf.PossibleCPU(); err != nil {
		return err
	}
	m.slots = min(maxSlots, maxCounts/(m.cpus*int(unsafe.Sizeof(countCell{}))))
	if m.ports, err = newArray[portCell]("ipnfs_ports", m.slots); err != nil {
		return err
	}
	for i := range m.ports.cells {
		m.ports.cells[i].mark.Store(rand.Uint32() | 1) // that of one port is hardly that of another
	}
	if m.order, err = newArray[orderCell]("ipnfs_order", m.slots); err != nil {
		return err
	}
	if m.counts, err = newArray[countCell]("ipnfs_counts", m.slots*m.cpus); err != nil {
		return err
	}
	m.fdb, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "ipnfs_fdb", Type: ebpf.Hash, Flags: unix.BPF_F_NO_PREALLOC,
		KeySize: uint32(unsafe.Sizeof(Key{})), ValueSize: uint32(unsafe.Sizeof(value{})), MaxEntries: maxEntries,
	})
	return err
}

func (m *maps) close() {
	m.ports.close()
	m.order.close()
	m.counts.close()
	if m.fdb != nil {
		_ = m.fdb.Close()
	}
}
