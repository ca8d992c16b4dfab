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

	mu     sync.RWMutex
	byName map[string]*Network
	byID   map[uint32]*Network
	users  map[uint32]*user
	lastID uint32
}

// user is who made networks: what they hold is his, however many they are.
type user struct {
	mem      *Memory
	networks int
}

// userLocked returns the user of that uid. Those that have no network and hold
// nothing any more are forgotten.
func (b *Bus) userLocked(uid uint32) *user {
	for id, u := range b.users {
		if u.networks == 0 && u.mem.Used() == 0 {
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
	for {
		b.lastID = b.lastID%maxID + 1
		if b.byID[b.lastID] == nil {
			break
		}
	}
	maker := b.userLocked(dir.UID)
	maker.networks++
	n := &Network{id: b.lastID, bus: b, maker: maker, mem: maker.mem.Part(), name: name, settings: DefaultSettings(), dir: dir, door: door}
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
