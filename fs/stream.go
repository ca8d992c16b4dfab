package fs

import (
	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/fs/devfuse"
)

// stream is an open stream: frames each behind a 2-byte big-endian length
// (VDE's stream form), as many in a call as fit, in both directions. Sending
// is in streamsend.go.
type stream struct {
	door
	part part // of a frame that a write(2) left unfinished
}

var _ bus.Endpoint = (*stream)(nil)

// maxStreamRead is the most bytes one READ is answered with: less than the
// kernel asks for in one piece of a large read(2), so that an answer always
// is a short read and ends it.
const maxStreamRead = frame.MaxFrame

// answer gives r as many whole frames as fit, or, if not even one does, the
// beginning of one, whose rest comes first next time. It unlocks.
//
// +checklocksrelease:s.conn.mu
// +checklocksignore: the deferred call is looked at with the lock held
func (s *stream) answer(r devfuse.Reply, size int) {
	size = min(size, maxStreamRead)
	g := newGather()
	defer g.free()
	if s.rest != nil && !s.takeRest(g, size) {
		// A part of the rest is all that fits; see port.answer on the lock.
		g.reply(r)
		s.conn.Unlock()
		return
	}
	for s.conn.QueuedLocked() > 0 && g.fits(s.conn.PeekLocked(0), size) {
		g.take(s.conn.PopLocked())
	}
	if g.size == 0 { // not even one frame: its beginning
		s.rest = &rest{frame: s.conn.PopLocked()}
		s.takeRest(g, size)
		g.reply(r)
		s.conn.Unlock()
		return
	}
	s.conn.Unlock()
	g.reply(r)
}

// takeRest adds what fits of rest and tells whether that was all of it.
//
// +checklocks:s.conn.mu
func (s *stream) takeRest(g *gather, size int) bool {
	f := &s.rest.frame
	left := f.Len() + frame.LengthPrefix - s.rest.used
	n := min(size, left)
	g.addPart(f, s.rest.used, n)
	s.rest.used += n
	if n < left {
		return false
	}
	g.keep(*f)
	s.rest = nil
	return true
}

// Claim takes the frames that fit a READ that waits.
//
// +checklocks:s.conn.mu
func (s *stream) Claim(b *frame.Batch, i, j int) (int, uint64) {
	if len(s.waiters) == 0 {
		return 0, 0
	}
	most := maxPieces / 2 // a length and the data
	if _, ok := b.Frames[i].Prefixed(); ok {
		most = maxPieces
	}
	size, n := min(s.waiters[0].size, maxStreamRead), 0
	for ; i+n < j && n < most; n++ {
		size -= b.Frames[i+n].Len() + frame.LengthPrefix
		if size < 0 {
			break
		}
	}
	if n == 0 {
		return 0, 0
	}
	return n, s.waiters.pop().unique
}

// Emit answers the READ that Claim took out, in one piece if the frames came
// as one.
func (s *stream) Emit(b *frame.Batch, i, j int, token uint64) {
	g := newGather()
	defer g.free()
	for k := i; k < j; k++ {
		f := &b.Frames[k]
		g.addPart(f, 0, f.Len()+frame.LengthPrefix)
	}
	g.reply(s.fs.dev.Reply(token))
}

// Release leaves the network. At the end of the mount a write may still go on,
// on another thread: then forget ends the part.
func (s *stream) Release() {
	s.door.Release()
	s.conn.Lock()
	s.closed = true
	busy := len(s.sends) > 0
	s.conn.Unlock()
	if !busy {
		s.part.reset()
	}
}
