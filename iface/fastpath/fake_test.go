package fastpath

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/iface/plane"
)

// fakePlane is a plane in memory that decides as the program in the kernel does.
type fakePlane struct {
	mu       sync.Mutex
	entries  map[plane.Key]fakeEntry
	ports    []*fakePort // by slot-1
	networks map[uint32]bool
	last     uint32
	most     int // entries there may be; 0: any
	puts     int
}

// fakeEntry is an entry, and when it was used.
type fakeEntry struct {
	plane.Entry
	used int64
}

func newPlane() *fakePlane {
	return &fakePlane{entries: map[plane.Key]fakeEntry{}, networks: map[uint32]bool{}}
}

func (t *fakePlane) NewNetwork() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.networks[t.last] = true
	return t.last
}

func (t *fakePlane) FreeNetwork(id uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.entries {
		if k.Network == id {
			panic("a network is freed that has entries")
		}
	}
	delete(t.networks, id)
}

func (t *fakePlane) Put(keys []plane.Key, entries []plane.Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, k := range keys {
		if t.puts++; !t.networks[k.Network] {
			panic("an entry of no network")
		}
		t.entries[k] = fakeEntry{entries[i], t.entries[k].used}
		if t.most != 0 && len(t.entries) > t.most {
			return errors.New("full")
		}
	}
	return nil
}

func (t *fakePlane) Delete(keys []plane.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range keys {
		delete(t.entries, k)
	}
}

func (t *fakePlane) Used(k plane.Key) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.entries[k].used
}

// limit sets how many entries there may be.
func (t *fakePlane) limit(most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most = most
}

// len is how many entries there are.
func (t *fakePlane) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}

// use notes that a frame from there went by now, so much later.
func (t *fakePlane) use(k plane.Key, later time.Duration) {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[k]
	e.used = now.Nano() + int64(later)
	t.entries[k] = e
}

// fakePort is a gate.
type fakePort struct {
	plane           *fakePlane
	slot            int
	mark, valid     atomic.Uint32
	settings        atomic.Pointer[plane.Settings]
	device, network atomic.Int64
	carried         atomic.Int64

	mu     sync.Mutex
	counts plane.Counts
}

// port makes a port.
func (t *fakePlane) port() *fakePort {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &fakePort{plane: t, slot: len(t.ports) + 1}
	p.mark.Store(1)
	t.ports = append(t.ports, p)
	return p
}

func (p *fakePort) Slot() int     { return p.slot }
func (p *fakePort) Mark() uint32  { return p.mark.Load() }
func (p *fakePort) Revoke()       { p.mark.Add(1) }
func (p *fakePort) Carried(n int) { p.carried.Add(int64(n)) }

func (p *fakePort) Set(mark uint32, s plane.Settings) {
	p.settings.Store(&s)
	p.valid.Store(mark)
}

func (p *fakePort) SetLimits(device, network int) {
	p.device.Store(int64(device))
	p.network.Store(int64(network))
}

func (p *fakePort) Counts() plane.Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

func (p *fakePort) open() bool { return p.mark.Load() == p.valid.Load() }

// classify tells which VLAN a frame is in; ok: the program can tell.
func classify(s *plane.Settings, data []byte) (vlan, prio uint16, tagged, ok bool) {
	if !s.VLANs {
		return 0, 0, false, true
	}
	vlan = s.PVID
	if binary.BigEndian.Uint16(data[12:]) == s.TPID {
		if len(data) < 18 {
			return 0, 0, false, false
		}
		tci := binary.BigEndian.Uint16(data[14:])
		vlan, prio, tagged = tci&0xfff, tci&0xf000, true
	}
	return vlan, prio, tagged, vlan != 0
}

// decide tells what the program does with a frame that comes by p; nil: the daemon gets it.
func (p *fakePort) decide(data []byte) (to *fakePort, edit frame.Edit) {
	p.plane.mu.Lock()
	defer p.plane.mu.Unlock()
	if !p.open() || len(data) < 14 || data[0]&1 != 0 {
		return nil, edit
	}
	from := p.settings.Load()
	vlan, prio, tagged, ok := classify(from, data)
	if !ok {
		return nil, edit
	}
	src, known := p.plane.entries[plane.Key{Network: from.Network, VLAN: vlan, MAC: [6]byte(data[6:])}]
	dst, there := p.plane.entries[plane.Key{Network: from.Network, VLAN: vlan, MAC: [6]byte(data)}]
	if !known || src.Slot != p.slot || src.Mark != p.mark.Load() || !there || dst.Slot == p.slot {
		return nil, edit
	}
	to = p.plane.ports[dst.Slot-1]
	if !to.open() || dst.Mark != to.mark.Load() || from.Isolated && to.settings.Load().Isolated {
		return nil, edit
	}
	own := 0
	if tagged {
		own = 4
	}
	if longest := int(to.device.Load()); longest != 0 && len(data)-own > longest || len(data) > int(p.network.Load()) {
		return nil, edit
	}
	tpid := to.settings.Load().TPID
	if !from.VLANs || dst.Tagged && tagged && tpid == from.TPID {
		return to, edit
	}
	if dst.Tagged {
		edit.Push = uint32(tpid)<<16 | uint32(prio|vlan)
	}
	if tagged {
		edit.Strip = 1
	}
	return to, edit
}

var (
	_ table = (*fakePlane)(nil)
	_ gate  = (*fakePort)(nil)
)

// check makes sure that nothing is left.
func (t *fakePlane) check(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) != 0 || len(t.networks) != 0 {
		tb.Errorf("%d entries and %d networks are left", len(t.entries), len(t.networks))
	}
	for _, p := range t.ports {
		if p.open() {
			tb.Errorf("the port in slot %d forwards still", p.slot)
		}
	}
}
