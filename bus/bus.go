package bus

import (
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// Limits bound what one mount may hold.
type Limits struct {
	Ports    int   // ports of all networks together; of connections that share one each but the first
	Networks int   // networks
	Memory   int64 // bytes of queued frames
}

// DefaultLimits are those of a mount without options.
func DefaultLimits() Limits { return Limits{Ports: 65536, Networks: 4096, Memory: 256 << 20} }

// Bus is the set of networks of one mount.
type Bus struct {
	Memory *Memory
	limits Limits
	ports  atomic.Int64

	// Busy tells whether somebody still refers to a network of that id, which
	// may have ended: Create gives no such id. Set before the first Create, nil:
	// nobody does. It is called with Bus.mu held.
	Busy func(id uint32) bool

	mu     sync.RWMutex
	byName map[string]*Network
	byID   map[uint32]*Network
	users  map[uint32]*user
	lastID uint32
}

// user is who made networks or has something open: what they hold is his,
// however many they are.
type user struct {
	mem      *Memory
	networks int
	accounts int // see Account
}

// unused tells whether u can be forgotten.
func (u *user) unused() bool { return u.networks == 0 && u.accounts == 0 && u.mem.Used() == 0 }

// Account returns the part of the memory for the user of that uid, which his
// networks share, for what else is his. He keeps it until done is called.
func (b *Bus) Account(uid uint32) (mem *Memory, done func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.userLocked(uid)
	u.accounts++
	return u.mem, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		u.accounts--
	}
}

// userLocked returns the user of that uid. Those that have no network and hold
// nothing any more are forgotten.
func (b *Bus) userLocked(uid uint32) *user {
	for id, u := range b.users {
		if u.unused() {
			delete(b.users, id)
		}
	}
	u := b.users[uid]
	if u == nil {
		u = &user{mem: b.Memory.share(userWeight)}
		b.users[uid] = u
	}
	return u
}

// New makes a Bus without networks.
func New(l Limits) *Bus {
	return &Bus{Memory: NewMemory(l.Memory), limits: l, byName: map[string]*Network{}, byID: map[uint32]*Network{}, users: map[uint32]*user{}}
}

// Limits returns the limits.
func (b *Bus) Limits() Limits { return b.limits }

// PortsUsed returns how many ports exist on all networks.
func (b *Bus) PortsUsed() int { return int(b.ports.Load()) }

// maxID bounds network ids to 24 bits, so that they fit into a node id beside
// other things.
const maxID = 1<<24 - 1

// maxBusy is how many ids in a row Create looks at, in some milliseconds.
const maxBusy = 1 << 16

// nextIDLocked gives an id that no network has and nobody refers to.
func (b *Bus) nextIDLocked() (uint32, error) {
	for range maxBusy {
		b.lastID = b.lastID%maxID + 1
		if b.byID[b.lastID] == nil && (b.Busy == nil || !b.Busy(b.lastID)) {
			return b.lastID, nil
		}
	}
	return 0, Errorf(NoSpace, "files of %d networks that have ended are still open", maxBusy)
}

// Create makes a network with the given policy and rights.
func (b *Bus) Create(name, policy string, dir, door Access) (*Network, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	p, err := NewPolicy(policy)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byName[name] != nil {
		return nil, Errorf(Exists, "network %s exists", name)
	}
	if len(b.byName) >= b.limits.Networks {
		return nil, Errorf(NoSpace, "there are %d networks already: see networks_max", b.limits.Networks)
	}
	id, err := b.nextIDLocked()
	if err != nil {
		return nil, err
	}
	maker := b.userLocked(dir.UID)
	n := &Network{id: id, bus: b, maker: maker, mem: maker.mem.Part(), name: name, settings: DefaultSettings(), dir: dir, door: door}
	if err := n.admitPolicyLocked(p); err != nil {
		return nil, err
	}
	maker.networks++
	n.startPolicyLocked(p, policy)
	b.byName[name], b.byID[n.id] = n, n
	return n, nil
}

// Network returns the network of that name, or nil.
func (b *Bus) Network(name string) *Network {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byName[name]
}

// NetworkByID returns the network with that id, or nil.
func (b *Bus) NetworkByID(id uint32) *Network {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.byID[id]
}

// Networks lists the networks by name.
func (b *Bus) Networks() []*Network {
	b.mu.RLock()
	defer b.mu.RUnlock()
	names := make([]string, 0, len(b.byName))
	for name := range b.byName {
		names = append(names, name)
	}
	sort.Strings(names)
	list := make([]*Network, len(names))
	for i, name := range names {
		list[i] = b.byName[name]
	}
	return list
}

// Rename gives the network old the name new. What is open stays open.
func (b *Bus) Rename(old, new string) error {
	if err := CheckName(new); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.byName[old]
	switch {
	case n == nil:
		return Errorf(Unknown, "there is no network %s", old)
	case old == new:
		return nil
	case b.byName[new] != nil:
		return Errorf(Exists, "network %s exists", new)
	}
	delete(b.byName, old)
	b.byName[new] = n
	n.mu.Lock()
	n.name = new
	n.eventLocked("renamed", "from=%s to=%s", old, new)
	n.mu.Unlock()
	return nil
}

// Remove ends the network of that name; it is Busy while it has ports.
func (b *Bus) Remove(name string) error {
	b.mu.Lock()
	n := b.byName[name]
	if n == nil {
		b.mu.Unlock()
		return Errorf(Unknown, "there is no network %s", name)
	}
	n.mu.Lock()
	if n.used > 0 {
		err := Errorf(Busy, "network %s has %d ports: %s: rmdir %s/ports/* first", name, n.used, n.holdersLocked(), name)
		n.mu.Unlock()
		b.mu.Unlock()
		return err
	}
	b.endLocked(n)
	return nil
}

// endLocked ends n and unlocks b and n.
func (b *Bus) endLocked(n *Network) {
	delete(b.byName, n.name)
	delete(b.byID, n.id)
	n.maker.networks--
	evicted := n.endLocked()
	n.mu.Unlock()
	b.mu.Unlock()
	tellGone(evicted)
	n.settle()
	n.ease()
}

// removeIfUnused ends a network that is not to outlive its last port.
func (b *Bus) removeIfUnused(n *Network) {
	b.mu.Lock()
	n.mu.Lock()
	if n.used > 0 || n.settings.Persist || n.gone {
		n.mu.Unlock()
		b.mu.Unlock()
		return
	}
	b.endLocked(n)
}

// Shutdown ends all networks, with whatever is connected.
func (b *Bus) Shutdown() {
	for _, n := range b.Networks() {
		b.mu.Lock()
		n.mu.Lock()
		if n.gone { // it ended while we looked
			n.mu.Unlock()
			b.mu.Unlock()
			continue
		}
		b.endLocked(n)
	}
}

// Tick lets the policies that age do so; called about once a second.
func (b *Bus) Tick(now time.Time) {
	for _, n := range b.Networks() {
		n.mu.Lock()
		if ticker, ok := n.policy.(Ticker); ok {
			ticker.Tick(now)
		}
		n.mu.Unlock()
		n.settle()
		n.ease()
	}
}

func (b *Bus) takePort() bool {
	if b.ports.Add(1) <= int64(b.limits.Ports) {
		return true
	}
	b.ports.Add(-1)
	return false
}

func (b *Bus) errNoPorts() error {
	return Errorf(NoPort, "all %d ports of this mount are in use: see ports_max", b.limits.Ports)
}

func (b *Bus) returnPort() { b.ports.Add(-1) }
