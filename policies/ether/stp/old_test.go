package stp

import "testing"

// oldBridge is a bridge with the Spanning Tree Protocol of IEEE Std 802.1D-1998,
// clause 8, written for these tests: it knows configuration and TCN BPDUs, and
// no others. Its ports are Discarding when they block or listen.
type oldBridge struct {
	node  *node
	id    BridgeID
	ports map[int]*oldPort

	root     vector // of the best path
	rootPort *oldPort
	times    times

	hello        int
	changed      bool // detected a topology change that the root does not know of
	changeTimer  int  // the root tells of one as long
	rootSaidSo   bool // the topology change flag of the root
	acknowledges int
}

type oldPort struct {
	n          int
	id         PortID
	cost       uint32
	up         bool
	designated vector
	age        int // of what was received; counts up to max age
	heard      bool
	state      State
	forwardIn  int
	ack        bool
}

func (s *sim) addOld(cfg Config) *node {
	n := s.newNode(cfg)
	b := &oldBridge{node: n, id: makeBridgeID(n.cfg), ports: map[int]*oldPort{}}
	n.peer = b
	b.update()
	return n
}

func (b *oldBridge) AddPort(n int, c PortConfig) error {
	c = c.withDefaults()
	b.ports[n] = &oldPort{n: n, id: makePortID(c.Priority, n), cost: c.Cost}
	b.EnablePort(n, true)
	return nil
}

func (b *oldBridge) RemovePort(n int) {
	delete(b.ports, n)
	b.update()
}

func (b *oldBridge) EnablePort(n int, up bool) {
	p := b.ports[n]
	p.up, p.heard = up, false
	if !up {
		b.setState(p, Discarding)
	}
	p.forwardIn = 0
	b.update()
}

// sorted lists the ports that are up, by id.
func (b *oldBridge) sorted() (list []*oldPort) {
	for n := 1; n <= len(b.node.ports); n++ {
		if p := b.ports[n]; p != nil && p.up {
			list = append(list, p)
		}
	}
	return list
}

func (b *oldBridge) isDesignated(p *oldPort) bool { return !p.heard }

// update selects the root and the designated ports (8.6.8), and what the ports
// do then (8.6.11).
func (b *oldBridge) update() {
	was := b.rootPort
	b.root, b.rootPort = vector{root: b.id, bridge: b.id}, nil
	b.times = times{0, 20, 2, 15}
	for _, p := range b.sorted() {
		if path := p.designated.via(p.cost); p.heard && p.designated.bridge != b.id && path.compare(b.root) < 0 {
			b.root, b.rootPort = path, p
		}
	}
	for _, p := range b.sorted() {
		mine := vector{b.root.root, b.root.cost, b.id, p.id}
		if !p.heard || p != b.rootPort && mine.compare(p.designated) <= 0 {
			p.designated, p.heard = mine, false
		}
		if p == b.rootPort || b.isDesignated(p) {
			if p.state == Discarding && p.forwardIn == 0 {
				p.forwardIn = 15 // listening
			}
			continue
		}
		if p.state != Discarding {
			b.topologyChange()
		}
		p.forwardIn = 0
		b.setState(p, Discarding)
	}
	if b.rootPort == nil && was != nil {
		b.hello = 0
	}
}

func (b *oldBridge) setState(p *oldPort, s State) {
	p.state = s
	b.node.SetState(p.n, s)
}

func (b *oldBridge) topologyChange() {
	if b.rootPort == nil {
		b.changeTimer = 35
		return
	}
	b.changed = true
	b.send(b.rootPort, bpdu{kind: tcnBPDU})
}

func (b *oldBridge) send(p *oldPort, m bpdu) {
	var frame [frameSize]byte
	m.encode(&frame, b.node.cfg.MAC)
	b.node.Send(p.n, frame[:])
}

// config sends a configuration BPDU by a designated port (8.6.1).
func (b *oldBridge) config(p *oldPort) {
	m := bpdu{kind: configBPDU, vector: p.designated, times: b.times}
	if b.rootPort != nil {
		m.times.age = b.rootPort.age + 1
		if m.times.age >= m.times.maxAge {
			return
		}
	}
	if b.changeTimer > 0 || b.rootPort != nil && b.rootSaidSo {
		m.flags |= flagTC
	}
	if p.ack {
		m.flags |= flagTCAck
	}
	p.ack = false
	b.send(p, m)
}

func (b *oldBridge) configs() {
	for _, p := range b.sorted() {
		if b.isDesignated(p) {
			b.config(p)
		}
	}
}

func (b *oldBridge) Receive(n int, frame []byte) {
	p := b.ports[n]
	m, ok := decode(frame)
	if !ok || p == nil || !p.up || frame[19] != 0 {
		return // not version 0
	}
	if m.kind == tcnBPDU {
		if b.isDesignated(p) {
			b.topologyChange()
			p.ack = true
			b.config(p)
		}
		return
	}
	switch {
	case m.vector.compare(p.designated) < 0 || m.vector.sameSource(p.designated) && m.vector.bridge != b.id:
		p.designated, p.heard, p.age = m.vector, true, m.times.age
		b.update()
		if p == b.rootPort {
			b.rootSaidSo = m.flags&flagTC != 0
			if m.flags&flagTCAck != 0 {
				b.changed = false
				b.acknowledges++
			}
			b.configs()
		}
	case b.isDesignated(p):
		b.config(p)
	}
}

func (b *oldBridge) Tick() {
	b.changeTimer = max(0, b.changeTimer-1)
	for _, p := range b.sorted() {
		if p.heard {
			if p.age++; p.age >= b.times.maxAge {
				p.heard = false
				b.update()
			}
		}
	}
	for _, p := range b.sorted() {
		if p.forwardIn == 0 {
			continue
		}
		if p.forwardIn--; p.forwardIn > 0 {
			continue
		}
		if p.state == Discarding {
			b.setState(p, Learning)
			p.forwardIn = 15
			continue
		}
		b.setState(p, Forwarding)
		b.topologyChange()
	}
	if b.hello--; b.hello > 0 {
		return
	}
	b.hello = 2
	if b.rootPort == nil {
		b.configs()
	} else if b.changed {
		b.send(b.rootPort, bpdu{kind: tcnBPDU})
	}
}

// A world of old bridges alone shows that they do what they should.
func TestOldBridges(t *testing.T) {
	for seed := range int64(50) {
		s := newSim(t, seed)
		randomOldWorld(s, 0)
		s.settle(50, 120)
		s.noLoops()
	}
}

// Among old bridges the new ones fall back to STP, each port for itself. All
// together make one tree.
func TestInterop(t *testing.T) {
	for seed := range int64(100) {
		s := newSim(t, seed)
		randomOldWorld(s, 1+s.rng.Intn(3))
		s.settle(50, 120)
		s.noLoops()
		for range 3 {
			l := s.lans[s.rng.Intn(len(s.lans))]
			s.enable(l, !l.up)
			s.settle(50, 200)
		}
	}
}

// randomOldWorld makes a world where so many bridges in four are new.
func randomOldWorld(s *sim, quarters int) {
	nodes := 2 + s.rng.Intn(5)
	for range nodes {
		cfg := Config{Priority: uint16(s.rng.Intn(3)) * 4096}
		if s.rng.Intn(4) < quarters {
			s.addNode(cfg)
		} else {
			s.addOld(cfg)
		}
	}
	for range nodes - 1 + s.rng.Intn(nodes) {
		a, b := s.rng.Intn(nodes), s.rng.Intn(nodes)
		s.connect(s.nodes[a], s.nodes[b])
	}
}
