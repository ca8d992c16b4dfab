package nats

import (
	"sync"

	"ipnfs/bus/frame"
)

// streamCost is what a stream of a sender takes in bytes, and maxStreams is how many
// are known: what others send passes unguarded.
const (
	streamCost = 192
	maxStreams = 16384
)

// maxGap is the most frames that one gap can be of. What claims more lies.
const maxGap = 1 << 32

// guard knows how far each sender has come, so that nothing comes twice and what did
// not come is counted. It outlives links: what was lost between two of them is counted
// as well.
type guard struct {
	own uint64 // this sender

	mu sync.Mutex
	// +checklocks:mu
	streams map[streamKey]*track
	// +checklocks:mu
	round uint32 // counts forget
	// +checklocks:mu
	lost, twice int64 // frames; messages
}

// streamKey names a stream that is heard: of a sender, to all or to this node.
type streamKey struct {
	sender uint64
	direct bool
}

// track is how far a sender has come.
type track struct {
	next  uint64 // the sequence that follows what came
	gaps  [4]gap // below it, the latest first
	heard uint32 // guard.round then
}

// gap is frames that did not come: from <= sequence < to.
type gap struct{ from, to uint64 }

// verdict is what a guard says of a message.
type verdict uint8

const (
	fresh verdict = iota
	again         // it came before, or is this sender's own
	lies          // no such sequence can be
)

// admit looks at the header of a message. Memory for a sender that is new is m's.
func (g *guard) admit(m *frame.Memory, h header, direct bool) verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.sender == g.own {
		g.twice++
		return again
	}
	key := streamKey{h.sender, direct}
	s := g.streams[key]
	if s == nil {
		if len(g.streams) >= maxStreams || !m.ChargeTable(streamCost) {
			return fresh
		}
		s = &track{next: h.sequence}
		g.streams[key] = s
	}
	s.heard = g.round
	v, lost := s.admit(h)
	g.lost += lost
	if v == again {
		g.twice++
	}
	return v
}

// admit tells also how many frames more are lost than were thought to be.
func (s *track) admit(h header) (v verdict, lost int64) {
	n := uint64(h.frames)
	switch {
	case h.sequence < s.next:
		if !s.fill(h.sequence, h.sequence+n) {
			return again, 0
		}
		return fresh, -int64(n)
	case h.sequence > s.next && h.flags&firstOfStream == 0:
		if h.sequence-s.next > maxGap {
			return lies, 0
		}
		lost = int64(h.sequence - s.next)
		s.note(gap{s.next, h.sequence})
	}
	s.next = h.sequence + n
	return fresh, lost
}

// note remembers a gap, and forgets the oldest.
func (s *track) note(g gap) {
	copy(s.gaps[1:], s.gaps[:])
	s.gaps[0] = g
}

// fill takes what came late out of the gap that it left.
func (s *track) fill(from, to uint64) bool {
	for i := range s.gaps {
		g := &s.gaps[i]
		if from == to || from < g.from || to > g.to {
			continue
		}
		rest := gap{to, g.to}
		g.to = from
		switch {
		case g.from == g.to:
			*g = rest
		case rest.from < rest.to:
			s.note(rest)
		}
		return true
	}
	return false
}

// forget forgets senders of whom nothing was heard for so many calls.
func (g *guard) forget(m *frame.Memory, calls uint32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.round++
	for key, s := range g.streams {
		if g.round-s.heard > calls {
			delete(g.streams, key)
			m.RefundTable(streamCost)
		}
	}
}

// clear forgets all senders.
func (g *guard) clear(m *frame.Memory) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.RefundTable(len(g.streams) * streamCost)
	clear(g.streams)
}

// counts tells how many frames were lost on the way, and how many messages were dropped
// as they had come before.
func (g *guard) counts() (lost, twice int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost, g.twice
}
