package fastpath

import (
	"fmt"
	"strings"

	"ipnfs/test/harness"
)

// nobodyWas are the counters of frames that nobody was offered.
var nobodyWas = []string{"nobody", "vlan", "stp", "storm", "isolated", "filtered", "malformed", "loop", "overrun"}

// barred counts the frames that nobody was offered, or that were too long.
func barred(stats map[string]uint64) (n uint64) {
	n = stats["refused_too_long"]
	for _, reason := range nobodyWas {
		n += stats["drop_"+reason]
	}
	return n
}

// stats are those of the host's port.
func (h *host) stats() map[string]uint64 {
	h.l.t.Helper()
	return harness.ReadStats(h.l.t, h.l.path("ports", fmt.Sprint(h.port), "stats"))
}

func (l *lan) stats() map[string]uint64 { l.t.Helper(); return l.Stats(l.t, l.name) }

// imbalance tells what is not counted as it is, or is on its way still: what each kernel
// has sent the network has got, what the network has given each kernel has got, and the
// receiver from it; and each copy was taken or dropped.
func (l *lan) imbalance() string {
	l.t.Helper()
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, h := range l.hosts {
		if h.gone {
			continue
		}
		s, is := h.stats(), h.link().Statistics
		if is.TxPackets != s["frames"]+s["refused_too_long"] {
			say("port %d: eth0 sent %d, and frames is %d, refused_too_long %d", h.port, is.TxPackets, s["frames"], s["refused_too_long"])
		}
		if is.RxPackets != s["received"] {
			say("port %d: eth0 received %d, and received is %d", h.port, is.RxPackets, s["received"])
		}
		if taken := h.taken(); taken > is.RxPackets { // less: what eth0 itself has dropped, as nobody could take it
			say("port %d: %d frames came out of eth0, and it received %d", h.port, taken, is.RxPackets)
		}
		if lost := s["offered"] - s["received"] - harness.Dropped(s); lost != 0 {
			say("port %d: offered %d is not received %d + dropped %d", h.port, s["offered"], s["received"], harness.Dropped(s))
		}
	}
	if s := l.stats(); s["offered"] != s["received"]+harness.Dropped(s) {
		say("offered %d is not received %d + dropped %d", s["offered"], s["received"], harness.Dropped(s))
	}
	return strings.Join(wrong, "; ")
}

// settle waits until all that was sent has been received or counted, exactly.
func (l *lan) settle() {
	l.t.Helper()
	var wrong string
	defer func() {
		if wrong != "" {
			l.t.Logf("%s\n%s\n%v", wrong, harness.Get(l.t, l.path("veth")), l.stats())
		}
	}()
	harness.Eventually(l.t, "the books to balance", func() bool {
		if wrong = l.imbalance(); wrong != "" {
			return false
		}
		for _, h := range l.hosts {
			if !h.gone && !h.allRead() {
				wrong = fmt.Sprintf("port %d: %d of %d frames came out of eth0", h.port, h.taken(), h.link().Statistics.RxPackets)
				return false
			}
		}
		return true
	})
}

// allRead tells whether what came to eth0 came to the receiver too, or never will.
func (h *host) allRead() bool { return h.deaf || h.taken() == h.link().Statistics.RxPackets }

// counts are the changes of counters of the network since some moment.
type counts struct {
	l      *lan
	before map[string]uint64
}

func (l *lan) countFrom() counts { l.t.Helper(); return counts{l, l.stats()} }

// since is the counters' change.
func (c counts) since() map[string]uint64 {
	c.l.t.Helper()
	now := c.l.stats()
	for name, n := range c.before {
		now[name] -= n
	}
	return now
}

// checkOrder checks that of a flow nothing came late, or twice.
func (h *host) checkOrder(fl byte) {
	h.l.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := &h.flows[fl]; f.late > 0 || f.twice > 0 {
		h.l.t.Errorf("port %d, flow %d: of %d frames %d came late, the farthest by %d, and %d twice", h.port, fl, f.total, f.late, f.behind, f.twice)
	}
}

// nowhere counts the frames of a flow with numbers below end that came to no host.
func (l *lan) nowhere(fl byte, end uint64) (n uint64) {
	for _, h := range l.hosts {
		h.mu.Lock()
		defer h.mu.Unlock()
	}
	for i := range end {
		came := false
		for _, h := range l.hosts {
			if times := h.flows[fl].times; i < uint64(len(times)) && times[i] > 0 {
				came = true
			}
		}
		if !came {
			n++
		}
	}
	return n
}

// socketsLost is how many frames the hosts' sockets had no room for.
func (l *lan) socketsLost() (n uint64) {
	for _, h := range l.hosts {
		h.taken()
		h.mu.Lock()
		n += h.lost
		h.mu.Unlock()
	}
	return n
}
