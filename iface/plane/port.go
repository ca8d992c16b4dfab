package plane

import (
	"encoding/binary"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// Port is a pair of veth devices, of which one end is the host's, and a punt tap, by which
// the daemon gets what the program does not forward, and sends.
type Port struct {
	plane *Plane
	slot  int
	tap   int
	cell  *portCell
	order *orderCell
	close sync.Once

	mu sync.Mutex
	// +checklocks:mu
	gone bool // the pair, and so last is the last of it
	// +checklocks:mu
	last deviceStats
	// +checklocks:mu
	closed bool // and so final is all that went by
	// +checklocks:mu
	final Counts
}

// NewPort makes a port. The host's end is in host, has that name, and is down. No frame
// of the port is forwarded before Set.
func (p *Plane) NewPort(host *netns.NS, name string) (*Port, error) {
	for {
		slot, err := p.slots.take()
		if err != nil {
			return nil, err
		}
		p.maps.clear(slot)
		p.news.forget(pairIndex(slot))
		tap, err := p.makeDevices(slot, host, name)
		if err == nil {
			return &Port{plane: p, slot: slot, tap: tap, cell: &p.maps.ports.cells[slot], order: &p.maps.order.cells[slot]}, nil
		}
		if !p.occupied(slot) {
			p.slots.give(slot)
			return nil, err
		}
		// A device that the kernel has made in all namespaces has an index of the slot: it
		// is nobody's.
	}
}

// clear makes a slot as new, but for its mark.
func (m *maps) clear(slot int) {
	m.order.cells[slot] = orderCell{}
	clear(m.counts.cells[slot*m.cpus : (slot+1)*m.cpus])
	m.ports.cells[slot].maxLen.Store(uint32(anyLen))
	m.ports.cells[slot].mtu.Store(uint32(anyLen))
}

// Slot is the port's place in the plane.
func (p *Port) Slot() int { return p.slot }

// Index is the index of the daemon's end of the pair in Plane.NS.
func (p *Port) Index() int { return pairIndex(p.slot) }

// Tap is the descriptor of the punt tap. It is non-blocking and stays the port's own.
func (p *Port) Tap() int { return p.tap }

// Settings say how the program treats frames of a port.
type Settings struct {
	Network  uint32
	Isolated bool
	VLANs    bool
	PVID     uint16
	TPID     uint16
}

// flags is how portCell has them.
func (s *Settings) flags() (f uint32) {
	if s.VLANs {
		f |= flagVLANs
	}
	if s.Isolated {
		f |= flagIsolated
	}
	return f
}

// Mark is the number that entries and settings of the port must have to count.
func (p *Port) Mark() uint32 { return p.cell.mark.Load() }

// Revoke makes another mark: by one store nothing is forwarded to or from the port any
// more. From any thread.
func (p *Port) Revoke() {
	if c := p.cell; c.mark.Add(1) == c.valid.Load() {
		c.mark.Add(1) // they have come round, and nobody has set up the port since
	}
}

// Set lets frames of the port be forwarded, as s says, if the port has that mark still.
// By one thread at a time.
func (p *Port) Set(mark uint32, s Settings) {
	vlan := binary.NativeEndian.Uint32(binary.BigEndian.AppendUint16(binary.NativeEndian.AppendUint16(nil, s.PVID), s.TPID))
	c := p.cell
	if c.network.Load() != s.Network || c.flags.Load() != s.flags() || c.vlan.Load() != vlan {
		c.valid.Store(mark - 1)
		c.network.Store(s.Network)
		c.flags.Store(s.flags())
		c.vlan.Store(vlan)
		passed()
	}
	c.valid.Store(mark)
}

// passed waits, where a processor may take loads out of their order, until none runs the
// program with what it loaded before: so none sees the mark that is stored next, and older
// settings (membarrier(2)). A kernel without it has no such guard.
func passed() {
	const global = 1 // MEMBARRIER_CMD_GLOBAL
	if runtime.GOARCH != "amd64" {
		_, _, _ = unix.Syscall(unix.SYS_MEMBARRIER, global, 0, 0)
	}
}

// SetLimits sets the longest frame, in bytes with its header: that the host's end takes,
// its outermost tag not counted (0: any), and that the network takes, with it. Longer ones
// are punted.
func (p *Port) SetLimits(device, network int) {
	p.cell.maxLen.Store(limit(device))
	p.cell.mtu.Store(limit(network))
}

func limit(n int) uint32 {
	if n == 0 {
		n = anyLen
	}
	return uint32(n)
}

// SetLong lets the daemon's end take whatever the host's end sends, which has a longer MTU
// than ShortMTU, or again not. It must not be called after Close.
func (p *Port) SetLong(long bool) error {
	mtu := ShortMTU
	if long {
		mtu = longMTU
	}
	return p.plane.rtnl.LinkSetMTU(device(p.Index()), mtu)
}

// Carried says that n more frames of the punt tap were carried to all their receivers, in
// order: when all are, known addresses are forwarded again. By one thread at a time.
func (p *Port) Carried(n int) {
	// A super-frame that the tap cannot have whole is more frames there than one.
	p.order.done.Store(min(p.order.done.Load()+uint64(n), p.order.punted.Load()))
}

// Close ends the port with all its devices. It may be called more than once.
func (p *Port) Close() {
	p.close.Do(func() {
		p.Revoke() // of a device that has gone nothing is counted
		p.plane.remover.remove(p.slot)
		closeTap(p.tap)
		final := p.Counts()
		p.mu.Lock()
		p.closed, p.final = true, final
		p.mu.Unlock()
		p.plane.slots.give(p.slot)
	})
}
