package bus

import (
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Send carries the frames of b from c to where the policy says, to the end,
// on the caller's thread. It returns how many frames it carried: fewer than
// all only if a receiver's overflow setting is BlockSender and its queue is full,
// and then the next frame has gone to nobody. Whether a frame found a
// receiver or was dropped is no concern of the sender. A connection that is
// gone sends nothing and returns 0: look at Gone. With b.Budget or b.NoWait it may
// also be fewer: look at b.Spent.
func (c *Conn) Send(b *Batch) int { return c.sendFrom(b, true) }

// sendFrom is Send. kick: tell other waiting senders of room that was
// promised to this one and given back.
func (c *Conn) sendFrom(b *Batch, kick bool) (done int) {
	b.Spent, b.Made = false, 0
	if c.gone.Load() || len(b.Frames) == 0 {
		return 0
	}
	s := c.net.snap.Load()
	switch {
	case s != nil:
	case !b.NoWait:
		s = c.net.load()
	default:
		if s = c.net.loadSoon(); s == nil {
			b.Spent = true
			return 0
		}
	}
	if s.blocking && b.Offloads() {
		b.Finish(0)
	}
	b.forward(s, c.port, 0)
	for done < len(b.Frames) {
		// The run: frames from done on with the same egress, as far as the
		// budget goes.
		end, asked := done+1, false // asked: the policy was asked for frame end
		here := b.egress
		each := max(FrameCost, s.copies(&here))
		for end < len(b.Frames) && (b.Budget == 0 || b.Made+(end-done)*each < b.Budget) {
			b.egress, b.other = b.other, b.egress
			b.forward(s, c.port, end)
			if asked = !here.Equal(&b.egress); asked {
				break
			}
			end++
			b.egress, b.other = b.other, b.egress
		}
		n := c.carry(s, b, &here, done, end, kick)
		c.count(b, done, done+n)
		done += n
		b.Made += n * each
		if done < end {
			break
		}
		if !asked && done < len(b.Frames) {
			b.Spent = true
			break
		}
	}
	if kick && c.net.work.count.Load() > 0 {
		c.settle(b)
	}
	return done
}

// settle does what the policy asked for while it forwarded.
func (c *Conn) settle(b *Batch) {
	if b.NoWait {
		c.net.settleSoon()
	} else {
		c.net.settle()
	}
}

// forward asks the policy for the egress of frame i, into b.egress.
func (b *Batch) forward(s *snapshot, in *Port, i int) {
	e := &b.egress
	e.Reset()
	s.policy.Forward(in, &b.Frames[i], e)
	if _, super := b.Frames[i].Offload(); e.Splits() && super {
		b.Finish(i)
		e.Reset()
		s.policy.Forward(in, &b.Frames[i], e)
	}
	if len(s.mirrors) > 0 {
		s.mirror(in, e)
	}
}

// carry takes b.Frames[i:j] to all receivers of the egress e and returns how
// many frames it carried.
func (c *Conn) carry(s *snapshot, b *Batch, e *policy.Egress, i, j int, kick bool) int {
	if s.blocking {
		return c.carryLossless(s, b, e, i, j, kick)
	}
	targets := 0
	if e.Flooded() {
		for _, to := range s.receivers {
			if to.port != c.port {
				if _, took := b.push(i, j, target{to, frame.Edit{}}, 0); took {
					targets++
				}
			}
		}
	} else {
		for k, port := range e.Ports() {
			p := port.(*Port)
			if p == c.port {
				continue
			}
			for _, to := range *p.receivers.Load() {
				if _, took := b.push(i, j, target{to, e.Edit(k)}, 0); took {
					targets++
				}
			}
		}
	}
	b.ReleaseForms()
	c.countUnsent(e, j-i, targets)
	return j - i
}

// target is a receiver, and the form in which it gets the frames.
type target struct {
	*Conn
	edit frame.Edit
}

// push gives frames i to j to a receiver in the form it wants.
func (b *Batch) push(i, j int, to target, reserved int) (eased, took bool) {
	plain := b.Offloads() && !to.offload
	if !plain && to.edit == (frame.Edit{}) {
		return to.Conn.push(&b.Batch, i, j, reserved)
	}
	form := b.Form(i, j, to.edit, plain)
	return to.Conn.push(form, 0, len(form.Frames), reserved)
}

// countUnsent counts n frames that the policy dropped, or that nobody gets.
func (c *Conn) countUnsent(e *policy.Egress, n, targets int) {
	switch why := e.Dropped(); {
	case why != 0:
		c.out.barred[why].Add(uint64(n))
	case targets == 0:
		c.out.nobody.Add(uint64(n))
	}
}

// copies is how many receivers get the frame, or a few more.
func (s *snapshot) copies(e *policy.Egress) (n int) {
	if e.Flooded() {
		return len(s.receivers)
	}
	for _, p := range e.Ports() {
		n += len(*p.(*Port).receivers.Load())
	}
	return n
}

func (c *Conn) count(b *Batch, i, j int) {
	bytes := 0
	for k := i; k < j; k++ {
		bytes += b.Frames[k].Len()
	}
	c.out.frames.Add(uint64(j - i))
	c.out.bytes.Add(uint64(bytes))
}
