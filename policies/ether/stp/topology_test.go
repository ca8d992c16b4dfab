package stp

import (
	"slices"
	"strings"
	"testing"
)

// tree is a lab with a root port 1, designated ports 2 and 3 that forward, a
// blocked port 4 and an edge port 5, where no topology change is going on.
func tree(t *testing.T) *lab {
	l := newLab(t, 4, link)
	edge := link
	edge.AdminEdge = true
	l.ok(l.AddPort(5, edge))
	l.hearRoot()
	for _, n := range []int{2, 3} {
		l.hear(n, l.reply(n, flagAgreement))
	}
	l.ticks(4)
	l.hearRoot()
	for n, role := range []Role{1: Root, 2: Designated, 3: Designated, 4: Alternate, 5: Designated} {
		switch role {
		case Disabled:
		case Alternate:
			l.port(n, role, Discarding)
		default:
			l.port(n, role, Forwarding)
		}
	}
	if l.Bridge.Status().TopologyChange {
		t.Fatal("a topology change is going on")
	}
	clear(l.sent)
	l.take()
	return l
}

// hearRoot lets the hellos of the root arrive, by ports 1 and 4.
func (l *lab) hearRoot() {
	l.hear(1, better(0))
	second := better(0)
	second.vector.port = 0x8002
	l.hear(4, second)
}

func sorted(list string) string {
	words := strings.Split(list, ", ")
	slices.Sort(words)
	return strings.Join(words, ", ")
}

// 17.11, 17.21.18, 17.31: whose addresses are forgotten, and who is told.
func TestTopologyChange(t *testing.T) {
	for _, c := range []struct {
		name    string
		happens func(l *lab)
		flushes string
		told    []int // ports whose BPDUs have the flag, or are TCNs
		changes uint64
	}{
		{"told by the root port", func(l *lab) {
			l.hear(1, better(flagTC))
		}, "flush 2, flush 3", []int{2, 3}, 1},
		{"told by a designated port", func(l *lab) {
			l.hear(2, l.reply(2, flagTC|flagAgreement))
		}, "flush 1, flush 3", []int{1, 3}, 1},
		{"told by an STP bridge", func(l *lab) {
			l.hear(2, bpdu{kind: tcnBPDU})
		}, "flush 1, flush 3", []int{1, 2, 3}, 1},
		{"told by the blocked port", func(l *lab) {
			m := better(flagTC)
			m.vector.port = 0x8002
			l.hear(4, m)
		}, "", nil, 0},
		{"told twice", func(l *lab) {
			l.hear(1, better(flagTC))
			l.hear(1, better(flagTC))
		}, "flush 2, flush 3, flush 2, flush 3", []int{2, 3}, 1},
		{"told, and a port has become an edge", func(l *lab) {
			edge := link
			edge.AdminEdge = true
			l.ok(l.ConfigurePort(2, edge))
			l.hear(1, better(flagTC))
		}, "flush 3", []int{3}, 1},
		{"an inferior bridge tells", func(l *lab) {
			m := better(flagTC)
			m.vector = vector{0xf000_020000000009, 0, 0xf000_020000000009, 0x8001}
			l.hear(2, m)
		}, "", nil, 0},
		{"a port begins to forward", func(l *lab) {
			l.ok(l.AddPort(6, link))
			l.take()
			l.hear(6, l.reply(6, flagAgreement))
		}, "flush 1, flush 2, flush 3", []int{1, 2, 3, 6}, 1},
		{"an edge port begins to forward", func(l *lab) {
			edge := link
			edge.AdminEdge = true
			l.ok(l.AddPort(6, edge))
		}, "flush 6", nil, 0},
		{"a port goes down", func(l *lab) {
			l.EnablePort(2, false)
		}, "flush 2", nil, 0},
		{"an edge port goes down", func(l *lab) {
			l.EnablePort(5, false)
		}, "flush 5", nil, 0},
		{"the root port goes down, and another is there", func(l *lab) {
			l.EnablePort(1, false)
		}, "flush 2, flush 3, flush 1", []int{2, 3, 4}, 1},
		{"a port is removed", func(l *lab) {
			l.RemovePort(2)
		}, "", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := tree(t)
			before := l.Bridge.Status().TopologyChanges
			c.happens(l)
			l.want("flushes", sorted(l.take("flush")), sorted(c.flushes))
			l.ticks(2)
			for n := range 7 {
				told := false
				for _, m := range l.sent[n] {
					told = told || m.flags&flagTC != 0
				}
				if told != slices.Contains(c.told, n) {
					t.Errorf("port %d told %v", n, told)
				}
			}
			st := l.Bridge.Status()
			if got := st.TopologyChanges - before; got != c.changes || st.TopologyChange != (got > 0) {
				t.Errorf("%d topology changes, going on %v", got, st.TopologyChange)
			}
			if c.changes > 0 && st.SinceTopologyChange != 2 {
				t.Errorf("the last was %d s ago, want 2", st.SinceTopologyChange)
			}
			l.hearRoot()
			l.ticks(3)
			if l.Bridge.Status().TopologyChange {
				t.Error("the topology change does not end")
			}
		})
	}
}

// A root port tells an STP bridge by TCNs until it acknowledges; a designated
// port acknowledges.
func TestTCN(t *testing.T) {
	l := newLab(t, 2, link)
	l.ticks(4)
	up := better(0)
	up.kind = configBPDU
	tcns := func(seconds int) (n int) {
		clear(l.sent)
		for range seconds {
			l.ticks(1)
			l.hear(1, up)
		}
		for _, m := range l.sent[1] {
			if m.kind != tcnBPDU {
				t.Fatalf("the root port sends %v", show(&m))
			}
			n++
		}
		return n
	}
	l.hear(1, up)
	for range 60 {
		l.ticks(1)
		l.hear(1, up)
	}
	l.port(1, Root, Forwarding)
	if n := tcns(10); n != 0 {
		t.Errorf("%d TCNs of what was 20 s ago", n)
	}
	down := bpdu{kind: tcnBPDU}
	l.hear(2, down)
	if n := tcns(10); n < 5 {
		t.Errorf("%d TCNs in 10 s", n)
	}
	acks := 0
	for _, m := range l.sent[2] {
		if m.flags&flagTCAck != 0 {
			acks++
		}
	}
	if acks != 1 {
		t.Errorf("%d acknowledgements", acks)
	}
	up.flags |= flagTCAck
	l.hear(1, up)
	up.flags &^= flagTCAck
	if n := tcns(10); n != 0 {
		t.Errorf("%d TCNs after the acknowledgement", n)
	}
}
