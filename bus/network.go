package bus

import (
	"sync"
	"sync/atomic"
)

var (
	errNetworkGone = Errorf(Gone, "the network has ended")
	errPortGone    = Errorf(Gone, "the port has ended")
)

// Network is one bus: ports, settings, a policy, events.
type Network struct {
	id  uint32
	bus *Bus
	mem *Memory // its part of the mount's

	snap atomic.Pointer[snapshot] // nil after a change: the next sender rebuilds it

	park parking

	mu          sync.Mutex
	name        string
	gone        bool
	settings    Settings
	policy      Policy
	policySpec  string
	dir, door   Access
	ports       []*Port // by number-1; nil: the number is free
	lowest      int     // no number below this index is free
	used        int     // ports that exist
	lives       uint16  // counts the ports that ever existed
	leaving     []*Conn // taken off, but not yet closed by their endpoints
	departed    Stats   // of conns that are closed
	subscribers []Events
}

// snapshot is what a sender needs to know, immutable.
type snapshot struct {
	policy    Policy
	receivers []*Conn // by port number
	mtu       int
	blocking  bool // some receiver's overflow is BlockSender
}

// ID returns a number that no other network of the mount has had lately.
func (n *Network) ID() uint32 { return n.id }

// Name returns the network's name, which Bus.Rename may change.
func (n *Network) Name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.name
}

// MTU returns the largest frame in bytes. It is cheap: senders ask per frame.
func (n *Network) MTU() int { return n.load().mtu }

// load returns the current snapshot.
func (n *Network) load() *snapshot {
	if s := n.snap.Load(); s != nil {
		return s
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &snapshot{policy: n.policy, mtu: n.settings.MTU}
	for _, p := range n.ports {
		if p == nil {
			continue
		}
		receivers := *p.receivers.Load()
		s.receivers = append(s.receivers, receivers...)
		_, overflow := p.limitsLocked()
		s.blocking = s.blocking || (overflow == BlockSender && len(receivers) > 0)
	}
	n.snap.Store(s)
	return s
}

func (n *Network) invalidateLocked() { n.snap.Store(nil) }

// Settings returns the settings now.
func (n *Network) Settings() Settings {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.settings
}

// Change applies change to a copy of the settings, checks the result, and
// puts it in force as a whole or not at all.
func (n *Network) Change(change func(*Settings)) error {
	n.mu.Lock()
	s := n.settings
	change(&s)
	err := s.check()
	if err == nil && s.MaxPorts < n.highestLocked() {
		err = Errorf(InUse, "maxports %d: port %d is in use", s.MaxPorts, n.highestLocked())
	}
	if err != nil {
		n.mu.Unlock()
		return err
	}
	n.settings = s
	for _, p := range n.ports {
		if p != nil {
			p.configureConnsLocked()
		}
	}
	n.invalidateLocked()
	n.mu.Unlock()
	n.ease()
	return nil
}

// highestLocked is the highest port number in use.
func (n *Network) highestLocked() int {
	for i := len(n.ports); i > 0; i-- {
		if n.ports[i-1] != nil {
			return i
		}
	}
	return 0
}

// PolicySpec returns the policy in use as SetPolicy took it.
func (n *Network) PolicySpec() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.policySpec
}

// Policy returns the policy in use.
func (n *Network) Policy() Policy {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.policy
}

// SetPolicy puts another policy in force. Ports stay connected, and frames
// that are queued stay queued.
func (n *Network) SetPolicy(spec string) error {
	p, err := NewPolicy(spec)
	if err != nil {
		return err
	}
	n.mu.Lock()
	if joiner, ok := p.(Joiner); ok {
		for _, port := range n.ports {
			if port != nil && len(port.conns) > 0 {
				joiner.Join(port)
			}
		}
	}
	n.policy, n.policySpec = p, spec
	n.invalidateLocked()
	n.eventLocked("policy", "name=%s", p.Name())
	n.mu.Unlock()
	n.ease()
	return nil
}

// Access returns the rights on the network as a directory, and on its door:
// who may receive, send and manage.
func (n *Network) Access() (dir, door Access) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dir, n.door
}

// SetDirAccess changes who may see into the network's directory.
func (n *Network) SetDirAccess(a Access) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dir = a
}

// SetDoorAccess changes who may receive, send and manage. What is open stays
// open.
func (n *Network) SetDoorAccess(a Access) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.door = a
	n.eventLocked("rights", "mode=%04o uid=%d gid=%d", a.Mode, a.UID, a.GID)
}

// Memory returns the network's part of the mount's cap on queued bytes.
func (n *Network) Memory() *Memory { return n.mem }
