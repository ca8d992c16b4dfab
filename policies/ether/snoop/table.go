package snoop

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Settings are what a switch's owner decides about snooping.
type Settings struct {
	// QueryInterval and Robustness are taken for a querier that says nothing
	// else (IGMPv1, v2 and MLDv1 do not), and are the least for one that does:
	// memberships last for Robustness*QueryInterval and the response time.
	QueryInterval time.Duration
	Robustness    int
	// FastLeave ends a membership as soon as a host leaves, without waiting
	// for the querier to ask. Right only if each port has one host.
	FastLeave bool
}

// DefaultSettings are those of RFC 9776, section 8, and RFC 9777, section 9.
func DefaultSettings() Settings {
	return Settings{QueryInterval: 125 * time.Second, Robustness: 2}
}

const (
	// DefaultLimit is a good limit for New.
	DefaultLimit = 4096
	// placesPerGroup bounds memory: a table of n groups stores at most this
	// many times n ports and sources.
	placesPerGroup = 32
	// maxRouters is how many router ports a domain may have: with more of them
	// there is little left to prune.
	maxRouters = 64
	// maxSources is how many sources a port may want of one group; who wants
	// more is taken to want any.
	maxSources = 32
	// maxReport is how many bytes of a message's records are looked at: all that
	// fit into an ethernet frame of 1500 bytes. Who has more to say opens the
	// domain, as he does who finds no room.
	maxReport = 1500
	// The memory that a domain, a group and a place take, in bytes.
	domainSize = 1 << 10
	groupSize  = 512
	placeSize  = 128
	// responseInterval is how long hosts may take to answer a general query
	// unless it says so (RFC 9776, 8.3).
	responseInterval = 10 * time.Second
	// latency is what an answer may take beyond the time that the query allows:
	// Linux alone adds two jiffies, and its way may be long.
	latency = time.Second
	// maxInterval is the longest time that a querier is trusted to be there
	// without a query: it names the time itself, and may ask for days.
	maxInterval = time.Hour
)

// Table knows who wants which multicast groups. All methods may be called at
// any time from any thread; only Lookup takes no lock.
type Table struct {
	snapshot *snapshot

	messages atomic.Uint64
	leaves   atomic.Uint64
	invalid  atomic.Uint64
	refused  atomic.Uint64

	mu sync.Mutex
	// +checklocks:mu
	mem Memory
	// +checklocks:mu
	limit int
	// +checklocks:mu
	settings Settings
	// +checklocks:mu
	start time.Time // what moments count from: the first call with a time
	// +checklocks:mu
	domains map[domainKey]*domain
	// +checklocks:mu
	static []int // router ports by SetRouter
	// +checklocks:mu
	groups int // in all domains
	// +checklocks:mu
	memberships map[int]int // by port, in all domains; none: 0
	// +checklocks:mu
	places int // ports and sources of all groups
	// +checklocks:mu
	now moment // the last Tick
}

// moment is a time since Table.start. A timer that runs until a moment has
// ended at that moment.
type moment = time.Duration

// Stats are counters since the table was made, and what it holds.
type Stats struct {
	Groups   int    // groups registered now, each VLAN's by itself
	Messages uint64 // frames read and found good
	Leaves   uint64 // of them, records that said that a host left
	Invalid  uint64 // frames dropped because they were not
	Refused  uint64 // memberships for which there was no room
}

// Memory is what a table is charged to, in bytes. It is called under the
// table's lock.
type Memory interface {
	Charge(n int) bool
	Refund(n int)
}

// New makes a table for at most limit groups, over all VLANs, and for fewer if mem
// says so. A mem of nil allows all.
func New(limit int, mem Memory) *Table {
	return &Table{
		mem:         mem,
		snapshot:    newSnapshot(),
		limit:       limit,
		settings:    DefaultSettings(),
		domains:     map[domainKey]*domain{},
		memberships: map[int]int{},
	}
}

// Settings returns the settings.
func (t *Table) Settings() Settings {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.settings
}

// SetSettings changes the settings. Times hold for the messages to come. An
// interval below a second or a robustness below 1 is taken as that.
func (t *Table) SetSettings(s Settings) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.QueryInterval = max(s.QueryInterval, time.Second)
	s.Robustness = max(s.Robustness, 1)
	t.settings = s
}

// SetRouter makes port a router port in all VLANs, or no longer, whatever is
// heard there (RFC 4541, 2.1.1 (1c)). It gets all groups. Forget and Flush do
// not change it.
func (t *Table) SetRouter(port int, on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, is := slices.BinarySearch(t.static, port)
	switch {
	case on && !is:
		t.static = slices.Insert(t.static, i, port)
	case !on && is:
		t.static = slices.Delete(t.static, i, i+1)
	default:
		return
	}
	for _, d := range t.domains {
		t.publishRouters(d)
	}
}

// Stats returns the counters.
func (t *Table) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{t.groups, t.messages.Load(), t.leaves.Load(), t.invalid.Load(), t.refused.Load()}
}

// +checklocks:t.mu
func (t *Table) charge(n int) bool { return t.mem == nil || t.mem.Charge(n) }

// +checklocks:t.mu
func (t *Table) refund(n int) {
	if t.mem != nil {
		t.mem.Refund(n)
	}
}

// at turns the caller's time into a moment.
//
// +checklocks:t.mu
func (t *Table) at(now time.Time) moment {
	if t.start.IsZero() {
		t.start = now
	}
	return now.Sub(t.start)
}

// Forget ends all that was learned from a port, because what was there has
// ended and was alone. If it was a router, all multicast goes everywhere until
// the next general query has been answered.
func (t *Table) Forget(port int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.domains {
		t.forget(d, port)
	}
}

// +checklocks:t.mu
func (t *Table) forget(d *domain, port int) {
	if t.memberships[port] > 0 {
		for _, g := range d.groups {
			t.leaveAll(d, g, port)
		}
	}
	if i, ok := d.findRouter(port); ok {
		t.reopen(d)
		d.routers = slices.Delete(d.routers, i, i+1)
		t.publishRouters(d)
	}
	if d.querier.port == port {
		d.querier = querier{}
	}
}

// Renew tells that others may be behind a port than those who reported there,
// in the VLANs that in names: its link went down or came up, or its VLANs are
// others. What was learned from it there ends, and all multicast of these VLANs
// goes everywhere until the next general query has been answered: a host behind
// another switch sees nothing of the change, so it reports only when asked.
func (t *Table) Renew(port int, in func(vlan uint16) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, d := range t.domains {
		if in(k.vlan) {
			t.reopen(d) // first: no frame may miss the port
			t.forget(d, port)
		}
	}
}

// Open tells that a host of a VLAN is behind another port than before. All
// multicast of the VLAN goes everywhere until the next general query has been
// answered. Nothing is forgotten.
func (t *Table) Open(vlan uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v6 := range []bool{false, true} {
		if d := t.domains[domainKey{vlan & 0xfff, v6}]; d != nil {
			t.reopen(d)
		}
	}
}

// ForgetVLAN ends all that was learned in a VLAN, as Flush does in all.
func (t *Table) ForgetVLAN(vlan uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v6 := range []bool{false, true} {
		if d := t.domains[domainKey{vlan & 0xfff, v6}]; d != nil {
			t.drop(d)
		}
	}
}

// Flush ends all that was learned. Multicast goes everywhere until the next
// general query has been answered.
func (t *Table) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, d := range t.domains {
		t.drop(d)
	}
}
