package bus

import (
	"fmt"
	"slices"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// mirror is a port that gets a copy of every frame that others send or are
// sent (a managed switch's SPAN port).
type mirror struct {
	to   *Port
	from []int // port numbers, in order
}

// Mirror returns the numbers of the ports whose frames are copied to p.
func (p *Port) Mirror() []int {
	p.net.lock()
	defer p.net.mu.Unlock()
	if p.mirrored == nil {
		return nil
	}
	return slices.Clone(*p.mirrored)
}

// SetMirror makes p get a copy, in the form they came in, of all frames that
// the ports of these numbers send, even if they are dropped, and of those
// they are sent. Ports need not exist yet.
func (p *Port) SetMirror(numbers []int) error {
	list := slices.Clone(numbers)
	slices.Sort(list)
	list = slices.Compact(list)
	for _, number := range list {
		if err := words.Check("port", number, 1, policy.MaxPorts); err != nil {
			return err
		}
		if number == p.number {
			return fail.Errorf(fail.Invalid, "port %d cannot be its own mirror", number)
		}
	}
	n := p.net
	n.lock()
	p.mirrored = nil
	if len(list) > 0 {
		p.mirrored = &list
	}
	n.invalidateLocked()
	n.bypassLocked()
	n.eventLocked("mirror", "port=%d of=%s", p.number, strings.ReplaceAll(strings.Trim(fmt.Sprint(list), "[]"), " ", ","))
	n.mu.Unlock()
	n.ease() // who waits for room at a mirror need not any more
	return nil
}

// mirrorSent gives the frame of b, which the policy sent to p, to those that
// watch p.
func (s *snapshot) mirrorSent(b *Batch, p *Port) {
	for i := range s.mirrors {
		if m := &s.mirrors[i]; m.to != p && slices.Contains(m.from, p.number) {
			for _, to := range *m.to.receivers.Load() {
				b.transmit(nil, ranks, 0, 1, target{to, frame.Edit{}}, 0)
			}
		}
	}
}

// mirror adds those that watch the sender or a receiver of a frame.
func (s *snapshot) mirror(in *Port, e *policy.Egress) {
	if e.Flooded() {
		return // all get it
	}
	wanted := e.Ports()
	for i := range s.mirrors {
		m := &s.mirrors[i]
		if m.to == in || slices.Contains(wanted, policy.Port(m.to)) {
			continue
		}
		watched := slices.Contains(m.from, in.number)
		for k := 0; k < len(wanted) && !watched; k++ {
			watched = slices.Contains(m.from, wanted[k].Number())
		}
		if watched {
			e.Copy(m.to)
		}
	}
}
