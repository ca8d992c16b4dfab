package lane

import (
	"errors"

	"ipnfs/bus/frame"
)

// Driver is what the author of a source writes: how frames are read from a
// descriptor and written to it. A lane does all else. None of its methods may
// block: the descriptor is non-blocking. A Read and a Write may be made at once, on
// two threads, but no two Reads, and no two Writes unless the endpoint is Lossy.
type Driver interface {
	// Read adds up to room frames to t.Batch, by AddPlain or AddVnet, or some more
	// if one call brings many, and returns how many it took from the descriptor,
	// those included that it gave up (t.Drop). Their bytes are lent until the next
	// call: t.Buffer is memory for them. Lengths, addresses and headers that it was
	// told are its to check; the network's mtu is not. It is called when the
	// descriptor may be read, or has hung up. An error of EAGAIN or EINTR says that
	// there was nothing more, ErrMore that there is, and any other ends the
	// endpoint; the frames read before it are carried.
	Read(t *Turn, room int) (frames int, err error)

	// Write takes frames, from the first on, without keeping their bytes, and
	// returns how many it took. Those that did not reach the far end, though
	// others may, it takes too, and says so (t.Lost). If it takes fewer than all,
	// the error is EAGAIN or nil, and the rest waits in the port's queue until
	// the descriptor may be written (Source.OutFD); or another one, which ends the
	// endpoint. EAGAIN with all taken says that a frame is cut, whose tail the driver
	// keeps: Write is called when the descriptor may be written, though it be without
	// frames.
	Write(t *Turn, frames []frame.Frame) (taken int, err error)

	// Close closes the descriptor. It is the last call, when all others have
	// returned, and comes once.
	Close()
}

// Source is a descriptor with its driver. epoll must know such descriptors.
type Source struct {
	FD int
	// OutFD is the descriptor that is readable when Write may find room, where FD
	// cannot tell by being writable; 0: FD does. OutWritable says that OutFD is
	// writable then, as the end of another pipe is.
	OutFD       int
	OutWritable bool
	Driver      Driver
	// Bulk says that it costs nothing to ask for more frames than there are, as those
	// of a stream, of which one call brings the bytes of all: bursts need not grow.
	Bulk bool
}

// Carrier is a Driver that wants to know when what it read has gone to all its
// receivers, or was dropped: how many frames that were, after each Read that brought some and
// before the next. What waits in a receiver's queue has gone.
type Carrier interface {
	Driver
	Carried(frames int)
}

// ErrMore is returned by a Read that has more frames at hand than room, of which
// its descriptor tells nothing, such as the rest of what it read from a pipe. Read
// is called again when others had their turn.
var ErrMore = errors.New("more frames are at hand")
