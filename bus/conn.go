package bus

import (
	"sync"
	"sync/atomic"
	"time"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Endpoint is what is attached to a port: an open file, a tap, a socket. It
// brings frames by Conn.Send, in batches, and takes them by these calls. From
// within one of them it must not Park or Cancel, nor send: but in Emit it may send into
// another network what it got, as far as Batch.Onward goes (Batch.Beyond). A way that
// comes back to the first network is no harm, as what Onward allows is used up.
type Endpoint interface {
	// Attach is the first call, from within Join, before any frame can come.
	Attach(c *Conn)

	// Claim is asked, with the Conn locked and nothing queued, how many of
	// b.Frames[i:j], from the first on, the endpoint takes now, without
	// waiting. What it claims it gets by Emit with the same token.
	Claim(b *frame.Batch, i, j int) (n int, token uint64)

	// Emit hands over b.Frames[i:j], which Claim promised to take; they are
	// lent. No lock is held. It must not block.
	Emit(b *frame.Batch, i, j int, token uint64)

	// Wake says that frames were queued where none were, or that a send that
	// had to wait may go on. No lock is held. It must not block.
	Wake()

	// Gone says that the Conn was taken off its network: what is queued may
	// still be received, Send fails. No lock is held. It must not block.
	Gone()
}

// Oversized is an Endpoint that wants to know of frames that are longer than it can
// take, and are dropped.
type Oversized interface {
	Endpoint
	// Oversize tells of one, with the Conn locked: it is lent, and no more than so many
	// bytes would fit. It must neither block nor allocate.
	Oversize(f *frame.Frame, longest int)
}

// Resizer is an Endpoint that is told of changes of the network's mtu, in bytes. The
// network's lock is held.
type Resizer interface {
	Endpoint
	Resize(mtu int)
}

// Info tells who stands behind a Conn.
type Info struct {
	Kind     string // "port", "stream", "tap", "grab", later "cable"...
	Detail   string // what it is behind, such as an interface's name
	UID, GID uint32
	PID      uint32 // process id, 0 if it cannot be known
	Comm     string // the command's name
	Since    time.Time
}

// Conn is one attached endpoint: its rights, its queue of frames to receive,
// its counters.
type Conn struct {
	net  *Network
	port *Port
	ep   Endpoint
	info Info

	recv     bool
	send     bool
	offload  bool         // takes super-frames
	maxLen   atomic.Int64 // longest frame in bytes the endpoint can take; 0: any
	freeTags frame.Tags   // JoinOptions.FreeTags
	hops     bool         // JoinOptions.Hops

	// Guarded by Network.mu.
	closed   bool // Close or Leave was called
	detached bool // is off its port
	linkDown bool

	gone    atomic.Bool // no frame comes or goes any more; set under mu
	wantOut atomic.Bool // Wake when a send need not wait any more

	stages atomic.Pointer[stages] // of its port; nil: none
	out    *sending               // never nil

	mu sync.Mutex
	// +checklocks:mu
	q frame.Queue
	// +checklocks:mu
	limit int // frames that may be queued
	// +checklocks:mu
	overflow Overflow
	// +checklocks:mu
	reserved int // places in the queue promised to senders (BlockSender)
	// +checklocks:mu
	eased bool // a full queue under BlockSender got room: tell on Unlock
	// +checklocks:mu
	got counters
	// +checklocks:mu
	counted bool // got is in the network's departed
}

// Port returns the port that the connection belongs to.
func (c *Conn) Port() *Port { return c.port }

// Network returns the network of the connection.
func (c *Conn) Network() *Network { return c.net }

// CanReceive tells whether the endpoint has the right to receive.
func (c *Conn) CanReceive() bool { return c.recv }

// CanSend tells whether the endpoint has the right to send.
func (c *Conn) CanSend() bool { return c.send }

// Lock and Unlock guard the queue for the methods that end in Locked and for
// the endpoint's own state that Claim uses.
//
// +checklocksacquire:c.mu
func (c *Conn) Lock() { c.mu.Lock() }

// Unlock ends Lock. If room was made in a queue on which senders wait, they
// go on from here.
//
// +checklocksrelease:c.mu
func (c *Conn) Unlock() {
	eased := c.eased
	c.eased = false
	c.mu.Unlock()
	if eased {
		c.net.ease()
	}
}

// QueuedLocked returns the number of frames waiting.
//
// +checklocks:c.mu
func (c *Conn) QueuedLocked() int { return c.q.Len() }

// PeekLocked returns the i-th oldest frame waiting; it stays in the queue.
//
// +checklocks:c.mu
func (c *Conn) PeekLocked(i int) *frame.Frame { return c.q.Peek(i) }

// PopLocked takes the oldest frame out, as delivered; the caller releases it.
//
// +checklocks:c.mu
func (c *Conn) PopLocked() frame.Frame {
	if c.overflow == BlockSender && c.fullLocked() {
		c.eased = true
	}
	f := c.q.Pop()
	c.got.delivered++
	c.got.deliveredBytes += uint64(f.Len())
	return f
}

// Gone tells whether the connection is off its network.
func (c *Conn) Gone() bool { return c.gone.Load() }

// CountRefused counts a frame that was refused to the sender's face, for
// being too long; it never entered.
func (c *Conn) CountRefused() { c.out.refused.Add(1) }

// CountDrop counts a frame of so many bytes that the endpoint brought and
// that is dropped at the door: as sent, as every frame that a port brings, and
// as dropped.
func (c *Conn) CountDrop(why frame.Drop, bytes int) {
	c.out.frames.Add(1)
	c.out.bytes.Add(uint64(bytes))
	c.out.barred[why].Add(1)
}

// CountNoMemory counts a frame of so many bytes that the endpoint brought and for
// which there is no memory: as sent, and as lost at this connection.
func (c *Conn) CountNoMemory(bytes int) {
	c.out.frames.Add(1)
	c.out.bytes.Add(uint64(bytes))
	c.lostUnqueued(1)
}

// Lost says that n frames of so many bytes, claimed or popped, did not reach what
// is behind the endpoint.
func (c *Conn) Lost(n, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.got.delivered < uint64(n) { // the counters were reset meanwhile
		return
	}
	c.got.drops[dropDevice] += uint64(n)
	c.got.delivered -= uint64(n)
	c.got.deliveredBytes -= min(uint64(bytes), c.got.deliveredBytes)
}

// Return gives back frames i to j of b, claimed or popped, that could not go on now:
// they are the oldest that wait, in order, even if there is no room for so many. For
// want of memory they are lost. It wakes nobody.
func (c *Conn) Return(b *frame.Batch, i, j int) {
	first, kept := b.Keep(c.net.mem, i) // with all that follow, if they lie in one piece
	c.mu.Lock()
	defer c.mu.Unlock()
	for k := j - 1; k >= i && !c.counted; k-- {
		if c.got.delivered > 0 {
			c.got.delivered--
			c.got.deliveredBytes -= min(uint64(b.Frames[k].Len()), c.got.deliveredBytes)
		} else { // the counters were reset meanwhile
			c.got.offered++
		}
		f, ok := b.Keep(c.net.mem, k)
		if ok && !c.q.PushFront(f) {
			f.Release()
			ok = false
		}
		if !ok {
			c.got.drops[dropMemory]++
			c.net.showLost(c.port, b, k, k+1, dropNames[dropMemory])
		}
	}
	if kept {
		first.Release()
	}
}

// lostUnqueued counts n frames that were meant for c, and that wait nowhere as
// there is no memory.
func (c *Conn) lostUnqueued(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got.offered += uint64(n)
	c.got.drops[dropMemory] += uint64(n)
}

// SetLink says whether frames pass the endpoint, such as whether its interface
// is up and has a carrier. Until it is called, they do. The thread does not
// wait for work under the network's lock.
func (c *Conn) SetLink(up bool) {
	n := c.net
	link := func() {
		changed := c.linkDown == up
		c.linkDown = !up
		if l, ok := n.policy.(policy.Linker); ok && changed && !c.detached { // +checklocksignore: n.mu is held
			l.Link(c.port)
		}
	}
	if !n.tryLock() {
		n.post(link)
		return
	}
	link()
	n.mu.Unlock() // +checklocksforce: tryLock took it
	n.afterSoon()
}

// countFull counts a frame for which there was no room before it came here.
func (c *Conn) countFull() {
	c.mu.Lock()
	c.got.offered++
	c.got.drops[dropFull]++
	c.mu.Unlock()
}

// SetMaxLen changes JoinOptions.MaxLen.
func (c *Conn) SetMaxLen(bytes int) { c.maxLen.Store(int64(bytes)) }

// fullLocked tells whether no place is left in the queue.
//
// +checklocks:c.mu
func (c *Conn) fullLocked() bool { return c.q.Len()+c.reserved >= c.limit }

// blocks tells whether a send to c would have to wait now.
func (c *Conn) blocks() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.overflow == BlockSender && !c.gone.Load() && c.fullLocked()
}

// configure sets queue length and overflow; under Network.mu.
func (c *Conn) configure(limit int, overflow Overflow) {
	c.mu.Lock()
	c.limit, c.overflow = limit, overflow
	c.mu.Unlock()
}
