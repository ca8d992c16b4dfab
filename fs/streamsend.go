package fs

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/fs/devfuse"
)

// part is the beginning of a frame that a write(2) on a stream left
// unfinished: its length, as far as it came, then the frame in stream form.
type part struct {
	head  [frame.LengthPrefix]byte
	have  int          // bytes that came
	block *frame.Block // from the moment the length is known
}

// errnos of part.fill and stream.run; 0: all was taken.
const (
	blocked  = unix.EAGAIN
	tooLong  = unix.EMSGSIZE
	noMemory = unix.ENOBUFS
	spent    = unix.EBUSY // as much as one turn may do
)

// need is the length of the frame in stream form, once that is known.
func (p *part) need() int { return frame.LengthPrefix + int(binary.BigEndian.Uint16(p.head[:])) }

func (p *part) whole() bool { return p.block != nil && p.have == p.need() }

func (p *part) bytes() []byte { return p.block.Bytes(p.have) }

// fill takes of data what belongs to the frame, and returns how much. If it
// cannot, it takes nothing.
func (p *part) fill(m *frame.Memory, data []byte, mtu int) (int, unix.Errno) {
	taken := 0
	if p.block == nil {
		head := p.head
		taken = copy(head[p.have:], data)
		if p.have+taken == frame.LengthPrefix {
			n := int(binary.BigEndian.Uint16(head[:]))
			if n > mtu {
				return 0, tooLong
			}
			if p.block = m.Block(frame.LengthPrefix + n); p.block == nil {
				return 0, noMemory
			}
			copy(p.block.Bytes(frame.LengthPrefix), head[:])
		}
		p.head = head
		p.have += taken
	}
	if p.block != nil {
		n := copy(p.block.Bytes(p.need())[p.have:], data[taken:])
		p.have += n
		taken += n
	}
	return taken, 0
}

// giveBack undoes the last n bytes of fill.
func (p *part) giveBack(n int) {
	p.have -= n
	if p.have < frame.LengthPrefix {
		p.block.Release()
		p.block = nil
	}
}

func (p *part) reset() {
	if p.block != nil {
		p.block.Release()
	}
	*p = part{}
}

// Write sends the frames in data. Whatever the split of the bytes over calls,
// a frame goes on when its last byte has come. A write stops in front of a
// frame over the mtu: what came before is sent and counted as written, and a
// write that begins with such a frame fails with EMSGSIZE.
func (s *stream) Write(r devfuse.Reply, data []byte, _ int64, nonblock bool) {
	c := s.conn
	if c.Gone() {
		r.Error(unix.ECONNRESET)
		return
	}
	c.Lock()
	behind := len(s.sends) > 0
	c.Unlock()
	w := send{door: &s.door, reply: r, data: data, total: len(data), part: &s.part}
	errno := blocked
	switch {
	case behind:
	case c.Network().Reach() > maxReach:
		errno = spent
	default:
		if errno = s.run(&w, &s.fs.batch); errno == 0 {
			r.Written(len(data))
			return
		}
	}
	switch {
	case c.Gone():
	case errno == blocked && !nonblock:
		s.wait(&w, behind)
		return
	case errno == spent && !(nonblock && w.taken > 0):
		s.goOn(&w)
		return
	}
	if errno == blocked {
		s.again()
	}
	s.stopped(&w, errno)
}

// stopped answers a write that could not be finished.
func (s *stream) stopped(w *send, errno unix.Errno) {
	if s.conn.Gone() {
		errno = unix.ECONNRESET
	}
	if errno == tooLong && w.taken == 0 {
		s.conn.CountRefused()
	}
	w.answer(errno)
}

// run sends what it can of w.data, using the batch b, and returns 0 if that
// was all. If it is blocked, what is left begins with the frame that waits,
// or s.part is that frame.
func (s *stream) run(w *send, b *bus.Batch) unix.Errno {
	c := s.conn
	defer b.Reset()
	b.Budget, b.NoWait = copyBudget, true
	for {
		mtu := c.Network().MTU()
		if s.part.whole() {
			b.SetStream(s.part.bytes(), frame.MaxPrefixed)
			if c.Send(b) < len(b.Frames) {
				return unsent(b)
			}
			b.Budget -= b.Made
			b.Reset()
			s.part.reset()
			w.filled = 0
		}
		switch {
		case len(w.data) == 0:
			return 0
		case b.Budget <= 0:
			return spent
		}
		used, long := 0, false
		if s.part.have == 0 {
			used, long = b.SetStream(w.data, mtu)
			if sent := c.Send(b); sent < len(b.Frames) {
				w.advance(b.Offset(sent))
				return unsent(b)
			}
			b.Budget -= b.Made
			w.advance(used)
		}
		if long {
			return tooLong
		}
		if used == 0 { // only the beginning of a frame is left
			n, errno := s.part.fill(c.Network().Memory(), w.data, mtu)
			if errno != 0 {
				return errno
			}
			w.advance(n)
			w.filled = n
		}
	}
}

// unsent is why not all of b was sent.
func unsent(b *bus.Batch) unix.Errno {
	if b.Spent {
		return spent
	}
	return blocked
}

// wait lets the rest of w wait, on a copy of it.
func (s *stream) wait(w *send, behind bool) {
	left := *w
	if !left.copy(w.data) {
		w.answer(noMemory)
		return
	}
	left.Resume = func(sent bool) { s.resume(&left, sent) }
	switch {
	case left.enlist(behind):
	case behind: // what was in front has gone meanwhile
		s.resume(&left, true)
	default:
		s.fillBatch(&left)
		left.parkAgain()
	}
}

// goOn lets the rest of w go on as toil, on a copy of it.
func (s *stream) goOn(w *send) {
	left := *w
	if !left.copy(w.data) {
		w.answer(noMemory)
		return
	}
	left.Resume = func(sent bool) { s.resume(&left, sent) }
	left.enlist(false)
	s.fs.toil.add(s.conn.Network(), left.step)
}

// fillBatch makes the batch of w what run was blocked on.
func (s *stream) fillBatch(w *send) {
	w.used, w.Sent, w.fromPart = 0, 0, s.part.whole()
	if w.fromPart {
		w.Batch.SetStream(s.part.bytes(), frame.MaxPrefixed)
		return
	}
	w.used, _ = w.Batch.SetStream(w.data, s.conn.Network().MTU())
}

// resume goes on with w, from whichever thread made room: its batch was sent,
// or never will be. A send that waited behind another begins here.
func (s *stream) resume(w *send, sent bool) {
	if !sent {
		w.finish(false)
		s.sendNext()
		return
	}
	if w.fromPart {
		s.part.reset()
		w.filled = 0
	}
	w.advance(w.used)
	w.used, w.fromPart = 0, false
	switch errno := s.run(w, &w.Batch); {
	case errno == 0:
		w.finish(true)
	case errno == blocked && !s.conn.Gone():
		w.Batch.Budget = 0
		s.fillBatch(w)
		w.parkAgain()
		return
	case errno == spent:
		s.fs.toil.add(s.conn.Network(), w.step)
		return
	default:
		w.forget()
		s.stopped(w, errno)
	}
	s.sendNext()
}
