package vde

import (
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// datagrams is the driver of a datagram socket that is connected to a client's.
type datagrams struct {
	fd      int
	mute    bool // what he sends is dropped: he has no right to
	control *os.File
	left    func()

	in, out lane.Messages
}

var _ lane.Driver = (*datagrams)(nil)

// Read is lane.Driver's. An empty datagram means nothing: libvdeplug sends one
// before it hangs up.
func (d *datagrams) Read(t *lane.Turn, room int) (frames int, err error) {
	d.in.Prepare(t, room)
	messages, errno := d.in.Receive(d.fd, room)
	if errno != 0 {
		return 0, errno
	}
	for i := range messages {
		m := &messages[i]
		switch {
		case m.Len == 0:
		case d.mute:
			t.Drop(frame.DropFiltered, int(m.Len))
		case m.Flags&unix.MSG_TRUNC != 0:
			t.Refused()
		default:
			t.Batch.AddPlain(t.Buffer(i)[:m.Len])
		}
	}
	return len(messages), nil
}

// Write is lane.Driver's. A client who does not read makes the rest wait; one whose
// socket has gone, or is connected to another by now, is no port any more.
func (d *datagrams) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	return d.out.Write(t, d.fd, frames)
}

// Close is lane.Driver's.
func (d *datagrams) Close() {
	unix.Close(d.fd)
	d.control.Close()
	d.left()
}
