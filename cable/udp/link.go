package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/udp"
)

// minFrame is the length in bytes of an ethernet header.
const minFrame = 14

// linkCost is what a link takes in bytes.
const linkCost = int(unsafe.Sizeof(link{})) + udp.MaxFrames*int(unsafe.Sizeof([]byte{}))

// link is the driver of a connected socket. Read and Write use different fields.
type link struct {
	fd     int
	path   *udp.Path
	memory *frame.Memory // which is charged linkCost

	in     udp.Receiver
	pace   udp.Pace
	frames [][]byte // of the last runs

	out  udp.Writer
	peer []udp.Addr // the one that the socket is connected to
}

// newLink makes a link without a socket, for which m has room.
func newLink(m *frame.Memory) (*link, error) {
	if !m.ChargeTable(linkCost) {
		return nil, fail.Errorf(fail.NoMemory, "there is no memory for the socket: see mem")
	}
	return &link{fd: -1, memory: m, peer: make([]udp.Addr, 1)}, nil
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
	k.frames = k.frames[:0]
	for i := range runs {
		k.open(t, &runs[i])
	}
	t.Spare = t.Spare[:0]
	frames = udp.Add(t, k.frames, udp.Wire{})
	k.pace.Note(len(runs), frames)
	return max(frames, len(runs)), nil
}

// open takes the frames out of a run. The next run may go on where this one ends.
func (k *link) open(t *lane.Turn, run *udp.Run) {
	for more := true; more; more = len(run.Data) > 0 {
		switch d := run.Next(); {
		case run.Cut || len(d) < minFrame:
			t.Drop(frame.DropMalformed, len(d))
		default:
			k.frames = append(k.frames, d)
		}
	}
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

// close closes the socket, if there is one.
func (k *link) close() {
	if k.fd >= 0 {
		_ = unix.Close(k.fd)
	}
	k.memory.RefundTable(linkCost)
}
