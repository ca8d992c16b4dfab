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

// Table is a forwarding database. All methods may be called at any time from
// any thread; which of them take the lock is said in the package comment.
type Table struct {
	// What every frame reads.
	array   atomic.Pointer[slots]
	horizon atomic.Uint32 // entries stamped before this second have aged out
	damping atomic.Uint32 // seconds
	limit   atomic.Int64
	_       [64]byte // what follows is written more often

	live    atomic.Int64 // entries; changed under mu
	learned atomic.Uint64
	moved   atomic.Uint64
	damped  atomic.Uint64
	refused atomic.Uint64
	aged    atomic.Uint64
	evicted atomic.Uint64
	greedy  atomic.Int64 // greediest, readable without the lock

	mu        sync.Mutex
	ageing    uint32
	now       uint32 // the last Tick
	owners    map[int]*owner
	greediest int // the port that has most entries, or had when that was looked for
	most      int // that it had then
}

// Stats counts what happened since the table was made.
type Stats struct {
	Learned uint64 // addresses that were new
	Moved   uint64 // addresses that changed their port
	Damped  uint64 // frames whose address was kept from moving
	Refused uint64 // frames whose address found no room
	Aged    uint64 // addresses forgotten for their age
	Evicted uint64 // addresses forgotten for those of ports that had fewer
}

// New makes a table that holds at most limit entries. It grows as it fills:
// about 30 to 60 bytes an entry.
func New(limit int) *Table {
	t := &Table{ageing: DefaultAgeing, owners: map[int]*owner{}}
	t.limit.Store(int64(limit))
	t.array.Store(newSlots(minSlots, seed{rand.Uint64(), rand.Uint64() | 1}))
	return t
}

// Len returns how many entries there are, static ones included.
func (t *Table) Len() int { return int(t.live.Load()) }

// Limit returns how many entries there may be.
func (t *Table) Limit() int { return int(t.limit.Load()) }

// SetLimit sets how many entries there may be. What is there stays; if it is
// more, nothing new is learned until enough of it has gone.
func (t *Table) SetLimit(limit int) { t.limit.Store(int64(limit)) }

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
	defer t.mu.Unlock()
	t.ageing = seconds
	t.setHorizon()
}

// setHorizon works out which stamps are too old, under mu.
func (t *Table) setHorizon() {
	h := uint32(0)
	if t.ageing != 0 && t.now > t.ageing {
		h = t.now - t.ageing
	}
	t.horizon.Store(h)
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	return Stats{t.learned.Load(), t.moved.Load(), t.damped.Load(), t.refused.Load(), t.aged.Load(), t.evicted.Load()}
}

// put stores p for k, which has no entry; s is its empty slot or nil. Under mu.
func (t *Table) put(s *slot, k Key, p place) {
	t.live.Add(1)
	if s != nil {
		s.place.Store(uint64(p))
	} else {
		a := t.array.Load()
		if a.full() {
			a = t.renew(a)
		}
		a.add(k, p)
	}
	t.own(k, p.port())
}

// renew replaces the array by one that has room, without the slots of
// entries that have gone. Under mu, with live counting the entry to come.
func (t *Table) renew(old *slots) *slots {
	size := minSlots
	for int(t.live.Load()) > size/8*5 {
		size *= 2
	}
	a := newSlots(size, old.seed)
	for i := range old.lines {
		for j := range old.lines[i] {
			s := &old.lines[i][j]
			if p := place(s.place.Load()); p != 0 {
				a.add(Key(s.key.Load()), p)
			}
		}
	}
	t.array.Store(a)
	return a
}
