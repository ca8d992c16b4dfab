package device

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
)

// Kind is what a Device reads from and writes to.
type Kind int

// The kinds.
const (
	Tap    Kind = iota // /dev/net/tun queues with IFF_VNET_HDR
	Packet             // an AF_PACKET socket with PACKET_VNET_HDR and PACKET_AUXDATA
)

// Config describes a device. Descriptors are non-blocking.
type Config struct {
	Kind Kind
	// Fds are the queues of a tap, or one bound packet socket. The device
	// owns them if Start succeeds.
	Fds []int
	// MTU is the interface's, in bytes: frames that go out and do not fit it are
	// lost. One that is to be cut counts as what it is cut to.
	MTU int
	// Join says which port, and how it is set up; the rights and what frames
	// may be are the device's own.
	Join bus.JoinOptions
	// Ended is called once if the port ended otherwise than by Close: it was
	// removed, or what is behind the descriptors vanished. They are closed
	// then. It must not call Close. A packet socket cannot tell an interface
	// that was deleted from one that is down: its owner has to watch it.
	Ended func(reason string)
}

// Device is a port of a network whose frames come from and go to the kernel.
type Device struct {
	kind   Kind
	conn   *bus.Conn
	queues []*queue
	ended  func(string)

	ending atomic.Bool
	done   chan struct{} // closed at the end

	mu sync.RWMutex // held for reading while frames are written
	// +checklocks:mu
	closed bool
}

var _ bus.Endpoint = (*Device)(nil)

// Start makes the descriptors a port of n, which sends and receives.
func Start(n *bus.Network, c Config) (*Device, error) {
	d := &Device{kind: c.Kind, ended: c.Ended, done: make(chan struct{})}
	for _, fd := range c.Fds {
		d.queues = append(d.queues, &queue{dev: d, fd: fd, burst: 1})
	}
	for i, q := range d.queues {
		var err error
		if q.loop, err = acquireLoop(); err != nil {
			for _, before := range d.queues[:i] {
				before.loop.release()
			}
			return nil, fail.Errorf(fail.NoSpace, "no event loop for the device: %v", err)
		}
	}
	join := c.Join
	join.Recv, join.Send, join.Offload = true, true, true
	join.MaxLen, join.FreeTags = c.Kind.fits(c.MTU)
	if _, err := n.Join(d, join); err != nil {
		for _, q := range d.queues {
			q.loop.release()
		}
		return nil, err
	}
	for _, q := range d.queues {
		q.mu.Lock()
		var err error
		if !q.closed { // the port may have been removed already
			err = q.loop.watch(q)
		}
		q.mu.Unlock()
		if err != nil {
			d.fail("cannot be watched: " + err.Error())
			break
		}
	}
	return d, nil
}

// Port returns the device's port.
func (d *Device) Port() *bus.Port { return d.conn.Port() }

// SetLink says whether the interface can pass frames: it is up and has a
// carrier.
func (d *Device) SetLink(up bool) { d.conn.SetLink(up) }

// SetMTU changes Config.MTU.
func (d *Device) SetMTU(bytes int) {
	maxLen, _ := d.kind.fits(bytes)
	d.conn.SetMaxLen(maxLen)
}

// fits tells the longest frame in bytes that may go out of an interface, and
// the outermost tag that does not count. A tap takes what the kernel's bridge
// would forward to it: the header, payload and room for a tag, while the frame's
// own outermost tag is apart (is_skb_forwardable). A packet socket takes the
// header, the payload and one tag of 802.1Q (packet_snd).
func (k Kind) fits(mtu int) (maxLen int, freeTags frame.Tags) {
	switch {
	case mtu == 0: // any
		return 0, 0
	case k == Packet:
		return minFrame + mtu, frame.CTag
	}
	return minFrame + tagLen + mtu, frame.CTag | frame.STag
}

// Close takes the device off its network and closes the descriptors. No call
// of Ended comes after it.
func (d *Device) Close() {
	if d.ending.CompareAndSwap(false, true) {
		d.conn.Close()
		d.release()
		close(d.done)
	}
	<-d.done
}

// fail ends the device from within its own or the network's calls. It does not
// wait for anything: a queue that is being served may have called it.
func (d *Device) fail(reason string) {
	if !d.ending.CompareAndSwap(false, true) {
		return
	}
	go func() {
		d.conn.Close()
		d.release()
		if d.ended != nil {
			d.ended(reason)
		}
		close(d.done)
	}()
}

// release gives back descriptors and loops.
func (d *Device) release() {
	for _, q := range d.queues {
		q.mu.Lock()
		q.close()
		q.mu.Unlock()
	}
	d.mu.Lock()
	d.closed = true
	for _, q := range d.queues {
		_ = unix.Close(q.fd)
	}
	d.mu.Unlock()
	for _, q := range d.queues {
		q.loop.release()
	}
}

// Attach is bus.Endpoint's.
func (d *Device) Attach(c *bus.Conn) { d.conn = c }

// Claim takes all: the kernel takes or drops what is written at once.
func (d *Device) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Wake has nothing to tell: no frame ever waits for a device.
func (d *Device) Wake() {}

// Gone ends the device; it is off its network.
func (d *Device) Gone() { d.fail("removed") }
