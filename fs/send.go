package fs

import (
	"slices"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/fs/devfuse"
)

// send is a WRITE that waits for room in a full receiver (overflow is block).
// Its bytes are copied and its thread is free.
//
// +checklocksalias:Parked.Conn.mu=door.conn.mu
type send struct {
	bus.Parked
	door  *door
	reply devfuse.Reply

	block *frame.Block // holds data
	data  []byte       // what is left to send
	taken int          // bytes of the write that are sent
	total int          // bytes of the write

	// behind: an earlier send of the same stream waits.
	// +checklocks:door.conn.mu
	behind bool
	// interrupted: the caller has a signal.
	// +checklocks:door.conn.mu
	interrupted bool
	// In a stream, what the parked batch covers: the first used bytes of data,
	// or the frame that an earlier write left unfinished and this one ended.
	used     int
	fromPart bool
	// part is the stream's unfinished frame, nil in a port, and filled how
	// many bytes of this write finished it last.
	part   *part
	filled int
}

// copy takes data over from the request buffer, or returns false if the
// mount's memory is used up.
func (s *send) copy(data []byte) bool {
	s.Conn = s.door.conn
	if s.block = s.Conn.Network().Memory().Block(len(data)); s.block == nil {
		return false
	}
	s.data = s.block.Bytes(len(data))
	copy(s.data, data)
	return true
}

// enlist makes s known to Interrupt. If wanted, s comes behind what waits
// already, and enlist tells whether there is such.
func (s *send) enlist(behind bool) bool {
	s.Conn.Lock()
	defer s.Conn.Unlock()
	s.behind = behind && len(s.door.sends) > 0
	s.door.sends = append(s.door.sends, s)
	return s.behind
}

// forget ends s: the answer is the caller's business. From then on another write
// may be at work on the stream's part. If none can come, the part ends with s.
func (s *send) forget() {
	s.giveBack()
	s.Conn.Lock()
	if i := slices.Index(s.door.sends, s); i >= 0 {
		s.door.sends = slices.Delete(s.door.sends, i, i+1)
	}
	last := s.part != nil && s.door.closed && len(s.door.sends) == 0
	s.Conn.Unlock()
	if last {
		s.part.reset()
	}
	s.block.Release()
}

// finish ends a send of which all was sent, or the rest never will be.
func (s *send) finish(sent bool) {
	s.forget()
	if sent {
		s.reply.Written(s.total)
	} else {
		s.addSent()
		s.answer(unix.ECONNRESET)
	}
}

// advance notes that n bytes of the write are dealt with.
func (s *send) advance(n int) {
	s.data = s.data[n:]
	s.taken += n
}

// addSent notes what went of a parked batch before its waiting ended.
func (s *send) addSent() {
	if !s.fromPart {
		s.advance(s.Sent)
	}
	s.Sent = 0
}

// giveBack undoes what this write added to an unfinished frame, if that became
// whole and was not sent: the caller keeps these bytes, or else the frame would
// wait for a write that may never come.
func (s *send) giveBack() {
	if s.filled > 0 && s.part.whole() {
		s.part.giveBack(s.filled)
		s.taken -= s.filled
	}
	s.filled = 0
}

// answer tells what was sent, or errno if that was nothing.
func (s *send) answer(errno unix.Errno) {
	s.giveBack()
	if s.taken > 0 {
		s.reply.Written(s.taken)
	} else {
		s.reply.Error(errno)
	}
}

// interrupt ends the waiting. If s is going on right now, on another thread,
// it ends by itself, or sees the mark when it has to wait once more.
func (s *send) interrupt() {
	s.Conn.Lock()
	s.interrupted = true
	behind := s.behind
	if i := slices.Index(s.door.sends, s); behind && i >= 0 {
		s.door.sends = slices.Delete(s.door.sends, i, i+1)
	} else {
		behind = false
	}
	s.Conn.Unlock()
	switch {
	case behind:
		s.block.Release()
		s.reply.Error(unix.EINTR)
	case s.Cancel():
		s.addSent()
		s.forget()
		s.answer(unix.EINTR)
		s.door.sendNext()
	}
}

// step goes on with s as toil, by way of Resume.
func (s *send) step() {
	if !s.stopped() {
		s.Resume(true)
	}
}

// stopped ends s, of which nothing is parked, if its caller has a signal.
func (s *send) stopped() bool {
	s.Conn.Lock()
	interrupted := s.interrupted
	s.Conn.Unlock()
	if interrupted {
		s.forget()
		s.answer(unix.EINTR)
		s.door.sendNext()
	}
	return interrupted
}

// parkAgain lets s wait once more.
func (s *send) parkAgain() {
	s.Park()
	s.Conn.Lock()
	interrupted := s.interrupted
	s.Conn.Unlock()
	if interrupted {
		s.interrupt()
	}
}

// sendNext starts the send of a stream that waited behind another.
func (d *door) sendNext() {
	d.conn.Lock()
	var next *send
	if len(d.sends) > 0 && d.sends[0].behind { // +checklocksignore: its door is d
		next = d.sends[0]
		next.behind = false // +checklocksignore: as above
	}
	d.conn.Unlock()
	if next != nil {
		next.Resume(true)
	}
}
