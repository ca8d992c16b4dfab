package bus

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

var (
	errNetworkGone = fail.Errorf(fail.Gone, "the network has ended")
	errPortGone    = fail.Errorf(fail.Gone, "the port has ended")
)

// Network is one bus: ports, settings, a policy, events.
type Network struct {
	id  uint32
	bus *Bus
	mem *frame.Memory // its part of its maker's

	maker *user // whose networks is under Bus.mu

	snap atomic.Pointer[snapshot] // nil after a change: the next sender rebuilds it

	park   parking
	work   work
	clerk  clerk
	events events

	listening atomic.Int32               // subscribers of events
	observers atomic.Pointer[[]Observer] // nil: none
	ticks     atomic.Bool                // the policy is a Ticker
	ticking   atomic.Bool                // Tick is at it
	bypassers atomic.Int32               // conns whose endpoint is a Bypasser

	// These are written under mu, but the name: that is under Bus.mu.
	name  atomic.Pointer[string]
	dir   atomic.Pointer[Access]
	door  atomic.Pointer[Access]
	mtu   atomic.Int64 // settings.MTU
	brief atomic.Bool  // !settings.Persist

	mu sync.Mutex // is taken by lock and tryLock
	// +checklocks:mu
	gone bool
	// +checklocks:mu
	settings Settings
	// +checklocks:mu
	policy policy.Policy
	// +checklocks:mu
	policySpec string
	// +checklocks:mu
	policyDone func()        // see policy.Use
	policyGen  atomic.Uint64 // counts the policies that were in force; written under mu
	// +checklocks:mu
	ports []*Port // by number-1; nil: the number is free
	// +checklocks:mu
	lowest int // no number below this index is free
	// +checklocks:mu
	used int // ports that exist
	// +checklocks:mu
	lives uint16 // counts the ports that ever existed
	// +checklocks:mu
	leaving []*Conn // taken off, but not yet closed by their endpoints
	// +checklocks:mu
	departed Stats // of conns that are closed
}

// snapshot is what a sender needs to know, immutable.
type snapshot struct {
	policy    policy.Policy
	batcher   policy.Batcher // policy, if it is one
	receivers []*Conn        // by port number
	blocking  bool           // some receiver's overflow is BlockSender
	mirrors   []mirror
}

// ID returns a number that no other network of the mount has, and none had to
// which somebody still refers: see Bus.Busy.
func (n *Network) ID() uint32 { return n.id }

// Bus returns what the network is one of.
func (n *Network) Bus() *Bus { return n.bus }

// Name returns the network's name, which Bus.Rename may change.
func (n *Network) Name() string { return *n.name.Load() }

// MTU returns the largest frame in bytes. It is cheap: senders ask per frame.
func (n *Network) MTU() int { return int(n.mtu.Load()) }

// Reach returns how many connections may receive: what a frame to all costs. While
// that cannot be told without waiting for the network's lock, it is more than
// anybody may do at once: see Ready.
func (n *Network) Reach() int {
	if s := n.loadSoon(); s != nil {
		return len(s.receivers)
	}
	return math.MaxInt
}

// load returns the current snapshot.
func (n *Network) load() *snapshot {
	if s := n.snap.Load(); s != nil {
		return s
	}
	n.lock()
	defer n.mu.Unlock()
	return n.loadLocked()
}

// loadSoon is load for a thread that carries frames: nil if it would have to
// wait. Then the clerk does what that takes, and retries what waits (easeAll).
func (n *Network) loadSoon() (s *snapshot) {
	if s = n.snap.Load(); s != nil {
		return s
	}
	if n.tryLock() {
		if n.used <= cheapTable { // +checklocksforce: tryLock took n.mu
			s = n.loadLocked()
		}
		n.mu.Unlock()
	}
	if s == nil {
		n.wakeClerk()
	}
	return s
}

// +checklocks:n.mu
func (n *Network) loadLocked() *snapshot {
	if s := n.snap.Load(); s != nil {
		return s
	}
	s := &snapshot{policy: n.policy}
	s.batcher, _ = n.policy.(policy.Batcher)
	for _, p := range n.ports {
		if p == nil {
			continue
		}
		receivers := *p.receivers.Load()
		s.receivers = append(s.receivers, receivers...)
		_, overflow := p.limitsLocked() // +checklocksignore: p.net is n
		s.blocking = s.blocking || (overflow == BlockSender && len(receivers) > 0)
		if p.mirrored != nil && len(receivers) > 0 {
			s.mirrors = append(s.mirrors, mirror{p, *p.mirrored})
		}
	}
	n.snap.Store(s)
	return s
}

// +checklocks:n.mu
func (n *Network) invalidateLocked() {
	n.snap.Store(nil)
	n.park.changes.Add(1)
}

// Settings returns the settings now.
func (n *Network) Settings() Settings {
	n.lock()
	defer n.mu.Unlock()
	return n.settings
}

// Change applies change to a copy of the settings, checks the result, and
// puts it in force as a whole or not at all.
func (n *Network) Change(change func(*Settings)) error {
	n.lock()
	s := n.settings
	change(&s)
	err := s.check()
	if err == nil && s.MaxPorts < n.highestLocked() {
		err = fail.Errorf(fail.InUse, "maxports %d: port %d is in use", s.MaxPorts, n.highestLocked())
	}
	if err != nil {
		n.mu.Unlock()
		return err
	}
	resized := s.MTU != n.settings.MTU
	n.settings = s
	n.mtu.Store(int64(s.MTU))
	n.brief.Store(!s.Persist)
	for _, p := range n.ports {
		if p != nil {
			p.configureConnsLocked() // +checklocksignore: p.net is n
		}
	}
	if resized {
		n.eachConnLocked(func(c *Conn) {
			if r, ok := c.ep.(Resizer); ok {
				r.Resize(s.MTU)
			}
		})
	}
	n.invalidateLocked()
	n.mu.Unlock()
	n.ease()
	return nil
}

// highestLocked is the highest port number in use.
//
// +checklocks:n.mu
func (n *Network) highestLocked() int {
	for i := len(n.ports); i > 0; i-- {
		if n.ports[i-1] != nil {
			return i
		}
	}
	return 0
}

// tick is the network's part of Bus.Tick.
func (n *Network) tick(now time.Time) {
	n.lock()
	if ticker, ok := n.policy.(policy.Ticker); ok && !n.gone {
		ticker.Tick(now)
	}
	n.mu.Unlock()
	n.after()
}

// PolicySpec returns the policy in use as SetPolicy took it.
func (n *Network) PolicySpec() string {
	n.lock()
	defer n.mu.Unlock()
	return n.policySpec
}

// Policy returns the policy in use.
func (n *Network) Policy() policy.Policy {
	n.lock()
	defer n.mu.Unlock()
	return n.policy
}

// PolicyNow returns the policy that frames are asked of, or nil if that cannot be told
// without waiting for the network's lock.
func (n *Network) PolicyNow() policy.Policy {
	if s := n.loadSoon(); s != nil {
		return s.policy
	}
	return nil
}

// SetPolicy puts another policy in force. Ports stay connected, and frames
// that are queued stay queued.
func (n *Network) SetPolicy(spec string) error {
	p, done, err := policy.Use(spec)
	if err != nil {
		return err
	}
	n.lock()
	if n.gone {
		err = errNetworkGone
	} else {
		err = n.admitPolicyLocked(p)
	}
	if err != nil {
		n.mu.Unlock()
		done()
		return err
	}
	n.stopPolicyLocked()
	n.startPolicyLocked(p, spec, done)
	n.invalidateLocked()
	n.eventLocked("policy", "name=%s", p.Name())
	n.mu.Unlock()
	n.after()
	return nil
}

// +checklocks:n.mu
func (n *Network) startPolicyLocked(p policy.Policy, spec string, done func()) {
	n.policy, n.policySpec, n.policyDone = p, spec, done
	_, ticks := p.(policy.Ticker)
	n.ticks.Store(ticks)
	if starter, ok := p.(policy.Starter); ok {
		starter.Start(&env{n, n.policyGen.Load()})
	}
	joiner, ok := p.(policy.Joiner)
	for _, port := range n.ports {
		if ok && port != nil && len(port.conns) > 0 {
			joiner.Join(port)
		}
	}
	n.bypassLocked()
}

// +checklocks:n.mu
func (n *Network) stopPolicyLocked() {
	n.policyGen.Add(1) // what it has deferred is not done any more
	if starter, ok := n.policy.(policy.Starter); ok {
		starter.Stop()
	}
	n.policyDone()
}

// UsePolicy calls f with the policy in force and the network's lock held: so
// are a policy's tables and knobs read and written.
func (n *Network) UsePolicy(f func(policy.Policy) error) error {
	n.lock()
	if n.gone {
		n.mu.Unlock()
		return errNetworkGone
	}
	err := f(n.policy)
	n.mu.Unlock()
	n.after()
	return err
}

// UsePolicy is Network.UsePolicy for what a policy has for a port: an error
// if p has ended.
func (p *Port) UsePolicy(f func(policy.Policy) error) error {
	return p.net.UsePolicy(func(current policy.Policy) error {
		if p.net.portLocked(p.number) != p { // +checklocksignore: UsePolicy took the lock
			return errPortGone
		}
		return f(current)
	})
}

// PolicyLife tells the policy in force from those before and after it, also
// from one of the same name: it is another number each time. It may be called
// from within UsePolicy.
func (n *Network) PolicyLife() uint64 { return n.policyGen.Load() }

// Access returns the rights on the network as a directory, and on its door:
// who may receive, send and manage.
func (n *Network) Access() (dir, door Access) {
	return *n.dir.Load(), *n.door.Load()
}

// ChangeDirAccess applies change to the rights on the network's directory: who
// may see into it. No other change comes between.
func (n *Network) ChangeDirAccess(change func(*Access)) {
	n.lock()
	defer n.mu.Unlock()
	a := *n.dir.Load()
	change(&a)
	n.dir.Store(&a)
}

// ChangeDoorAccess applies change to the rights on the door: who may receive,
// send and manage. What is open stays open. No other change comes between.
func (n *Network) ChangeDoorAccess(change func(*Access)) {
	n.lock()
	defer n.mu.Unlock()
	a := *n.door.Load()
	change(&a)
	n.door.Store(&a)
	n.eventLocked("rights", "mode=%04o uid=%d gid=%d", a.Mode, a.UID, a.GID)
}

// Memory returns the network's part of the mount's cap on queued bytes.
func (n *Network) Memory() *frame.Memory { return n.mem }
