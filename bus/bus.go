package bus

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
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
	Memory *frame.Memory
	limits Limits
	ports  atomic.Int64

	// Busy tells whether somebody still refers to a network of that id, which
	// may have ended: Create gives no such id. Set before the first Create, nil:
	// nobody does. It is called with Bus.mu held.
	Busy func(id uint32) bool
	// Policy is that of a new network of which nobody says more. Set before the first
	// Create, for those who ask; Create itself is told.
	Policy string

	// Told gets what a part tells the users of a network of what goes on behind a file
	// of theirs (Network.Tell), for the file errors. Set before the first Create, nil:
	// nobody reads it.
	Told func(n *Network, by Info, what string, err error)

	mu sync.RWMutex // no network's lock is taken under it
	// +checklocks:mu
	byName map[string]*Network
	// +checklocks:mu
	byID map[uint32]*Network
	// +checklocks:mu
	users map[uint32]*user
	// +checklocks:mu
	lastID uint32
}

// user is who made networks or has something open: what they hold is his,
// however many they are.
type user struct {
	mem *frame.Memory

	// Guarded by Bus.mu.
	networks int
	accounts int // see Account
}

// userWeight is for the part of a user, which may be so many times what is
// left free: all his networks together get 7 of 8 bytes, and leave the eighth to
// others.
const userWeight = 7

// unused tells whether u can be forgotten.
func (u *user) unused() bool { return u.networks == 0 && u.accounts == 0 && u.mem.Used() == 0 }

// Account returns the part of the memory for the user of that uid, which his
// networks share, for what else is his. He keeps it until done is called.
func (b *Bus) Account(uid uint32) (mem *frame.Memory, done func()) {
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
//
// +checklocks:b.mu
func (b *Bus) userLocked(uid uint32) *user {
	for id, u := range b.users {
		if u.unused() {
			delete(b.users, id)
		}
	}
	u := b.users[uid]
	if u == nil {
		u = &user{mem: b.Memory.Share(userWeight)}
		b.users[uid] = u
	}
	return u
}

// New makes a Bus without networks.
func New(l Limits) *Bus {
	return &Bus{Memory: frame.NewMemory(l.Memory), limits: l, byName: map[string]*Network{}, byID: map[uint32]*Network{}, users: map[uint32]*user{}}
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
//
// +checklocks:b.mu
func (b *Bus) nextIDLocked() (uint32, error) {
	for range maxBusy {
		b.lastID = b.lastID%maxID + 1
		if b.byID[b.lastID] == nil && (b.Busy == nil || !b.Busy(b.lastID)) {
			return b.lastID, nil
		}
	}
	return 0, fail.Errorf(fail.NoSpace, "files of %d networks that have ended are still open", maxBusy)
}

// Create makes a network with the given policy and rights.
func (b *Bus) Create(name, spec string, dir, door Access) (*Network, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	p, done, err := policy.Use(spec)
	if err != nil {
		return nil, err
	}
	n, err := b.create(name, p, spec, done, dir, door)
	if err != nil {
		done()
	}
	return n, err
}

// create is Create with the policy at hand; done is called when that is over.
func (b *Bus) create(name string, p policy.Policy, spec string, done func(), dir, door Access) (*Network, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byName[name] != nil {
		return nil, fail.Errorf(fail.Exists, "network %s exists", name)
	}
	if len(b.byName) >= b.limits.Networks {
		return nil, fail.Errorf(fail.NoSpace, "there are %d networks already: see networks_max", b.limits.Networks)
	}
	id, err := b.nextIDLocked()
	if err != nil {
		return nil, err
	}
	maker := b.userLocked(dir.UID)
	n := &Network{id: id, bus: b, maker: maker, mem: maker.mem.Part(), settings: DefaultSettings()}
	n.name.Store(&name)
	n.dir.Store(&dir)
	n.door.Store(&door)
	n.mtu.Store(int64(n.settings.MTU))
	if err := n.admitPolicyLocked(p); err != nil { // +checklocksignore: nobody else has n yet
		return nil, err
	}
	maker.networks++
	n.startPolicyLocked(p, spec, done) // +checklocksignore: as above
	b.byName[name], b.byID[n.id] = n, n
	return n, nil
}

// Network returns the network of that name, or nil. One that is not to outlive
// its last port is looked at when those who left are off it.
func (b *Bus) Network(name string) *Network {
	n := b.named(name)
	if n != nil && n.brief.Load() && n.clerk.waiting.Load() > 0 {
		n.lock()
		n.mu.Unlock()
		n = b.named(name)
	}
	return n
}

func (b *Bus) named(name string) *Network {
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
	type named struct {
		name string
		net  *Network
	}
	b.mu.RLock()
	all := make([]named, 0, len(b.byName))
	for name, n := range b.byName {
		all = append(all, named{name, n})
	}
	b.mu.RUnlock()
	slices.SortFunc(all, func(x, y named) int { return strings.Compare(x.name, y.name) })
	list := make([]*Network, len(all))
	for i := range all {
		list[i] = all[i].net
	}
	return list
}

// Rename gives the network old the name new. What is open stays open.
func (b *Bus) Rename(old, new string) error {
	if err := CheckName(new); err != nil {
		return err
	}
	n, err := b.rename(old, new)
	if n != nil {
		n.lock() // and so the event
		n.mu.Unlock()
	}
	return err
}

// rename changes the name and posts the event: those of one network are in the
// order of the changes.
func (b *Bus) rename(old, new string) (*Network, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.byName[old]
	switch {
	case n == nil:
		return nil, fail.Errorf(fail.Unknown, "there is no network %s", old)
	case old == new:
		return nil, nil
	case b.byName[new] != nil:
		return nil, fail.Errorf(fail.Exists, "network %s exists", new)
	}
	delete(b.byName, old)
	b.byName[new] = n
	n.name.Store(&new)
	n.post(func() { n.eventLocked("renamed", "from=%s to=%s", old, new) }) // +checklocksignore: it is called under n.mu
	return n, nil
}

// Remove ends the network of that name; it is Busy while it has ports.
func (b *Bus) Remove(name string) error {
	n := b.named(name)
	if n == nil {
		return fail.Errorf(fail.Unknown, "there is no network %s", name)
	}
	n.lock()
	if n.gone || n.Name() != name { // it ended, or was renamed, meanwhile
		n.mu.Unlock()
		return b.Remove(name)
	}
	if n.used > 0 {
		err := fail.Errorf(fail.Busy, "network %s has %d ports: %s: rmdir %s/ports/* first", name, n.used, n.holdersLocked(), name)
		n.mu.Unlock()
		return err
	}
	n.endLocked()
	n.mu.Unlock()
	n.after()
	return nil
}

// forget takes a network, whose lock is held, off the bus.
//
// +checklocks:n.mu
func (b *Bus) forget(n *Network) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.byName, n.Name())
	delete(b.byID, n.id)
	n.maker.networks--
}

// Shutdown ends all networks, with whatever is connected.
func (b *Bus) Shutdown() {
	for _, n := range b.Networks() {
		n.End()
	}
}

// End ends the network, with whatever is connected, if it has not ended yet.
func (n *Network) End() {
	n.lock()
	if !n.gone {
		n.endLocked()
	}
	n.mu.Unlock()
	n.after()
}

// Tick lets the policies that age do so, each on a goroutine of its own: none
// waits for another's. It is called about once a second, and returns when all
// have; a network that still is at an earlier one has missed this one.
func (b *Bus) Tick(now time.Time) {
	var all sync.WaitGroup
	for _, n := range b.Networks() {
		if !n.ticks.Load() || !n.ticking.CompareAndSwap(false, true) {
			continue
		}
		all.Go(func() {
			defer n.ticking.Store(false)
			n.tick(now)
		})
	}
	all.Wait()
}

func (b *Bus) takePort() bool {
	if b.ports.Add(1) <= int64(b.limits.Ports) {
		return true
	}
	b.ports.Add(-1)
	return false
}

func (b *Bus) errNoPorts() error {
	return fail.Errorf(fail.NoPort, "all %d ports of this mount are in use: see ports_max", b.limits.Ports)
}

func (b *Bus) returnPort() { b.ports.Add(-1) }
