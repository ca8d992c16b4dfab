package vdeplug

import (
	"os"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// Datagrams is the driver of a datagram socket that is connected to its peer's. It owns
// the socket.
type Datagrams struct {
	FD   int
	Mute bool // what the peer sends is dropped: he has no right to
	// Closed is called once, when the socket is closed.
	Closed func()

	in, out lane.Messages
}

var _ lane.Driver = (*Datagrams)(nil)

// Source returns d as a source of a lane.
func (d *Datagrams) Source() lane.Source { return lane.Source{FD: d.FD, Driver: d} }

// Read is lane.Driver's. An empty datagram means nothing: libvdeplug sends one
// before it hangs up.
func (d *Datagrams) Read(t *lane.Turn, room int) (frames int, err error) {
	d.in.Prepare(t, room)
	messages, errno := d.in.Receive(d.FD, room)
	if errno != 0 {
		return 0, errno
	}
	for i := range messages {
		m := &messages[i]
		switch {
		case m.Len == 0:
		case d.Mute:
			t.Drop(frame.DropFiltered, int(m.Len))
		case m.Flags&unix.MSG_TRUNC != 0:
			t.Refused()
		default:
			t.Batch.AddPlain(t.Buffer(i)[:m.Len])
		}
	}
	return len(messages), nil
}

// Write is lane.Driver's. A peer who does not read makes the rest wait; one whose
// socket has gone, or is connected to another by now, is no peer any more.
func (d *Datagrams) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	return d.out.Write(t, d.FD, frames)
}

// Close is lane.Driver's.
func (d *Datagrams) Close() {
	_ = unix.Close(d.FD)
	d.Closed()
}

// sendRoom is the memory in bytes for datagrams that a peer has not read, as
// SO_SNDBUF is told; the kernel takes twice as much, for what it needs beside the
// frames. With less, a peer loses many whenever another one is faster.
const sendRoom = 256 << 10

// MakeRoom gives fd sendRoom, or what this process may have (net.core.wmem_max). It
// returns the length in bytes of the longest datagram that can be sent then
// (unix_dgram_sendmsg).
func MakeRoom(fd int) (longest int, err error) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendRoom) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, sendRoom)
	}
	room, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	return room - 32, os.NewSyscallError("getsockopt", err)
}
