package seq

import (
	"io"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// packets is the driver of a connection.
type packets struct {
	fd      int
	in, out lane.Messages
}

var _ lane.Driver = (*packets)(nil)

func (p *packets) source() lane.Source { return lane.Source{FD: p.fd, Driver: p} }

// Read is lane.Driver's. Descriptors that come with a message are closed by the kernel,
// as there is no room for them.
func (p *packets) Read(t *lane.Turn, room int) (frames int, err error) {
	p.in.Prepare(t, room)
	messages, errno := p.in.Receive(p.fd, room)
	if errno != 0 {
		return 0, errno
	}
	empty := false
	for i := range messages {
		m := &messages[i]
		switch {
		case m.Len == 0:
			empty = true // or the end
		case m.Flags&unix.MSG_TRUNC != 0:
			t.Refused()
		default:
			t.Batch.AddPlain(t.Buffer(i)[:m.Len])
		}
	}
	if empty && lane.Ended(p.fd) {
		return len(messages), io.EOF
	}
	return len(messages), nil
}

// Write is lane.Driver's.
func (p *packets) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	return p.out.Write(t, p.fd, frames)
}

// Close is lane.Driver's.
func (p *packets) Close() { _ = unix.Close(p.fd) }
