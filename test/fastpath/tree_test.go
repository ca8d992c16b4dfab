package fastpath

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ipnfs/test/harness"
)

// state is the state of the host's port in the spanning tree.
func (h *host) state() string {
	h.l.t.Helper()
	_, trees, _ := strings.Cut(harness.Get(h.l.t, h.l.path("ports", fmt.Sprint(h.port), "stp")), "\n")
	return harness.Field(trees, "state")
}

// burst is how many frames the daemon has counted at most that it has not carried yet.
const burst = 512

// A port that comes into a spanning tree forwards nothing while it discards and learns,
// then all; and when the tree is gone as well. The port is the source's, or the destination's.
func TestTree(t *testing.T) {
	t.Parallel()
	for _, which := range []int{0, 1} {
		t.Run(fmt.Sprint("port ", which+1), func(t *testing.T) {
			t.Parallel()
			l := newLAN(t, mount(t), "tree", 3, "switch/stp=hello=1 max_age=6 forward_delay=4")
			a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
			for i, h := range l.hosts {
				h.setPort(fmt.Sprintf("stp=edge=%s", map[bool]string{true: "off", false: "on"}[i == which]))
			}
			l.speak(a, b, c)
			l.awaitAlone(a, b)
			l.settle()
			counted := l.countFrom()
			carried := func() uint64 { s := a.stats(); return s["frames"] - s["drop_overrun"] }
			other := carried()
			s := a.start(traffic{frames: [][]byte{frame(there, b.mac, a.mac)}, rate: few(100_000)})
			s.await(a, 1000)

			before := s.sent.Load()
			l.set("switch/stp=rstp")
			first := s.next.Load()
			states := map[string]bool{}
			var barredTo uint64 // what was carried, or lost, when the port did not forward yet
			port := l.hosts[which]
			harness.Eventually(t, "the port to forward", func() bool {
				have := carried() - other
				state := port.state()
				states[state] = true
				if state == "forwarding" {
					return true
				}
				barredTo = max(have, burst) - burst
				return false
			})
			forwards := s.next.Load()
			b.say(b.mac) // it may have been forgotten
			l.awaitAt(b.mac, b.port)
			s.await(a, 10_000)

			off := s.sent.Load()
			l.set("switch/stp=off")
			s.await(a, 10_000)
			end := s.end()
			l.settle()
			lost := counted.since()
			allow := barred(lost) - lost["drop_stp"] + harness.Dropped(lost) + l.socketsLost()
			if !states["discarding"] || !states["learning"] {
				t.Errorf("it was seen in the states %v", states)
			}
			for _, h := range []*host{b, c} {
				if n := h.between(there, first, barredTo); n > 0 && (h == b || which == 0) { // to others it is an unknown address
					t.Errorf("%d frames of %d passed to port %d while port %d did not forward", n, barredTo-first, h.port, port.port)
				}
				h.checkOrder(there)
			}
			for what, span := range map[string][2]uint64{"before": {0, before}, "in a tree": {forwards, off}, "in the end": {forwards, end}} {
				if n := b.between(there, span[0], span[1]); n+allow < span[1]-span[0] {
					t.Errorf("%s %d of %d frames came, and %d are counted as lost: %v", what, n, span[1]-span[0], allow, lost)
				}
			}
			if lost["drop_stp"] == 0 && which == 0 {
				t.Errorf("none was counted as drop_stp: %v", lost)
			}
		})
	}
}

// A BPDU at a port with guard disables it: of frames that are sent when the port has done so
// none passes.
func TestGuard(t *testing.T) {
	l := newLAN(t, mount(t), "guard", 3,
		"ports/1/stp=edge=on", "ports/2/stp=edge=on guard=on", "ports/3/stp=edge=on", "switch/stp=rstp")
	a, b, c := l.hosts[0], l.hosts[1], l.hosts[2]
	l.speak(a, b, c)
	l.awaitAlone(a, b)
	s := a.start(traffic{frames: [][]byte{frame(there, b.mac, a.mac)}})
	s.await(a, few(atLeast))
	b.sendOne(bpdu(b.mac))
	harness.Eventually(t, "the port to be disabled", func() bool { return b.state() != "forwarding" })
	first := s.next.Load()
	s.await(a, few(atLeast))
	end := s.end()
	l.settle()
	if n := b.between(there, first, end); n > 0 {
		t.Errorf("%d of %d frames came to a port that a BPDU has disabled", n, end-first)
	}
	b.checkOrder(there)
}

// bpdu is an RST BPDU (IEEE 802.1D-2004, 9.3.3) of a bridge with that address, which says
// that it is the root.
func bpdu(from [6]byte) []byte {
	id := append([]byte{0x80, 0}, from[:]...)
	body := slices.Concat(
		[]byte{0x42, 0x42, 3, 0, 0, 2, 2, 0x3c}, id, []byte{0, 0, 0, 0}, id,
		[]byte{0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0, 0})
	f := slices.Concat([]byte{0x01, 0x80, 0xc2, 0, 0, 0}, from[:], []byte{0, byte(len(body))}, body)
	return append(f, make([]byte, minFrame-len(f))...)
}
