package stp

import (
	"fmt"
	"slices"
	"unsafe"
)

// Output is where a Bridge puts what it decides. It is called from within the
// methods of the Bridge and must not call them: see the package comment.
type Output interface {
	// Send sends a BPDU: a whole untagged ethernet frame, lent until Send
	// returns. It may be lost.
	Send(port int, frame []byte)
	// SetState says what the port shall do with frames from now on. It has
	// done so when SetState returns: the BPDUs that follow rely on it.
	SetState(port int, s State)
	// Flush forgets the addresses that were learned on the port (17.11).
	Flush(port int)
	// Event tells people that something happened. Port is 0 if none was
	// concerned.
	Event(name string, port int, detail string)
}

// Names of events.
const (
	EventRoot           = "root"            // another root bridge, or root port
	EventTopologyChange = "topology-change" // addresses are forgotten
	EventGuard          = "bpdu-guard"      // the port was disabled by PortConfig.Guard
)

// Bridge is one bridge's part in one spanning tree. Make it with New.
type Bridge struct {
	cfg   Config
	out   Output
	id    BridgeID
	ports []*port // by number

	held         bool // the machines wait: see Together
	reselect     bool // roles are to be selected anew
	rootPriority vector
	rootTimes    times
	rootPort     *port // nil: this bridge is the root

	toldRoot BridgeID // what the last EventRoot said
	toldPort int

	tcCount uint64
	tcWhile int // as long as it runs, changes count as one
	tcSince int // seconds since the last change

	unsettled uint64 // runs that maxPasses ended
	frame     [frameSize]byte
}

// New makes a bridge without ports. It is an error if c.Check finds one.
func New(c Config, out Output) (*Bridge, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	b := &Bridge{cfg: c.withDefaults(), out: out, toldRoot: makeBridgeID(c)}
	b.restart()
	return b, nil
}

// restart begins anew with the Config in force (BEGIN).
func (b *Bridge) restart() {
	b.id = makeBridgeID(b.cfg)
	b.selectRoot()
	for _, p := range b.ports {
		p.begin()
	}
	b.run()
}

// Configure puts another Config in force, or refuses it whole. Another address,
// system id extension or protocol makes all ports start anew, discarding.
func (b *Bridge) Configure(c Config) error {
	if err := c.Check(); err != nil {
		return err
	}
	old := b.cfg
	b.cfg = c.withDefaults()
	if b.cfg.MAC != old.MAC || b.cfg.SystemIDExt != old.SystemIDExt || b.cfg.ForceSTP != old.ForceSTP {
		b.restart()
		return nil
	}
	b.id = makeBridgeID(b.cfg)
	for _, p := range b.ports {
		p.selected = false
		if b.cfg.TxHoldCount != old.TxHoldCount {
			p.txCount = 0
		}
	}
	b.reselect = true
	b.run()
	return nil
}

// AddPort adds a port, enabled and Discarding; SetState is called even so. Its
// number must be 1 to MaxPort, as it goes into BPDUs: the owner has to keep
// ports beyond out of the tree, by discarding their frames.
func (b *Bridge) AddPort(n int, c PortConfig) error {
	if n < 1 || n > MaxPort {
		return fmt.Errorf("stp: port %d: must be 1 to %d to take part in a spanning tree", n, MaxPort)
	}
	if err := c.Check(); err != nil {
		return err
	}
	i, found := b.search(n)
	if found {
		return fmt.Errorf("stp: port %d was added already", n)
	}
	p := &port{bridge: b, n: n, cfg: c.withDefaults(), up: true}
	b.ports = slices.Insert(b.ports, i, p)
	p.begin()
	b.run()
	return nil
}

// PortSize is what a port takes, in bytes.
const PortSize = int(unsafe.Sizeof(port{})) + 8

// Has tells whether a port is known.
func (b *Bridge) Has(n int) bool {
	_, found := b.search(n)
	return found
}

// Len returns how many ports there are.
func (b *Bridge) Len() int { return len(b.ports) }

// RemovePort takes the port out of the tree. Nothing is said of it any more,
// not even that it no longer forwards. A port that is not known is ignored.
func (b *Bridge) RemovePort(n int) {
	if i, found := b.search(n); found {
		b.ports = slices.Delete(b.ports, i, i+1)
		b.reselect = true
		b.run()
	}
}

// ConfigurePort puts another PortConfig in force, or refuses it whole. It
// enables a port that BPDU guard disabled. Edge detection begins anew if its
// settings change.
func (b *Bridge) ConfigurePort(n int, c PortConfig) error {
	if err := c.Check(); err != nil {
		return err
	}
	p := b.find(n)
	if p == nil {
		return fmt.Errorf("stp: port %d is not known: it must be added first", n)
	}
	old := p.cfg
	p.cfg = c.withDefaults()
	p.id = makePortID(p.cfg.Priority, n)
	p.tripped = false
	if p.cfg.AdminEdge != old.AdminEdge || p.cfg.AutoEdge != old.AutoEdge {
		p.operEdge = p.cfg.AdminEdge
	}
	p.selected = false
	b.reselect = true
	b.run()
	return nil
}

// EnablePort says whether frames can pass the port, such as whether its link is
// up (MAC_Operational, 6.4.2). It enables a port that BPDU guard disabled. A
// port that is not known is ignored.
func (b *Bridge) EnablePort(n int, up bool) {
	if p := b.find(n); p != nil {
		p.up = up
		p.tripped = p.tripped && !up
		b.run()
	}
}

// Tick tells that a second has passed.
func (b *Bridge) Tick() {
	b.tcSince++
	b.tcWhile = max(0, b.tcWhile-1)
	for _, p := range b.ports {
		p.tick()
	}
	b.run()
}

// maxPasses and maxSteps bound a run. They are never needed but to get out of
// an endless loop, should the machines have one.
const (
	maxPasses = 100
	maxSteps  = 32
)

// Together calls f, which changes the bridge by its methods, and lets the
// machines run once for all that f did: so n ports are added at the cost of one.
func (b *Bridge) Together(f func()) {
	b.held = true
	f()
	b.held = false
	b.run()
}

// run lets all machines run until none moves, and then sends what is to be
// said: what was decided in between is nobody's business.
func (b *Bridge) run() {
	if b.held {
		return
	}
	passes := 0
	for b.pass() {
		if passes++; passes == maxPasses {
			b.unsettled++
			break
		}
	}
	for _, p := range b.ports {
		p.transmit()
	}
	b.tellRoot()
}

// pass runs each machine, and tells whether one moved.
func (b *Bridge) pass() bool {
	moved := false
	for _, p := range b.ports {
		for range maxSteps {
			if !p.information() && !p.detect() && !p.migrate() {
				break
			}
			moved = true
		}
	}
	if b.reselect {
		b.selectRoles()
		moved = true
	}
	for _, p := range b.ports {
		for range maxSteps {
			if !p.transit() && !p.transitState() && !p.transitTopology() {
				break
			}
			moved = true
		}
	}
	return moved
}

// tellRoot tells of a new root or root port.
func (b *Bridge) tellRoot() {
	n := b.rootPortNumber()
	if b.rootPriority.root == b.toldRoot && n == b.toldPort {
		return
	}
	b.toldRoot, b.toldPort = b.rootPriority.root, n
	what := "this bridge is the root"
	if n != 0 {
		what = fmt.Sprintf("the root is %v, cost %d", b.rootPriority.root, b.rootPriority.cost)
	}
	b.out.Event(EventRoot, n, what)
}

func (b *Bridge) rootPortNumber() int {
	if b.rootPort == nil {
		return 0
	}
	return b.rootPort.n
}

func (b *Bridge) rstpVersion() bool { return !b.cfg.ForceSTP }

func (b *Bridge) search(n int) (int, bool) {
	return slices.BinarySearchFunc(b.ports, n, func(p *port, n int) int { return p.n - n })
}

func (b *Bridge) find(n int) *port {
	if i, found := b.search(n); found {
		return b.ports[i]
	}
	return nil
}
