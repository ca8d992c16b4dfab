package stp

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
)

// peer is a bridge of the simulation: a Bridge, or an stpBridge.
type peer interface {
	AddPort(n int, c PortConfig) error
	EnablePort(n int, up bool)
	RemovePort(n int)
	Receive(n int, frame []byte)
	Tick()
}

// sim is a world of bridges and LANs. A second is long enough for all frames on
// their way.
type sim struct {
	t     testing.TB
	rng   *rand.Rand
	nodes []*node
	lans  []*lan

	// ordered: frames arrive in the order in which they were sent. If not, only
	// those of one sender on one LAN do, which is worse than any real network.
	ordered bool
	sent    int
	// loops is how often there was a loop while frames were on their way, and
	// loopSeconds how often when all had arrived.
	loops, loopSeconds int
	quiet              int // seconds since a port changed its state
	second             int
	log                []string
}

// node is a bridge of the world. It is the Output of its bridge.
type node struct {
	sim     *sim
	i       int
	cfg     Config
	peer    peer
	bridge  *Bridge // nil: the peer is an stpBridge
	ports   map[int]*end
	flushes map[int]int
	events  []string
}

// lan joins ports.
type lan struct {
	i        int
	ends     []*end
	up       bool
	reflects bool // frames also return to their sender
}

// end is a port on a LAN.
type end struct {
	node  *node
	port  int
	lan   *lan
	cfg   PortConfig
	state State
	queue []arrival
	deaf  bool // nothing arrives
}

type arrival struct {
	frame []byte
	order int
}

func newSim(t testing.TB, seed int64) *sim {
	return &sim{t: t, rng: rand.New(rand.NewSource(seed))}
}

// addNode adds a bridge, with an address of its own.
func (s *sim) addNode(cfg Config) *node {
	n := s.newNode(cfg)
	b, err := New(n.cfg, n)
	if err != nil {
		s.t.Fatal(err)
	}
	n.bridge, n.peer = b, b
	return n
}

func (s *sim) newNode(cfg Config) *node {
	n := &node{sim: s, i: len(s.nodes), cfg: cfg, ports: map[int]*end{}, flushes: map[int]int{}}
	n.cfg.MAC = [6]byte{0x52, 0x54, 0, 0, 0, byte(n.i)}
	s.nodes = append(s.nodes, n)
	return n
}

// connect makes a LAN of those bridges, each with a new port. One of two is a
// point-to-point link.
func (s *sim) connect(nodes ...*node) *lan {
	return s.connectAs(PortConfig{PointToPoint: len(nodes) == 2, AutoEdge: true, Priority: DefaultPortPriority}, nodes...)
}

func (s *sim) connectAs(cfg PortConfig, nodes ...*node) *lan {
	l := &lan{i: len(s.lans)}
	s.lans = append(s.lans, l)
	for _, n := range nodes {
		e := &end{node: n, port: len(n.ports) + 1, lan: l, cfg: cfg}
		n.ports[e.port] = e
		l.ends = append(l.ends, e)
		if err := n.peer.AddPort(e.port, cfg); err != nil {
			s.t.Fatal(err)
		}
		n.peer.EnablePort(e.port, false)
	}
	s.enable(l, true)
	return l
}

// enable cuts or heals a LAN. All its ports notice.
func (s *sim) enable(l *lan, up bool) {
	s.note("lan %d up %v", l.i, up)
	l.up = up
	for _, e := range l.ends {
		e.queue = nil
	}
	for _, e := range l.ends {
		e.node.peer.EnablePort(e.port, up)
	}
}

// remove takes a bridge out of the world, as a power cut does.
func (s *sim) remove(n *node) {
	s.note("bridge %d removed", n.i)
	s.nodes = slices.DeleteFunc(s.nodes, func(m *node) bool { return m == n })
	for _, l := range s.lans {
		s.unplug(l, func(e *end) bool { return e.node == n })
	}
}

// removePort takes a port off its bridge.
func (s *sim) removePort(e *end) {
	s.note("bridge %d port %d removed", e.node.i, e.port)
	s.unplug(e.lan, func(f *end) bool { return f == e })
	e.node.peer.RemovePort(e.port)
}

// unplug takes ends from a LAN. Who stays there alone notices.
func (s *sim) unplug(l *lan, which func(*end) bool) {
	before := len(l.ends)
	l.ends = slices.DeleteFunc(l.ends, which)
	if len(l.ends) < before && len(l.ends) < 2 {
		s.enable(l, false)
	}
}

func (n *node) Send(port int, frame []byte) {
	from := n.ports[port]
	if !from.lan.up {
		return
	}
	n.sim.sent++
	for _, e := range from.lan.ends {
		if !e.deaf && (e != from || e.lan.reflects) {
			e.queue = append(e.queue, arrival{slices.Clone(frame), n.sim.sent})
		}
	}
}

func (n *node) SetState(port int, state State) {
	e, s := n.ports[port], n.sim
	if e.state == state {
		return
	}
	e.state = state
	s.quiet = 0
	s.note("bridge %d port %d (lan %d) %v", n.i, port, e.lan.i, state)
	if state == Forwarding {
		if loop, _ := s.forest(); loop {
			s.note("a loop")
			s.loops++
		}
	}
}

func (n *node) Flush(port int) { n.flushes[port]++ }

func (n *node) Event(name string, port int, detail string) {
	n.events = append(n.events, fmt.Sprintf("%s %d %s", name, port, detail))
}

// frames lets at most n frames arrive; negative: all.
func (s *sim) frames(n int) {
	for ; n != 0; n-- {
		e := s.next()
		if e == nil {
			return
		}
		frame := e.queue[0].frame
		e.queue = e.queue[1:]
		if m, ok := decode(frame); ok {
			s.note("bridge %d port %d hears %v", e.node.i, e.port, show(&m))
		}
		e.node.peer.Receive(e.port, frame)
	}
}

// next picks where a frame arrives next, if any is on its way.
func (s *sim) next() *end {
	var ready []*end
	for _, l := range s.lans {
		for _, e := range l.ends {
			if len(e.queue) > 0 {
				ready = append(ready, e)
			}
		}
	}
	switch {
	case len(ready) == 0:
		return nil
	case s.ordered:
		return slices.MinFunc(ready, func(a, b *end) int { return a.queue[0].order - b.queue[0].order })
	default:
		return ready[s.rng.Intn(len(ready))]
	}
}

// tick lets a second pass: bridges tick one after the other, and frames arrive
// in between.
func (s *sim) tick() {
	s.second++
	s.quiet++
	for _, i := range s.rng.Perm(len(s.nodes)) {
		s.nodes[i].peer.Tick()
		s.frames(s.rng.Intn(4))
	}
	s.frames(-1)
	if loop, _ := s.forest(); loop {
		s.loopSeconds++
	}
}

// settle waits until no port has changed its state for quiet seconds, checks
// the tree, and returns how many seconds the last change took. It fails if that
// is more than limit.
func (s *sim) settle(quiet, limit int) int {
	s.t.Helper()
	s.quiet = 0
	s.frames(-1)
	took := 0
	for ; s.quiet < quiet; took++ {
		if took > limit+quiet {
			s.fail("ports still change after %d seconds", limit)
		}
		s.tick()
	}
	s.check()
	return took - quiet
}

// noLoops fails if there was a loop so far.
func (s *sim) noLoops() {
	s.t.Helper()
	if s.loops > 0 {
		s.fail("there was a loop")
	}
}

// forest tells whether forwarding ports make a loop, and who is joined with
// whom: find names the set that a bridge or LAN belongs to.
func (s *sim) forest() (loop bool, find func(key any) any) {
	parent := map[any]any{}
	find = func(key any) any {
		for parent[key] != nil {
			key = parent[key]
		}
		return key
	}
	for _, l := range s.lans {
		for _, e := range l.ends {
			if !l.up || e.state != Forwarding {
				continue
			}
			a, b := find(e.node), find(l)
			if a == b || l.reflects {
				loop = true
				continue
			}
			parent[a] = b
		}
	}
	return loop, find
}

// check fails unless the forwarding ports are exactly a spanning tree of each
// part of the world, with the best bridge as root and shortest paths to it.
func (s *sim) check() {
	s.t.Helper()
	loop, find := s.forest()
	if loop {
		s.fail("a loop at the end")
	}
	for _, l := range s.lans {
		for _, e := range l.ends {
			if l.up && !l.reflects && find(l) != find(e.node) {
				s.fail("bridge %d does not reach lan %d", e.node.i, l.i)
			}
		}
	}
	for n, want := range s.shortest() {
		if n.bridge == nil {
			continue
		}
		if st := n.bridge.Status(); st.RootID != want.root || st.RootCost != want.cost {
			s.fail("bridge %d has root %v at %d, want %v at %d", n.i, st.RootID, st.RootCost, want.root, want.cost)
		}
		checkBridge(s.t, n.bridge)
	}
}

// path is the root of a bridge, and the cost of the way to it.
type path struct {
	root BridgeID
	cost uint32
}

// shortest computes the paths without any protocol.
func (s *sim) shortest() map[*node]path {
	best := map[*node]path{}
	for _, n := range s.nodes {
		best[n] = path{makeBridgeID(n.cfg), 0}
	}
	for changed := true; changed; {
		changed = false
		for _, l := range s.lans {
			for i := range len(l.ends) * len(l.ends) {
				from, to := l.ends[i/len(l.ends)], l.ends[i%len(l.ends)]
				p := best[from.node]
				p.cost += to.cfg.withDefaults().Cost
				old := best[to.node]
				if l.up && to.node != from.node && (p.root < old.root || p.root == old.root && p.cost < old.cost) {
					best[to.node] = p
					changed = true
				}
			}
		}
	}
	return best
}

func (s *sim) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%3d ", s.second)+fmt.Sprintf(format, args...))
}

// fail ends the test and tells what happened last, and where all ports are.
func (s *sim) fail(format string, args ...any) {
	s.t.Helper()
	for _, line := range s.log[max(0, len(s.log)-100):] {
		s.t.Log(line)
	}
	for _, l := range s.lans {
		for _, e := range l.ends {
			s.t.Logf("lan %d up %v: bridge %d port %d %v", l.i, l.up, e.node.i, e.port, e.state)
			if b := e.node.bridge; b != nil {
				st, _ := b.PortStatus(e.port)
				s.t.Logf("\t%+v", st)
			}
		}
	}
	s.t.Fatalf(format, args...)
}

// show says what a BPDU says.
func show(m *bpdu) string {
	return fmt.Sprintf("%#02x flags %#02x root %v cost %d from %v/%v age %d",
		uint8(m.kind), m.flags, m.vector.root, m.vector.cost, m.vector.bridge, m.vector.port, m.times.age)
}

// checkBridge fails if a bridge is in a state that none may be in.
func checkBridge(t testing.TB, b *Bridge) {
	t.Helper()
	if b.unsettled != 0 {
		t.Errorf("%d runs did not settle", b.unsettled)
	}
	roots := 0
	for _, p := range b.ports {
		blocked := p.role == Disabled || p.role == Alternate || p.role == Backup
		switch {
		case p.role == Root:
			roots++
			if p != b.rootPort {
				t.Errorf("port %d is a root port, but not that of the bridge", p.n)
			}
		case blocked && p.state != Discarding:
			t.Errorf("port %d is %v and %v", p.n, p.role, p.state)
		}
		if p.enabled() == (p.role == Disabled) || p.role != p.selectedRole || !p.selected || p.updtInfo || p.rcvdMsg {
			t.Errorf("port %d is unsettled: %+v", p.n, *p)
		}
		if p.txCount > b.cfg.TxHoldCount {
			t.Errorf("port %d sent %d BPDUs", p.n, p.txCount)
		}
	}
	if roots > 1 || (roots == 0) != (b.rootPriority.root == b.id) {
		t.Errorf("%d root ports, root %v, bridge %v", roots, b.rootPriority.root, b.id)
	}
}
