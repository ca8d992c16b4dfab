package seq

import (
	"io"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// receive receives up to room messages.
func (p *peer) receive(t *lane.Turn, room int) (messages []lane.Message, errno unix.Errno) {
	p.first.prepare(&p.in.Prepare(t, room)[0].Msghdr)
	return p.in.Receive(p.fd, room)
}

// Read is lane.Driver's. Descriptors that come with a message that is not the first are
// closed by the kernel, as there is no room for them.
func (p *peer) Read(t *lane.Turn, room int) (frames int, err error) {
	messages, errno := p.receive(t, room)
	if errno != 0 {
		return 0, errno
	}
	if !p.first.came && p.first.arrived(&messages[0].Msghdr) {
		p.mute, messages[0].Len = true, 0 // a tap comes, and nothing else counts
	}
	empty := false
	for i := range messages {
		m := &messages[i]
		size := int(m.Len)
		switch {
		case size == 0:
			empty = true // or the end
		case p.mute:
			t.Drop(frame.DropFiltered, size)
		case m.Flags&unix.MSG_TRUNC != 0:
			t.Refused()
		default:
			t.Batch.AddPlain(t.Buffer(i)[:size])
		}
	}
	if empty && lane.Ended(p.fd) {
		return len(messages), io.EOF
	}
	return len(messages), nil
}

// Write is lane.Driver's.
func (p *peer) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	return p.out.Write(t, p.fd, frames)
}
