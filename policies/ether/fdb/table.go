package fdb

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Defaults of a new table, and the largest limit that one should be given.
const (
	DefaultLimit  = 1 << 16
	MaxLimit      = 1 << 20
	DefaultAgeing = 300 // seconds, IEEE 802.1Q table 8-11
)

// Memory is what a table is charged to, in bytes. It is called under the
// table's lock.
type Memory interface {
	Charge(n int) bool
	Refund(n int)
}

// BaseSize is what a new table holds, in bytes. It is not charged: whoever
// makes the table does that.
const BaseSize = minSlots * slotSize

// Table is a forwarding database. All methods may be called at any time from
// any thread; which of them take the lock is said in the package comment.
type Table struct {
	// What every frame reads.
	array   atomic.Pointer[slots]
	horizon atomic.Uint32 // entries stamped before this second have aged out
	damping atomic.Uint32 // seconds
	room    atomic.Int64  // entries there may be: limit, or fewer while memory lacks
	_       [64]byte      // what follows is written more often

	live    atomic.Int64 // entries; changed under mu
	limit   atomic.Int64
	now     atomic.Uint32 // the last Tick
	learned atomic.Uint64
	moved   atomic.Uint64
	damped  atomic.Uint64
	refused atomic.Uint64
	aged    atomic.Uint64
	evicted atomic.Uint64
	greedy  atomic.Int64 // greediest, readable without the lock

	elsewhere Elsewhere // see Ask; nil: nowhere

	mu sync.Mutex
	// +checklocks:mu
	mem Memory
	// +checklocks:mu
	changed func(Key) // see Watch
	// +checklocks:mu
	ageing uint32
	// +checklocks:mu
	owners map[int]*owner
	// +checklocks:mu
	limits map[int]int // entries that ports may have, by port; none: any
	// +checklocks:mu
	greediest int // the port that has most entries, or had when that was looked for
	// +checklocks:mu
	most int // that it had then
}

// Stats counts what happened since the table was made.
type Stats struct {
	Learned uint64 // addresses that were new
	Moved   uint64 // addresses that changed their port
	Damped  uint64 // frames whose address was kept from moving
	Refused uint64 // frames whose address found no room
	Aged    uint64 // addresses forgotten for their age
	Evicted uint64 // addresses forgotten for others, of their own port or of ports that had fewer
}

// New makes a table that holds at most limit entries. It grows as it fills,
// if mem allows: about 20 to 40 bytes an entry. A mem of nil allows all.
func New(limit int, mem Memory) *Table {
	t := &Table{mem: mem, ageing: DefaultAgeing, owners: map[int]*owner{}, limits: map[int]int{}}
	t.SetLimit(limit)
	t.array.Store(newSlots(minSlots, seed{rand.Uint64(), rand.Uint64() | 1}))
	return t
}

// Watch lets f hear of each key whose entry has come, moved or gone, under the
// table's lock. It must not call the table, but for Lookup.
func (t *Table) Watch(f func(Key)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changed = f
}

// +checklocks:t.mu
func (t *Table) tell(k Key) {
	if t.changed != nil {
		t.changed(k)
	}
}

// Len returns how many entries there are, static ones included.
func (t *Table) Len() int { return int(t.live.Load()) }

// Limit returns how many entries there may be.
func (t *Table) Limit() int { return int(t.limit.Load()) }

// SetLimit sets how many entries there may be. What is there stays; if it is
// more, nothing new is learned until enough of it has gone.
func (t *Table) SetLimit(limit int) {
	t.limit.Store(int64(limit))
	t.room.Store(int64(limit))
}

// SetPortLimit sets how many entries may be learned at a port; 0: any. If there
// are as many, a new one takes the place of an old one of the port. What is
// there stays.
func (t *Table) SetPortLimit(port, limit int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit == 0 {
		delete(t.limits, port)
	} else {
		t.limits[port] = limit
	}
}

// Damping returns the seconds set with SetDamping.
func (t *Table) Damping() uint32 { return t.damping.Load() }

// SetDamping keeps an address at its port until no frame of it came there for
// more than so many seconds (vde_switch's minper); 0, the default: it moves
// at once.
func (t *Table) SetDamping(seconds uint32) { t.damping.Store(seconds) }

// Ageing returns the seconds set with SetAgeing.
func (t *Table) Ageing() uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ageing
}

// SetAgeing sets after how many seconds without a frame an address is
// forgotten; 0: never. It holds at once for the entries that are there.
func (t *Table) SetAgeing(seconds uint32) {
	t.mu.Lock()
	t.ageing = seconds
	t.mu.Unlock()
	t.setHorizon()
}

// setHorizon puts in force which stamps are too old. Before that the stamps of those
// who were heard elsewhere are made the true ones: nobody finds them too old.
func (t *Table) setHorizon() {
	t.mu.Lock()
	h := t.tooOld()
	t.mu.Unlock()
	t.refresh(h)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.horizon.Store(min(h, t.tooOld())) // the ageing time may be another now
}

// tooOld works out which stamps are.
//
// +checklocks:t.mu
func (t *Table) tooOld() uint32 {
	if now := t.now.Load(); t.ageing != 0 && now > t.ageing {
		return now - t.ageing
	}
	return 0
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	return Stats{t.learned.Load(), t.moved.Load(), t.damped.Load(), t.refused.Load(), t.aged.Load(), t.evicted.Load()}
}

// find returns the slot of k, or nil. No lock.
func (t *Table) find(k Key) *slot { return t.array.Load().find(k) }

// +checklocks:t.mu
func (t *Table) charge(n int) bool { return t.mem == nil || t.mem.Charge(n) }

// +checklocks:t.mu
func (t *Table) refund(n int) {
	if t.mem != nil {
		t.mem.Refund(n)
	}
}
