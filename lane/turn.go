package lane

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
)

// MaxBurst is the most frames that one Read is asked for.
const MaxBurst = 32

// FrameRoom is the length of a Buffer in bytes. The most that a descriptor gives
// is a packet of BIG TCP: 512 KiB (GSO_MAX_SIZE), with its headers.
const FrameRoom = 512<<10 + 4<<10

// Turn is what a thread lends to the driver that it calls: one goroutine uses
// it. The memory is the thread's, whatever source has its turn, and what stands
// there is void after the turn.
type Turn struct {
	// Batch takes the frames that Read brings. Only a lane's Turn has use for it.
	Batch bus.Batch
	// Iovecs is for pieces of frames, two for each of a burst. Who uses them
	// clears them, as they keep what they point to.
	Iovecs [2 * MaxBurst]unix.Iovec
	// Spare is memory for frames that are made anew. Append to it, from length 0
	// in each Read, and store it: it grows to what is needed.
	Spare []byte

	ring    *Ring  // nil: the kernel has or allows none
	buffers []byte // MaxBurst times FrameRoom; nil: not a lane's
	conn    *bus.Conn
	frames  [MaxBurst]frame.Frame // on their way out of a queue

	lost, lostBytes int
}

// Buffer returns the i-th place of MaxBurst for a frame, for Read. It is outside
// of Go's heap, and the kernel gives memory for the part that is used.
func (t *Turn) Buffer(i int) []byte { return t.buffers[i*FrameRoom : (i+1)*FrameRoom] }

// Ring returns what carries many reads or writes in one call, or nil: the
// kernel has or allows none, or the thread is no lane.
func (t *Turn) Ring() *Ring {
	if t.ring == nil || t.ring.broken {
		return nil
	}
	return t.ring
}

// Drop counts a frame of so many bytes that Read brings and that does not enter
// the network.
func (t *Turn) Drop(why frame.Drop, bytes int) { t.conn.CountDrop(why, bytes) }

// Refused counts a frame that Read brings and that is over the network's mtu.
func (t *Turn) Refused() { t.conn.CountRefused() }

// NoMemory counts a frame of so many bytes that Read brings and for which the
// network has no memory.
func (t *Turn) NoMemory(bytes int) { t.conn.CountNoMemory(bytes) }

// Lost counts a frame that Write takes and that does not reach the far end.
func (t *Turn) Lost(f *frame.Frame) {
	t.lost++
	t.lostBytes += f.Len()
}

// write lets a driver write, and tells how many of the frames that it took are lost.
func (t *Turn) write(d Driver, frames []frame.Frame) (taken, lost, bytes int, err error) {
	t.lost, t.lostBytes = 0, 0
	taken, err = d.Write(t, frames)
	return taken, t.lost, t.lostBytes, err
}

// strangers are for threads that write and are no lanes.
var strangers = sync.Pool{New: func() any { return new(Turn) }}

// turnOf returns what the thread that carries b has at hand. A stranger's goes back
// to strangers.
func turnOf(b *frame.Batch) (t *Turn, stranger bool) {
	if t, ok := b.Scratch.(*Turn); ok {
		return t, false
	}
	return strangers.Get().(*Turn), true
}

func newTurn() (*Turn, error) {
	buffers, err := mapBuffers()
	if err != nil {
		return nil, err
	}
	t := &Turn{buffers: buffers}
	t.ring, _ = newRing() // without one, a call a frame
	t.Batch.Scratch = t
	t.Batch.NoWait = true
	return t, nil
}

func (t *Turn) close() {
	if t.ring != nil {
		t.ring.close()
	}
	_ = unix.Munmap(t.buffers)
}

// mapBuffers gets the memory of Turn.Buffer, of which none is used yet.
func mapBuffers() ([]byte, error) {
	b, err := unix.Mmap(-1, 0, MaxBurst*FrameRoom, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	_ = unix.Madvise(b, unix.MADV_NOHUGEPAGE) // of a page that is used it shall not give 2 MiB
	return b, nil
}
