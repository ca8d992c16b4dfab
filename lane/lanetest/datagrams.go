package lanetest

import (
	"io"

	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// Datagrams is the driver of a connected socket that carries a frame a message,
// of which none is empty: all that the author of a cable writes.
type Datagrams struct{ FD int }

var _ lane.Driver = Datagrams{}

// Source makes it one of an endpoint.
func (d Datagrams) Source() lane.Source { return lane.Source{FD: d.FD, Driver: d} }

// Read is lane.Driver's.
func (d Datagrams) Read(t *lane.Turn, room int) (frames int, err error) {
	for ; frames < room; frames++ {
		n, err := unix.Read(d.FD, t.Buffer(frames))
		switch {
		case err != nil:
			return frames, err
		case n == 0: // the far end hung up
			return frames, io.EOF
		}
		t.Batch.AddPlain(t.Buffer(frames)[:n])
	}
	return frames, nil
}

// Write is lane.Driver's.
func (d Datagrams) Write(_ *lane.Turn, frames []frame.Frame) (taken int, err error) {
	for ; taken < len(frames); taken++ {
		if _, err := unix.Write(d.FD, frames[taken].Data()); err != nil {
			return taken, err
		}
	}
	return taken, nil
}

// Close is lane.Driver's.
func (d Datagrams) Close() { _ = unix.Close(d.FD) }
