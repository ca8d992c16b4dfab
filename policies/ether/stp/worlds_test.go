package stp

import (
	"fmt"
	"testing"
)

// ring makes a ring of bridges of the same priority.
func ring(s *sim, n int) {
	for range n {
		s.addNode(Config{Priority: DefaultPriority})
	}
	for i := range n {
		s.connect(s.nodes[i], s.nodes[(i+1)%n])
	}
}

// Small rings converge by the BPDUs alone, without waiting for any timer; in
// larger ones TxHoldCount may hold some back for a second. There is no loop at
// any moment.
func TestRing(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			for seed := range int64(20) {
				s := newSim(t, seed)
				ring(s, n)
				if took := s.settle(10, 60); took > n/8 {
					s.fail("the start took %d s", took)
				}
				l := s.lans[s.rng.Intn(n)]
				for _, up := range []bool{false, true} {
					s.enable(l, up)
					if took := s.settle(10, 60); took > 0 {
						s.fail("up %v took %d s", up, took)
					}
				}
				if n > 2 {
					s.remove(s.nodes[0]) // the root
					if took := s.settle(10, 60); took > 2 {
						s.fail("a new root took %d s", took)
					}
				}
				s.noLoops()
			}
		})
	}
}

// randomWorld makes bridges and links at random: parallel links, rings, and
// links from a bridge to itself, and if shared LANs of more than two ports.
func randomWorld(s *sim, shared bool) {
	nodes := 2 + s.rng.Intn(7)
	for range nodes {
		s.addNode(Config{Priority: uint16(s.rng.Intn(3)) * 4096})
	}
	for range nodes - 1 + s.rng.Intn(2*nodes) {
		k := 2
		if shared && s.rng.Intn(4) == 0 {
			k = 3 + s.rng.Intn(3)
		}
		var members []*node
		for range k {
			members = append(members, s.nodes[s.rng.Intn(nodes)])
		}
		s.connect(members...)
	}
}

// disturb changes something at random, and tells whether some bridge lost its
// root by that.
func disturb(s *sim) (rootLost bool) {
	before := s.shortest()
	l := s.lans[s.rng.Intn(len(s.lans))]
	n := s.nodes[s.rng.Intn(len(s.nodes))]
	switch s.rng.Intn(10) {
	case 0:
		if len(s.nodes) > 2 {
			s.remove(n)
		}
	case 1:
		n.cfg.Priority = uint16(s.rng.Intn(4)) * 4096
		s.note("bridge %d priority %d", n.i, n.cfg.Priority)
		if err := n.bridge.Configure(n.cfg); err != nil {
			s.t.Fatal(err)
		}
	case 2:
		for _, e := range l.ends {
			e.cfg.Cost = 1 + uint32(s.rng.Intn(40000))
			e.cfg.Priority = uint8(s.rng.Intn(16)) * 16
			s.note("bridge %d port %d cost %d priority %d", e.node.i, e.port, e.cfg.Cost, e.cfg.Priority)
			if err := e.node.bridge.ConfigurePort(e.port, e.cfg); err != nil {
				s.t.Fatal(err)
			}
		}
	case 3:
		if len(l.ends) > 0 {
			s.removePort(l.ends[s.rng.Intn(len(l.ends))])
		}
	case 4:
		s.connect(n, s.nodes[s.rng.Intn(len(s.nodes))])
	default:
		if len(l.ends) > 1 {
			s.enable(l, !l.up)
		}
	}
	for n, now := range s.shortest() {
		rootLost = rootLost || before[n].root < now.root
	}
	return rootLost
}

// On point-to-point links there is no loop at any moment, and changes are over
// in seconds, as long as no bridge loses its root. If one does, and there are
// loops of links, the news of the old root may go round and count to infinity,
// until MaxAge ends it. Loops while it counts are in the nature of RSTP; here
// the test only sees that they stay as rare as they are.
func TestRandomLinks(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered=%v", ordered), func(t *testing.T) {
			const worlds, changes = 250, 5
			lost, loops, seconds, longest := 0, 0, 0, 0
			for seed := range int64(worlds) {
				s := newSim(t, seed)
				s.ordered = ordered
				randomWorld(s, false)
				s.settle(10, 10)
				for range changes {
					s.noLoops()
					if !disturb(s) {
						s.settle(10, 10)
						continue
					}
					lost++
					longest = max(longest, s.settle(10, 60))
					loops, seconds = loops+s.loops, seconds+s.loopSeconds
					s.loops, s.loopSeconds = 0, 0
				}
				s.noLoops()
			}
			t.Logf("%d of %d changes lost a root: longest %d s, %d loops, %d s with one", lost, worlds*changes, longest, loops, seconds)
			if loops > lost/20 || seconds > lost/100 {
				t.Errorf("too many loops")
			}
		})
	}
}

// With LANs of several bridges, timers take the place of agreements: it takes
// MaxAge and a few hello times.
func TestRandomSharedLANs(t *testing.T) {
	worst := 0
	for seed := range int64(60) {
		s := newSim(t, seed)
		randomWorld(s, true)
		worst = max(worst, s.settle(25, 60))
		for range 5 {
			s.noLoops()
			limit := 60
			lost := disturb(s)
			if lost {
				limit = 100
			}
			worst = max(worst, s.settle(25, limit))
			if lost {
				s.loops = 0
			}
		}
		s.noLoops()
	}
	t.Logf("longest: %d s", worst)
}

// Several changes at once, and frames on their way between them.
func TestRandomChanges(t *testing.T) {
	for seed := range int64(100) {
		s := newSim(t, seed)
		randomWorld(s, seed%2 == 0)
		for range 4 {
			for range 1 + s.rng.Intn(5) {
				disturb(s)
				s.frames(s.rng.Intn(20))
			}
			s.settle(25, 120)
		}
	}
}

// A link that passes frames one way only, and does not say so, is no loop: who
// hears that the other forwards, though he should not, disputes that.
func TestOneWay(t *testing.T) {
	for seed := range int64(20) {
		s := newSim(t, seed)
		for range 3 {
			s.addNode(Config{Priority: DefaultPriority})
		}
		for i := range 3 {
			s.connectAs(PortConfig{PointToPoint: true}, s.nodes[i], s.nodes[(i+1)%3])
		}
		s.settle(10, 10)
		for _, l := range s.lans {
			for _, e := range l.ends {
				e.deaf = true
				for range 40 {
					s.tick()
				}
				if s.loopSeconds > 0 {
					s.fail("a loop")
				}
				e.deaf = false
				s.settle(10, 10)
			}
		}
	}
}

// A port that hears itself never forwards.
func TestReflection(t *testing.T) {
	for _, cfg := range []PortConfig{{PointToPoint: true}, {AutoEdge: true}, {AdminEdge: true}, {}} {
		s := newSim(t, 1)
		n := s.addNode(Config{Priority: DefaultPriority})
		l := s.connectAs(cfg, n)
		s.enable(l, false)
		l.reflects = true
		s.enable(l, true)
		for range 100 {
			s.tick()
		}
		if s.loopSeconds > 0 {
			s.fail("%+v: forwards", cfg)
		}
		if s.quiet < 90 {
			s.fail("%+v: does not come to rest", cfg)
		}
	}
}
