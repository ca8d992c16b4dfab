package ipn

import (
	"runtime"
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// ferry carries what did not cross at once: a goroutine that is there while there is
// such. Users take turns, so that he who has many cables gets no more, and then the halves
// of a user.
var ferry = schedule{of: map[uint32]*passengers{}}

type schedule struct {
	mu sync.Mutex
	// +checklocks:mu
	turns []*passengers // whose turn is next; each user stands here once
	// +checklocks:mu
	of map[uint32]*passengers
	// +checklocks:mu
	running bool
}

// passengers are the halves of a user that are to have a turn.
type passengers struct {
	user   uint32
	halves []*half
}

// turn is what the ferry has at hand.
type turn struct {
	taken  frame.Batch // from a queue, with their references
	batch  bus.Batch
	budget int // copies
}

// post gives h a turn. It takes no other lock.
func (s *schedule) post(h *half) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.posted {
		return
	}
	h.posted = true
	p := s.of[h.user]
	if p == nil {
		p = &passengers{user: h.user}
		s.of[h.user] = p
		s.turns = append(s.turns, p)
	}
	p.halves = append(p.halves, h)
	if !s.running {
		s.running = true
		go s.run()
	}
}

// next returns the half whose turn it is, or nil: there is none, and the ferry ends.
func (s *schedule) next() *half {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.turns) == 0 {
		s.running = false
		return nil
	}
	p := s.turns[0]
	s.turns = s.turns[1:]
	h := p.halves[0]
	p.halves = p.halves[1:]
	if len(p.halves) > 0 {
		s.turns = append(s.turns, p)
	} else {
		delete(s.of, p.user)
	}
	h.posted = false
	return h
}

// run gives way after each turn: where it has the only processor, those who read frames
// shall not wait for more.
func (s *schedule) run() {
	t := &turn{batch: bus.Batch{Beyond: true, NoWait: true}}
	for h := s.next(); h != nil; h = s.next() {
		h.goOn(t)
		runtime.Gosched()
	}
}
