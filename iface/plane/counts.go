package plane

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Counts are what went by a port since it was made. Bytes are those of frames with
// their tags; a super-frame is one frame.
type Counts struct {
	In, InBytes           uint64 // forwarded from the host
	Out, OutBytes         uint64 // forwarded to the host's end, which may not have taken all
	Overrun, OverrunBytes uint64 // from the host, lost since the daemon did not keep up
	Lost                  uint64 // to the host's end, the daemon's own included, and not taken by it
}

// Counts tells what went by. Lost is asked of the kernel; when the device has gone it is
// what was known last, and all that it cannot have taken.
func (p *Port) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.final
	}
	p.look()
	c, sent := p.sum()
	c.Lost = p.last.dropped
	if p.gone {
		// A frame that the device has cut counts there as many.
		c.Lost = max(c.Lost, c.Out+sent-min(p.last.taken, c.Out+sent))
	}
	return c
}

// sum adds up what the program has counted; sent is what it got of the process.
func (p *Port) sum() (c Counts, sent uint64) {
	m := p.plane.maps
	cells := m.counts.cells[p.slot*m.cpus : (p.slot+1)*m.cpus]
	for i := range cells {
		cell := &cells[i]
		c.In += cell.in.Load()
		c.InBytes += cell.inBytes.Load()
		c.Out += cell.out.Load()
		c.OutBytes += cell.outBytes.Load()
		c.Overrun += cell.overrun.Load()
		c.OverrunBytes += cell.overrunBytes.Load()
		sent += cell.sent.Load()
	}
	return c, sent
}

// look brings last up to date.
//
// +checklocks:p.mu
func (p *Port) look() {
	if p.gone {
		return
	}
	switch now, err := p.plane.news.ask(p.Index()); {
	case err == nil:
		p.last = now
		return
	case !errors.Is(err, unix.ENODEV):
		return // it may be told the next time
	}
	p.gone = true
	if last, told := p.plane.news.last(p.Index()); told {
		p.last = last
		return
	}
	// What the kernel told is lost: so the device took all until now.
	c, sent := p.sum()
	p.last.taken = c.Out + sent - min(p.last.dropped, c.Out+sent)
}
