package relay

import (
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ipnfs/lane"
	"ipnfs/lane/stream"
)

// chunk is how many bytes a block takes from the connection, blocks how many blocks
// there are: one that the bus has, one to parse, one to fill. A block that has less room
// than least is full; a TLS record has 16 KiB (RFC 8446, 5.1).
const (
	chunk  = 64 << 10
	blocks = 3
	least  = 16 << 10
)

// input is what the connection has brought.
type input struct {
	event  int // readable while the lane has something to learn
	front  int // bytes that a block has in front for a frame that the one before cut
	parser stream.Parser
	heard  atomic.Bool // something came since it was last asked

	blocks [blocks]block
	first  int     // block of the lane's; it counts on, as last does
	buf    [8]byte // the lane's

	mu    sync.Mutex
	moved sync.Cond // last may go on, or it is over
	// The rest is guarded by mu.
	last   int // block that is being filled
	free   int // how many blocks the lane is done with: last is below free+blocks
	raised bool
	over   bool
}

// block is a piece of what came. Its bytes up to end are the lane's, those behind are
// who fills it.
type block struct {
	bytes []byte
	from  int // where what is not parsed begins; the lane's
	end   int // guarded by input.mu
}

func (in *input) init(event, front int, p stream.Parser) {
	in.event, in.front, in.parser = event, front, p
	in.moved.L = &in.mu
	for i := range in.blocks {
		in.blocks[i] = block{bytes: make([]byte, front+chunk), from: front, end: front}
	}
}

// bring reads the connection until that ends. It waits while all blocks are full: the
// peer does then, too.
func (in *input) bring(conn io.Reader) error {
	for {
		b := in.fill()
		if b == nil {
			return io.ErrClosedPipe
		}
		for end := in.front; len(b.bytes)-end >= least; {
			n, err := conn.Read(b.bytes[end:])
			end += n
			if n > 0 {
				in.publish(b, end)
			}
			if err != nil {
				return err
			}
		}
		in.mu.Lock()
		in.last++
		in.raise() // the lane may leave the block
		in.mu.Unlock()
	}
}

// fill waits until the last block may be filled; nil: it is over.
func (in *input) fill() *block {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.last >= in.free+blocks && !in.over {
		in.moved.Wait()
	}
	if in.over {
		return nil
	}
	return &in.blocks[in.last%blocks]
}

func (in *input) publish(b *block, end int) {
	in.heard.Store(true)
	in.mu.Lock()
	defer in.mu.Unlock()
	b.end = end
	in.raise()
}

// raise has the lane called. mu is held.
func (in *input) raise() {
	if !in.raised {
		in.raised = true
		raise(in.event)
	}
}

// end has the lane called to learn that it is over.
func (in *input) end() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.over = true
	in.moved.Signal()
	in.raise()
}

// parse is Relay.Read. over says that nothing more will come. What a call lends lies in
// one block, which is filled again after the next call at the earliest.
func (in *input) parse(t *lane.Turn, room int) (frames int, over bool, err error) {
	for {
		b := &in.blocks[in.first%blocks]
		in.mu.Lock()
		end := b.end
		in.mu.Unlock()
		n, used, err := in.parser.Parse(t, b.bytes[b.from:end], room-frames)
		b.from += used
		if frames += n; err != nil || frames >= room {
			return frames, false, err
		}
		in.mu.Lock()
		switch {
		case b.end > end: // meanwhile
			in.mu.Unlock()
			continue
		case in.last > in.first:
			in.mu.Unlock()
			if frames > 0 {
				return frames, false, nil // it is called again
			}
			in.next(t, b, end)
			continue
		case in.over:
			in.mu.Unlock()
			return frames, true, nil
		}
		in.raised = false
		lower(in.event, in.buf[:])
		in.mu.Unlock()
		return frames, false, unix.EAGAIN
	}
}

// next goes on to the block behind b, to whose front it moves the beginning of a frame
// with which b ends.
func (in *input) next(t *lane.Turn, b *block, end int) {
	in.first++
	to := &in.blocks[in.first%blocks]
	rest := b.bytes[b.from:end]
	if len(rest) > in.front { // the mtu has grown since
		in.parser.GiveUp(t, rest)
		_, used, _ := in.parser.Parse(t, rest, 0)
		rest = rest[used:]
	}
	to.from = in.front - len(rest)
	copy(to.bytes[to.from:], rest)
	in.mu.Lock()
	defer in.mu.Unlock()
	b.from, b.end = in.front, in.front
	in.free++
	in.moved.Signal()
}
