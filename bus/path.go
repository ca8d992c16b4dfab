package bus

import (
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// The path of a frame, in order. The thread that brought it carries it to the end:
//
//  1. The endpoint fills a Batch that it owns and calls Conn.Send.
//  2. Send takes the network's snapshot (an immutable list of receivers and
//     settings behind an atomic pointer) and asks the stages of the port and the
//     policy for the egress of each frame (sendEach, forward), or of many at once if it
//     is a Batcher (sendAsked, ask); neighbours with the same egress form one run (carry).
//  3. The receivers of a run stand in groups (group). Each gets it in the form it wants,
//     as far as the stages of its port let it pass (transmit): if nothing is queued
//     there and its endpoint can take frames now
//     (Endpoint.Claim), they are handed over straight from the ingress buffer
//     after unlocking (Endpoint.Emit); else a reference is queued (enqueueLocked),
//     or the frame is dropped and counted by reason, as the overflow setting says. An
//     endpoint may be told of what is too long for it (Oversized).
//     All of that is under the target's own lock and no other (offer).
//  4. A queue that was empty and no longer is wakes its endpoint, unlocked.
//  5. The run is counted, and shown to the observers (finish).
//
// Where some receiver blocks its senders, places are reserved with all targets
// before any gets a frame (deliverLossless); else nobody waits for anybody.
//
// On this path there is no allocation, no global lock, no log line, no clock.

// Send carries the frames of b from c to where the policy says, to the end,
// on the caller's thread. It returns how many frames it carried: fewer than
// all only if a receiver's overflow setting is BlockSender and its queue is full,
// and then the next frame has gone to nobody. Whether a frame found a
// receiver or was dropped is no concern of the sender. A connection that is
// gone sends nothing and returns 0: look at Gone. With b.Budget or b.NoWait it may
// also be fewer: look at b.Spent.
func (c *Conn) Send(b *Batch) int {
	if b.Beyond {
		return c.sendFrom(b, true)
	}
	b.Onward, b.onward = &b.onward, OnwardBudget
	done := c.sendFrom(b, true)
	b.Made += OnwardBudget - b.onward
	b.onward = 0
	return done
}

// sendFrom is Send. kick: tell other waiting senders of room that was
// promised to this one and given back.
func (c *Conn) sendFrom(b *Batch, kick bool) (done int) {
	b.Spent, b.Made, b.full = false, 0, nil
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
	b.weigh()
	b.passed, b.stages = 0, c.stages.Load()
	if s.batcher != nil {
		done = c.sendAsked(s, b, kick)
	} else {
		done = c.sendEach(s, b, kick)
	}
	if kick && c.net.work.count.Load() > 0 {
		c.settle(b)
	}
	return done
}

// sendEach asks the policy for each frame.
func (c *Conn) sendEach(s *snapshot, b *Batch, kick bool) (done int) {
	here, next := &b.egress, &b.other
	here.SetLane(&b.lane)
	next.SetLane(&b.lane)
	c.forward(s, b, here, 0)
	for done < len(b.Frames) {
		// The run: frames from done on with the same egress, as far as the
		// budget goes.
		end, asked := done+1, false // asked: the policy was asked for frame end
		each, left := max(FrameCost, s.copies(here)), b.left()
		for end < len(b.Frames) && (end-done)*each < left {
			c.forward(s, b, next, end)
			if asked = !here.Equal(next); asked {
				break
			}
			end++
		}
		b.spend((end - done) * each)
		done += c.carry(s, b, here, done, end, kick)
		if done < end {
			b.spend((done - end) * each)
			break
		}
		if !asked && done < len(b.Frames) {
			b.Spent = true
			break
		}
		here, next = next, here
	}
	return done
}

// sendAsked asks a policy that is a Batcher for many frames at once.
func (c *Conn) sendAsked(s *snapshot, b *Batch, kick bool) (done int) {
	for done < len(b.Frames) {
		answers, late := c.ask(s, b, done)
		for len(answers) > 0 {
			e, run := &answers[0], 1
			each, left := max(FrameCost, s.copies(e)), b.left()
			for run < len(answers) && run*each < left && e.Equal(&answers[run]) {
				run++
			}
			b.spend(run * each)
			n := c.carry(s, b, e, done, done+run, kick)
			done += n
			if n < run {
				b.spend((n - run) * each)
				return done
			}
			if b.left() <= 0 && done < len(b.Frames) {
				b.Spent = true
				return done
			}
			answers = answers[run:]
		}
		if late && (b.Budget != 0 || b.NoWait) && done < len(b.Frames) {
			b.Spent = true
			return done
		}
	}
	return done
}

// maxAsked is for how many frames a policy is asked at once.
const maxAsked = 64

// ask asks the stages of the port and then a Batcher for the egress of frames from the
// i-th on, and returns it of at least one. late: its time is used up.
func (c *Conn) ask(s *snapshot, b *Batch, i int) (answers []policy.Egress, late bool) {
	frames, why := c.passStages(b, i)
	for len(b.answers) < len(frames) {
		b.answers = append(b.answers, policy.Egress{})
	}
	answers = b.answers[:len(frames)]
	for k := range answers {
		answers[k].Reset()
		answers[k].SetLane(&b.lane)
	}
	if why != 0 {
		answers[0].Drop(why)
		if len(s.mirrors) > 0 {
			s.mirror(c.port, &answers[0])
		}
		return answers, false
	}
	done := min(max(1, s.batcher.ForwardBatch(&b.lane, c.port, frames, answers)), len(frames))
	late = done < len(frames)
	for k := range answers[:done] {
		if _, super := frames[k].Offload(); super && answers[k].Splits() {
			if k == 0 {
				b.passed = i + b.Frames[i].WireFrames()
				b.Finish(i)
				return c.ask(s, b, i)
			}
			return answers[:k], false // and then those
		}
		if len(s.mirrors) > 0 {
			s.mirror(c.port, &answers[k])
		}
	}
	return answers[:done], late
}

// passStages returns the frames from the i-th on that pass the stages of the port, at
// most maxAsked, or the first of them and why it does not.
func (c *Conn) passStages(b *Batch, i int) (frames []frame.Frame, why frame.Drop) {
	frames = b.Frames[i:min(i+maxAsked, len(b.Frames))]
	if b.stages == nil {
		return frames, 0
	}
	for k := max(0, b.passed-i); k < len(frames); k++ {
		if why = b.stages.ingress(c, b.Behind, &frames[k]); why != 0 {
			if k > 0 {
				return frames[:k], 0
			}
			return frames[:1], why
		}
	}
	return frames, 0
}

// forward asks the stages of the port, and then the policy, for the egress e of
// frame i.
func (c *Conn) forward(s *snapshot, b *Batch, e *policy.Egress, i int) {
	e.Reset()
	why := frame.Drop(0)
	if b.stages != nil && i >= b.passed {
		why = b.stages.ingress(c, b.Behind, &b.Frames[i])
	}
	if why != 0 {
		e.Drop(why)
	} else if s.policy.Forward(c.port, &b.Frames[i], e); e.Splits() {
		if _, super := b.Frames[i].Offload(); super {
			b.passed = i + b.Frames[i].WireFrames()
			b.Finish(i)
			e.Reset()
			s.policy.Forward(c.port, &b.Frames[i], e)
		}
	}
	if len(s.mirrors) > 0 {
		s.mirror(c.port, e)
	}
}

// groups is how many groups of receivers get the frames of a run.
func groups(e *policy.Egress) int {
	if e.Flooded() {
		return 1
	}
	return len(e.Ports())
}

// group returns one of them, and the form in which it gets the frames. The port
// that they came by may be among them, and gets none.
func (s *snapshot) group(e *policy.Egress, k int) (receivers []*Conn, edit frame.Edit) {
	if e.Flooded() {
		return s.receivers, frame.Edit{}
	}
	return *e.Ports()[k].(*Port).receivers.Load(), e.Edit(k)
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

// carry takes b.Frames[i:j] to all receivers of the egress e and returns how
// many frames it carried.
func (c *Conn) carry(s *snapshot, b *Batch, e *policy.Egress, i, j int, kick bool) (n int) {
	if s.blocking {
		return c.deliverLossless(s, b, e, i, j, kick)
	}
	takers := 0
	for k := range groups(e) {
		receivers, edit := s.group(e, k)
		for _, to := range receivers {
			if to.port != c.port {
				if _, took := b.transmit(c.port, ranks, i, j, target{to, edit}, 0); took {
					takers++
				}
			}
		}
	}
	b.ReleaseVariants()
	c.finish(b, e, i, j, takers)
	return j - i
}

// target is a receiver, and the form in which it gets the frames.
type target struct {
	*Conn
	edit frame.Edit
}

// deliverLossless is for a network on which some receiver blocks: the frames go
// to all targets or, as far as they do not fit, to none.
func (c *Conn) deliverLossless(s *snapshot, b *Batch, e *policy.Egress, i, j int, kick bool) (n int) {
	b.targets, b.room = b.targets[:0], b.room[:0]
	for k := range groups(e) {
		receivers, edit := s.group(e, k)
		for _, to := range receivers {
			if to.port != c.port {
				b.targets = append(b.targets, target{to, edit})
			}
		}
	}
	n = j - i
	excess, takers := false, 0
	for _, to := range b.targets {
		got, all := 0, true
		if !b.Beyond || !to.hops {
			got, all = to.reserve(n)
		}
		if !all {
			excess = excess || len(b.room) > 0
			n = got
		}
		b.room = append(b.room, got)
		if n == 0 {
			b.full = to.Conn
			break
		}
	}
	for k := range b.room {
		if n == 0 {
			b.targets[k].unreserve(b.room[k])
		} else {
			eased, took := b.transmit(c.port, ranks, i, i+n, b.targets[k], b.room[k])
			excess = eased || excess
			if took {
				takers++
			}
		}
	}
	b.ReleaseVariants()
	c.finish(b, e, i, i+n, takers)
	clear(b.targets)
	if excess && kick {
		c.net.ease()
	}
	return n
}

// reserve promises up to n places in the queue, if c's senders wait for room,
// and returns how many, and whether c can be sent all n.
func (c *Conn) reserve(n int) (got int, all bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.overflow != BlockSender || c.gone.Load() {
		return 0, true
	}
	got = max(0, min(n, c.limit-c.q.Len()-c.reserved))
	c.reserved += got
	return got, got == n
}

func (c *Conn) unreserve(n int) {
	c.mu.Lock()
	c.reserved -= n
	c.mu.Unlock()
}

// transmit gives frames i to j, which came by port in, to a receiver in the form
// it wants, by way of the stages of its port below a rank.
func (b *Batch) transmit(in *Port, below Rank, i, j int, to target, reserved int) (eased, took bool) {
	out := &b.Batch
	if plain := b.Offloads() && !to.offload; plain || to.edit != (frame.Edit{}) {
		out = b.Variant(i, j, to.edit, plain)
		i, j = 0, len(out.Frames)
	}
	if all := to.stages.Load(); all != nil {
		return to.offerThrough(all, in, below, out, i, j, reserved)
	}
	return to.offer(out, i, j, reserved)
}

// offer gives b.Frames[i:j] to c: to its endpoint if that takes them at once,
// else to its queue, else they are dropped as the overflow setting says.
// reserved places were promised to this call before. eased tells whether that
// was all the room there was and some of it is free again: others may wait.
// took is false if c has gone: to the sender it is no receiver.
func (c *Conn) offer(b *frame.Batch, i, j, reserved int) (eased, took bool) {
	c.mu.Lock()
	wasFull := reserved > 0 && c.fullLocked()
	if j > i+1 && (c.tooLong(b, i, j) || c.tooFar(b, i, j)) && !c.gone.Load() { // one by one
		each := min(reserved, 1)
		c.reserved -= reserved - each*(j-i)
		c.mu.Unlock()
		for ; i < j; i++ {
			more, one := c.offer(b, i, i+1, each)
			eased, took = eased || more, took || one
		}
		return eased || wasFull, took
	}
	c.reserved -= reserved
	if c.gone.Load() {
		c.mu.Unlock()
		return false, false
	}
	if c.tooLong(b, i, j) {
		c.got.offered++
		c.got.drops[dropTooLong]++
		c.net.showLost(c.port, b, i, j, dropNames[dropTooLong])
		if ep, ok := c.ep.(Oversized); ok {
			ep.Oversize(&b.Frames[i], int(c.maxLen.Load()))
		}
		c.mu.Unlock()
		return wasFull, true
	}
	if c.tooFar(b, i, j) {
		c.got.barred[frame.DropLoop]++
		c.net.showLost(c.port, b, i, j, frame.DropLoop.String())
		c.mu.Unlock()
		return wasFull, true
	}
	c.got.offered += uint64(j - i)
	var claimed int
	var token uint64
	wasEmpty := c.q.Len() == 0
	if wasEmpty {
		claimed, token = c.ep.Claim(b, i, j)
		for k := i; k < i+claimed; k++ {
			c.got.deliveredBytes += uint64(b.Frames[k].Len())
		}
		c.got.delivered += uint64(claimed)
	}
	overflowed := c.enqueueLocked(b, i+claimed, j, reserved)
	wake := wasEmpty && c.q.Len() > 0
	eased = wasFull && !c.fullLocked()
	c.mu.Unlock()

	if claimed > 0 {
		c.ep.Emit(b, i, i+claimed, token)
	}
	if wake {
		c.ep.Wake()
	}
	if overflowed {
		c.net.evict(c, "overflow")
	}
	return eased, true
}

// enqueueLocked queues b.Frames[k:j] and tells whether c must be disconnected.
//
// +checklocks:c.mu
func (c *Conn) enqueueLocked(b *frame.Batch, k, j, reserved int) (overflowed bool) {
	for ; k < j; k++ {
		if c.q.Len() >= c.limit && reserved == 0 && c.overflow != DropOld {
			c.got.drops[dropFull] += uint64(j - k)
			c.net.showLost(c.port, b, k, j, dropNames[dropFull])
			return c.overflow == Disconnect
		}
		for c.q.Len() >= c.limit && reserved == 0 {
			c.net.showDisplaced(c.port, c.q.Peek(0))
			oldest := c.q.Pop()
			oldest.Release()
			c.got.drops[dropOldest]++
		}
		f, ok := b.Keep(c.net.mem, k)
		if ok && !c.q.Push(f) {
			f.Release()
			ok = false
		}
		if !ok {
			c.got.drops[dropMemory] += uint64(j - k)
			c.net.showLost(c.port, b, k, j, dropNames[dropMemory])
			return false
		}
	}
	return false
}

// tooLong tells whether a frame of b.Frames[i:j] is longer than the endpoint
// can take.
func (c *Conn) tooLong(b *frame.Batch, i, j int) bool {
	maxLen := int(c.maxLen.Load())
	for k := i; maxLen != 0 && k < j; k++ {
		if b.Frames[k].Exceeds(maxLen, c.freeTags) {
			return true
		}
	}
	return false
}

// tooFar tells whether a frame of b.Frames[i:j] has passed as many cables as it may, and
// the endpoint is one more.
func (c *Conn) tooFar(b *frame.Batch, i, j int) bool {
	for k := i; c.hops && k < j; k++ {
		if b.Frames[k].Hops() >= frame.MaxHops {
			return true
		}
	}
	return false
}

// finish counts b.Frames[i:j], of which so many receivers got a copy, and shows them
// to the observers. What a stage holds it gets.
func (c *Conn) finish(b *Batch, e *policy.Egress, i, j, takers int) {
	if i == j {
		return
	}
	if b.Behind == 0 {
		c.count(b, i, j)
	}
	why := e.Dropped()
	if why&heldBy != 0 {
		for ; i < j; i++ {
			c.hold(b.stages, why, In, &b.Batch, i)
		}
		return
	}
	c.net.showCarried(c.port, &b.Batch, i, j, e)
	switch {
	case why != 0:
		c.out.barred[why].Add(uint64(j - i))
	case takers == 0:
		c.out.nobody.Add(uint64(j - i))
	}
}

func (c *Conn) count(b *Batch, i, j int) {
	bytes := 0
	for k := i; k < j; k++ {
		bytes += b.Frames[k].Len()
	}
	c.out.frames.Add(uint64(j - i))
	c.out.bytes.Add(uint64(bytes))
}

// settle does what the policy asked for while it forwarded.
func (c *Conn) settle(b *Batch) {
	if b.NoWait {
		c.net.settleSoon()
	} else {
		c.net.settle()
	}
}
