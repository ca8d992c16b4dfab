package udp

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/udp"
)

// minFrame is the length in bytes of an ethernet header.
const minFrame = 14

// link is the driver of a connected socket. Read and Write use different fields.
type link struct {
	fd   int
	path *udp.Path

	in     udp.Receiver
	pace   udp.Pace
	frames [][]byte // of a run

	out  udp.Writer
	peer []udp.Addr // the one that the socket is connected to
}

var (
	_ lane.Driver = (*link)(nil)
	_ udp.Router  = (*link)(nil)
)

// Read is lane.Driver's.
func (k *link) Read(t *lane.Turn, room int) (frames int, err error) {
	runs, err := k.in.Receive(t, k.fd, k.pace.Runs(room))
	if err != nil {
		shorter, err := k.in.Heard(k.fd, err)
		if shorter {
			k.path.Stale()
		}
		return 0, err
	}
	t.Spare = t.Spare[:0]
	for i := range runs {
		frames += udp.Add(t, k.open(t, &runs[i]), udp.Wire{})
	}
	k.pace.Note(len(runs), frames)
	return max(frames, len(runs)), nil
}

// open takes the frames out of a run.
func (k *link) open(t *lane.Turn, run *udp.Run) [][]byte {
	k.frames = k.frames[:0]
	for more := true; more; more = len(run.Data) > 0 {
		switch d := run.Next(); {
		case run.Cut || len(d) < minFrame:
			t.Drop(frame.DropMalformed, len(d))
		default:
			k.frames = append(k.frames, d)
		}
	}
	return k.frames
}

// Write is lane.Driver's.
func (k *link) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	taken, err = k.out.Write(t, k.fd, frames, k)
	if k.out.TooLong {
		k.out.TooLong = false
		k.path.Stale()
	}
	return taken, err
}

// Route is udp.Router's.
func (k *link) Route([]byte) (to []udp.Addr, tos uint8) { return k.peer, 0 }

// Close is lane.Driver's.
func (k *link) Close() {
	k.path.Close()
	k.close()
}

func (k *link) close() { _ = unix.Close(k.fd) }
