package lane

import "ipnfs/bus"

// carry sends what is in b, and holds what could not be sent: the rest of a turn
// that was too long, for the next one, and what the network makes wait, until it
// does not. It returns how many frames went.
func (s *source) carry(b *bus.Batch) (sent int) {
	conn := s.ep.conn
	sent = conn.Send(b)
	switch {
	case sent == len(b.Frames) || conn.Gone():
		if s.held != nil {
			s.held.Batch.Reset()
			s.held = nil
		}
		return sent
	case s.held == nil:
		held := &bus.Parked{Conn: conn, Resume: func(bool) { s.lane.post(s) }}
		if !held.Take(b, sent) {
			return sent // for want of memory they are lost
		}
		held.Batch.Budget, held.Batch.NoWait = b.Budget, true
		s.held = held
	default:
		b.Discard(sent)
	}
	if b.Spent && sent > 0 {
		s.lane.queue(s)
	} else {
		s.park()
	}
	return sent
}

// park leaves what is held to the network, and reads nothing before it is sent:
// a network that makes senders wait makes an interface's own queue fill.
func (s *source) park() {
	s.parked = true
	s.held.Batch.Budget = 0
	s.want(0, in)
	// Who retries what is parked sends for others, too, on this goroutine: not
	// within a turn.
	go s.held.Park()
}

// unpark is the turn after what was parked was sent, or the port has gone.
func (s *source) unpark() {
	s.held, s.parked = nil, false
	s.tellCarried()
	s.want(in, 0)
	s.readMore()
}
