package bus

import (
	"fmt"

	"ipnfs/bus/frame"
)

// Stage stands between a port and its network, in both directions: a filter, an
// impairment, a policer, a split horizon. Its methods are called from many threads
// at once; they must not block, allocate, log or keep the frame, which is lent and may be
// a super-frame (frame.Frame.WireFrames). They are asked for each connection
// of the port, and may be asked twice for a frame that has to wait.
type Stage interface {
	// Ingress is asked for a frame that c brings, before the policy is. It returns
	// 0 to let it pass, the reason to drop it, or Hold.
	Ingress(c *Conn, f *frame.Frame) frame.Drop
	// Egress is asked for a frame that goes to c, in the form in which it would get
	// it. in is the port that it came by; nil: the policy sends it.
	Egress(c *Conn, in *Port, f *frame.Frame) frame.Drop
	// Hold takes over a frame for which one of them has just said Hold. It may keep it
	// as long as it likes: the frame has a reference of its own, charged to the
	// network. It goes on by Conn.Send, with Batch.Behind, or by Conn.Deliver, or
	// ends by Conn.LoseHeld.
	Hold(c *Conn, way Way, f frame.Frame)
	// Leave says that c brings and gets no more frames by this stage, which must
	// give up what it holds of it (LoseHeld). The network's lock is held. Calls that
	// are under way may come after it: what Hold gets of c then is lost as well.
	Leave(c *Conn)
}

// Way is the direction of a frame: In to the network, Out of it.
type Way uint8

// The ways.
const (
	In Way = iota
	Out
)

// Hold is what a Stage says of a frame that it takes over.
const Hold frame.Drop = 0x7f

// heldBy marks, in an Egress, a frame that the stage of that rank takes over.
const heldBy frame.Drop = 0x80

// Rank is the place of a stage, from the wire to the policy.
type Rank uint8

// The ranks. A frame that comes passes them in this order, one that goes in the
// other. A port has one stage of each at most.
const (
	Impair  Rank = iota // what a poor line does
	Filter              // which frames pass at all
	Police              // how many
	Horizon             // which ports are on the same side
	ranks
)

// stages are those of a port; nil: none of that rank. Immutable.
type stages [ranks]Stage

// SetStage puts s at its rank of the port, in place of what was there; nil ends that.
// The stages go with the port.
func (p *Port) SetStage(rank Rank, s Stage) error {
	n := p.net
	n.lock()
	if n.portLocked(p.number) != p {
		n.mu.Unlock()
		return errPortGone
	}
	var all stages
	if p.stages != nil {
		all = *p.stages
	}
	old := all[rank]
	all[rank] = s
	if p.stages = &all; all == (stages{}) {
		p.stages = nil
	}
	for _, c := range p.conns {
		c.stages.Store(p.stages)
		if old != nil && old != s {
			old.Leave(c)
		}
	}
	n.bypassLocked()
	n.mu.Unlock()
	n.after() // who waits for room may go elsewhere now
	return nil
}

// leaveStagesLocked ends what the stages of its port hold of c.
func (c *Conn) leaveStagesLocked() {
	if all := c.stages.Swap(nil); all != nil {
		for _, s := range all {
			if s != nil {
				s.Leave(c)
			}
		}
	}
}

// ingress asks the stages from a rank on about a frame that c brings.
func (all *stages) ingress(c *Conn, from Rank, f *frame.Frame) frame.Drop {
	for rank := from; rank < ranks; rank++ {
		if s := all[rank]; s != nil {
			switch why := s.Ingress(c, f); why {
			case 0:
			case Hold:
				return heldBy | frame.Drop(rank)
			default:
				return why
			}
		}
	}
	return 0
}

// egress asks the stages below a rank about a frame that goes to c.
func (all *stages) egress(c *Conn, in *Port, below Rank, f *frame.Frame) frame.Drop {
	for rank := below; rank > 0; rank-- {
		if s := all[rank-1]; s != nil {
			switch why := s.Egress(c, in, f); why {
			case 0:
			case Hold:
				return heldBy | frame.Drop(rank-1)
			default:
				return why
			}
		}
	}
	return 0
}

// hold gives frame i of b to the stage that wants it.
func (c *Conn) hold(all *stages, why frame.Drop, way Way, b *frame.Batch, i int) {
	s := all[why&^heldBy]
	if f, ok := b.Keep(c.net.mem, i); ok {
		s.Hold(c, way, f)
		return
	}
	c.mu.Lock()
	c.got.offered++
	c.got.drops[dropMemory]++
	c.mu.Unlock()
}

// offerThrough is offer by way of the stages below a rank.
func (c *Conn) offerThrough(all *stages, in *Port, below Rank, b *frame.Batch, i, j, reserved int) (eased, took bool) {
	each := min(reserved, 1)
	if reserved > j-i {
		c.unreserve(reserved - (j - i))
		eased = true
	}
	for k := i; k < j; {
		end, why := k, frame.Drop(0)
		for ; end < j; end++ {
			if why = all.egress(c, in, below, &b.Frames[end]); why != 0 {
				break
			}
		}
		if end > k {
			more, one := c.offer(b, k, end, each*(end-k))
			eased, took = eased || more, took || one
		}
		if why != 0 {
			c.unreserve(each)
			eased, took = eased || each > 0, true
			if why&heldBy != 0 {
				c.hold(all, why, Out, b, end)
			} else {
				c.mu.Lock()
				c.got.barred[why]++
				c.net.showLost(c.port, b, end, end+1, why.String())
				c.mu.Unlock()
			}
			end++
		}
		k = end
	}
	return eased, took
}

// Deliver goes on with frames that the stage of a rank has held on their way to c:
// to the stages below it, and to c. Where c is full they are lost as its overflow
// setting says, but nobody waits.
func (c *Conn) Deliver(b *Batch, rank Rank) {
	if c.gone.Load() {
		c.LoseHeld(len(b.Frames))
		return
	}
	b.transmit(nil, rank, 0, len(b.Frames), target{c, frame.Edit{}}, 0)
	b.ReleaseVariants()
}

// LoseHeld counts n frames that a stage held of c and that go no further: as left
// behind. From any thread, and within Stage.Leave.
func (c *Conn) LoseHeld(n int) {
	c.mu.Lock()
	late := c.counted
	if !late {
		c.got.offered += uint64(n)
		c.got.drops[dropLeft] += uint64(n)
	}
	c.mu.Unlock()
	if late {
		c.net.post(func() {
			c.net.departed.Offered += uint64(n)         // +checklocksignore: it is called under Network.mu
			c.net.departed.Drops[dropLeft] += uint64(n) // +checklocksignore: as above
		})
	}
}

// String names the way as commands do.
func (w Way) String() string {
	switch w {
	case In:
		return "in"
	case Out:
		return "out"
	}
	return fmt.Sprint(uint8(w))
}
