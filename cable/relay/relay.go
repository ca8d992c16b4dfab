// Package relay is the end of a cable whose bytes no descriptor brings, such as those of
// TLS: goroutines read and write the connection, and a lane reads and writes them.
//
//   - hello.go: what both ends say first.
//   - relay.go: the goroutines and their end. input.go, output.go: what lies between them
//     and the lane.
//
// # The path of a frame
//
// In: a goroutine reads the connection into a buffer of the relay, and makes an eventfd
// readable. The lane parses the frames where they lie and lends them to the bus.
//
// Out: the lane copies frames and their heads to a buffer. A goroutine takes the whole
// buffer as soon as it is free, and writes it: a frame leaves at once when there is
// little to do, and many in one piece when there is much. When the buffer is full, frames
// wait in the queue of their port, until another eventfd says that there is room.
//
// No call of the lane waits for the connection. Nothing is allocated for a frame, and
// the clock is not read for one.
package relay

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/stream"
)

// form is what stands in front of each frame.
const form = frame.Hops4

// A peer that has said nothing for silence ticks is taken for dead. An empty frame is
// sent in each tick in which nothing else was. Ticks that a process slept through do not
// count, nor do changes of the clock.
const silence = 3

var tick = 5 * time.Second

var errSilent = errors.New("the other end has said nothing for 15 s")

// Config describes a relay.
type Config struct {
	// Conn is the connection. Its Close must end a Read and a Write that wait, at
	// once. The relay owns it.
	Conn io.ReadWriteCloser
	// Net is the network that the frames come to: its mtu counts, and buffers are
	// charged to it.
	Net *bus.Network
	// Peer is the longest frame in bytes that the other end takes.
	Peer int
}

// Relay is the driver of a connection.
type Relay struct {
	conn    io.ReadWriteCloser
	net     *bus.Network
	cost    int // bytes charged
	longest int

	in   input
	out  output
	ends chan struct{} // closed by Close
	all  sync.WaitGroup

	mu sync.Mutex
	// +checklocks:mu
	err error // why the connection has ended
}

var _ lane.Driver = (*Relay)(nil)

// New returns the relay of a connection. It owns the connection if it succeeds.
func New(c Config) (*Relay, error) {
	longest := max(chunk, form.HeadLen()+c.Net.MTU())
	r := &Relay{
		conn: c.Conn, net: c.Net, ends: make(chan struct{}), longest: min(longest-form.HeadLen(), c.Peer),
		cost: blocks*(longest+chunk) + 2*longest,
	}
	if !c.Net.Memory().ChargeTable(r.cost) {
		return nil, fail.Errorf(fail.NoMemory, "there is no memory for its buffers: see mem")
	}
	var fds [2]int
	for i := range fds {
		var err error
		if fds[i], err = unix.Eventfd(uint(i), unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			if i > 0 {
				_ = unix.Close(fds[0])
			}
			c.Net.Memory().RefundTable(r.cost)
			return nil, os.NewSyscallError("eventfd", err)
		}
	}
	r.in.init(fds[0], longest, stream.Parser{Form: form, Net: c.Net})
	r.out.init(fds[1], longest)
	r.all.Go(func() { r.fail(r.in.bring(c.Conn)) })
	r.all.Go(func() { r.fail(r.out.take(c.Conn)) })
	r.all.Go(r.watch)
	return r, nil
}

// Source returns the relay as a source of a lane.
func (r *Relay) Source() lane.Source {
	return lane.Source{FD: r.in.event, OutFD: r.out.event, Driver: r, Bulk: true}
}

// MaxLen is the longest frame in bytes that may leave.
func (r *Relay) MaxLen() int { return r.longest }

// watch sees to it that each end hears the other, until the relay has ended.
func (r *Relay) watch() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for quiet := 0; ; {
		select {
		case <-r.ends:
			return
		case <-ticker.C:
		}
		r.out.keepAlive()
		if quiet++; r.in.heard.Swap(false) {
			quiet = 0
		}
		if quiet >= silence {
			r.fail(errSilent)
			return
		}
	}
}

// fail ends the connection for a reason, of which the first counts, and has the lane
// called to learn it.
func (r *Relay) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err = err
	}
	r.mu.Unlock()
	_ = r.conn.Close()
	r.in.end()
	r.out.end()
}

func (r *Relay) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Read is lane.Driver's.
func (r *Relay) Read(t *lane.Turn, room int) (frames int, err error) {
	frames, over, err := r.in.parse(t, room)
	if over {
		err = r.failed()
	}
	return frames, err
}

// Write is lane.Driver's.
func (r *Relay) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	taken, over, err := r.out.put(t, frames)
	if over {
		err = r.failed()
	}
	return taken, err
}

// Close is lane.Driver's. The connection is closed, so nobody makes it wait.
func (r *Relay) Close() {
	close(r.ends)
	r.fail(os.ErrClosed)
	r.all.Wait()
	_ = unix.Close(r.in.event)
	_ = unix.Close(r.out.event)
	r.net.Memory().RefundTable(r.cost)
}

// one is what is written to an eventfd.
var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// raise makes an eventfd readable.
func raise(fd int) { _, _ = unix.Write(fd, one) }

// lower makes it unreadable. buf is of 8 bytes.
func lower(fd int, buf []byte) { _, _ = unix.Read(fd, buf) }
