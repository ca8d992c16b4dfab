package fs

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/fs/devfuse"
)

// port is an open port: a write(2) is a frame, a read(2) is a frame. See
// doc.go for the path of a frame.
type port struct{ door }

var _ bus.Endpoint = (*port)(nil)

// Write sends one frame. A piece of a write that the kernel had to split
// (offset is not 0, or as long as a request can be) is part of a frame over
// any mtu.
func (p *port) Write(r devfuse.Reply, data []byte, offset int64, nonblock bool) {
	c := p.conn
	if offset > 0 || len(data) > c.Network().MTU() {
		c.CountRefused()
		r.Error(unix.EMSGSIZE)
		return
	}
	if c.Network().Reach() > maxReach {
		p.goOn(r, data, nonblock)
		return
	}
	b := &p.fs.batch
	b.SetFrame(data)
	b.NoWait = true
	sent := c.Send(b)
	b.Reset()
	switch {
	case sent == 1:
		r.Written(len(data))
	case c.Gone():
		r.Error(unix.ECONNRESET)
	case b.Spent:
		p.goOn(r, data, nonblock)
	case nonblock:
		p.again()
		r.Error(unix.EAGAIN)
	default:
		p.wait(r, data)
	}
}

// goOn sends as toil.
func (p *port) goOn(r devfuse.Reply, data []byte, nonblock bool) {
	s := &send{door: &p.door, reply: r, total: len(data)}
	if !s.copy(data) {
		r.Error(unix.ENOBUFS)
		return
	}
	s.Resume = s.finish
	s.enlist(false)
	s.Batch.NoWait = true
	p.toil(s, nonblock)
}

// toil sends s when it is its network's turn.
func (p *port) toil(s *send, nonblock bool) {
	p.fs.toil.add(s.Conn.Network(), func() {
		if s.stopped() {
			return
		}
		s.Batch.SetFrame(s.data)
		sent := s.Conn.Send(&s.Batch)
		switch {
		case sent == 1 || s.Conn.Gone():
			s.Batch.Reset()
			s.finish(sent == 1)
		case s.Batch.Spent: // the network is being changed
			s.Batch.Reset()
			p.toil(s, nonblock)
		case nonblock:
			s.Batch.Reset()
			p.again()
			s.forget()
			s.reply.Error(unix.EAGAIN)
		default:
			s.parkAgain()
		}
	})
}

// wait lets a send wait until its receivers have room.
func (p *port) wait(r devfuse.Reply, data []byte) {
	s := &send{door: &p.door, reply: r, total: len(data)}
	if !s.copy(data) {
		r.Error(unix.ENOBUFS)
		return
	}
	s.Batch.SetFrame(s.data)
	s.Resume = s.finish
	s.enlist(false)
	s.Park()
}

// answer gives r one frame: the oldest one queued, or the next part of one that
// was too long for the buffer before. It unlocks. A part goes out under the lock, since another reader may use up the rest.
//
// +checklocksrelease:p.conn.mu
func (p *port) answer(r devfuse.Reply, size int) {
	if p.rest == nil {
		f := p.conn.PopLocked()
		if f.Len() <= size {
			p.conn.Unlock()
			r.Data(f.Data())
			f.Release()
			return
		}
		p.rest = &rest{frame: f}
	}
	data := p.rest.frame.Data()[p.rest.used:]
	n := min(size, len(data))
	r.Data(data[:n])
	p.rest.used += n
	if n == len(data) {
		p.rest.frame.Release()
		p.rest = nil
	}
	p.conn.Unlock()
}

// Claim takes one frame if a READ waits that has room for it.
//
// +checklocks:p.conn.mu
func (p *port) Claim(b *frame.Batch, i, _ int) (int, uint64) {
	token, ok := p.claim(b.Frames[i].Len())
	if !ok {
		return 0, 0
	}
	return 1, token
}

// Emit answers the READ that Claim took out.
func (p *port) Emit(b *frame.Batch, i, _ int, token uint64) {
	p.fs.dev.Reply(token).Data(b.Frames[i].Data())
}
