package nats

import (
	"errors"
	"time"

	client "github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/cable"
	"ipnfs/lane"
	"ipnfs/lane/stream"
)

// link is a connection to a server, and its driver.
type link struct {
	dialer  *dialer
	conn    *client.Conn
	wire    *wire
	direct  string // the subject of this node
	charged int

	in  *inbox // nil, as out, if there was no memory for them
	out *outbox

	written chan struct{} // closed when the writer has ended

	// The rest is Read's.

	item   item
	parser stream.Parser
}

var _ lane.Driver = (*link)(nil)

// open makes l of a connection to a server.
func (l *link) open(w *wire, server string, patience time.Duration) (_ *cable.Link, err error) {
	l.wire = w
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	most := int(min(w.most, maxMessage))
	if most < firstLen {
		return nil, fail.Errorf(fail.Unsupported, "the server takes messages of %d bytes at most: a cable needs %d", most, firstLen)
	}
	if err := l.prepare(most); err != nil {
		return nil, err
	}
	if err := l.connect(server, patience); err != nil {
		return nil, err
	}
	k := &cable.Link{Peer: server, MaxLen: most - headerLen - frame.Hops4.HeadLen()}
	k.FD, k.OutFD, k.Driver, k.Bulk = l.in.ready, l.out.room, l, true
	l.conn.SetClosedHandler(func(c *client.Conn) { l.dialer.plug.Broken(k, ended(c.LastError())) })
	if err := l.join(patience); err != nil {
		return nil, err
	}
	go l.write(k)
	return k, nil
}

// connect has nats.go speak to the server.
func (l *link) connect(server string, patience time.Duration) (err error) {
	o := client.GetDefaultOptions()
	o.Url = "nats://" + server
	o.Name = "ipnfs"
	o.Timeout = patience
	o.AllowReconnect = false
	o.IgnoreDiscoveredServers = true
	o.SkipHostLookup = true
	o.NoEcho = true
	o.PingInterval, o.MaxPingsOut = pingEvery, 2
	o.FlusherTimeout = stuckAfter
	o.ReconnectOnFlusherError = true // which closes it
	o.NoCallbacksAfterClientClose = true
	o.CustomDialer = &single{l.wire}
	o.AsyncErrorCB = l.complain
	if who := l.dialer.secret.who; who != nil {
		if err := who(&o); err != nil {
			return err
		}
	}
	l.conn, err = o.Connect()
	return err
}

// prepare gets memory and descriptors, for messages of so many bytes at most.
func (l *link) prepare(most int) error {
	m := l.dialer.memory()
	if !m.ChargeTable(linkCost) {
		return fail.Errorf(fail.NoMemory, "there is no memory for the connection: see mem")
	}
	l.charged = linkCost
	ready, err := eventfd(0)
	if err != nil {
		return err
	}
	room, err := eventfd(1)
	if err != nil {
		_ = unix.Close(ready)
		return err
	}
	l.in, l.out = newInbox(m, ready), newOutbox(m, most, room)
	return nil
}

// join subscribes, and waits until the server has agreed. What is published meanwhile
// comes to nobody, and tells whether one may: a message to all would cost as many as
// there are members.
func (l *link) join(patience time.Duration) error {
	none := make(chan *client.Msg, 1) // as the wire takes messages before
	for _, subject := range []string{l.direct, l.dialer.all.subject} {
		if _, err := l.conn.ChanSubscribe(subject, none); err != nil {
			return err
		}
	}
	if err := l.conn.Publish(l.direct, nil); err != nil {
		return err
	}
	if err := l.conn.FlushTimeout(patience); err != nil {
		return errors.Join(l.conn.LastError(), err)
	}
	return l.conn.LastError()
}

// ended is why nats.go closed a connection.
func ended(err error) error {
	if err == nil {
		err = client.ErrConnectionClosed
	}
	return fail.Errorf(fail.Gone, "%s", plain(err))
}

// complain is told of what the server does not like and closes no connection for.
func (l *link) complain(_ *client.Conn, _ *client.Subscription, err error) {
	l.dialer.plug.Tell(fail.Errorf(fail.Denied, "%s", plain(err)))
}

// block is taker's.
func (l *link) block(subject []byte, size int) *frame.Block {
	if size <= headerLen || !l.ours(subject) {
		return nil
	}
	return l.in.block(size)
}

// ours tells whether a subject is one that is listened to.
func (l *link) ours(subject []byte) bool {
	return string(subject) == l.dialer.all.subject || string(subject) == l.direct
}

// message is taker's.
func (l *link) message(subject []byte, b *frame.Block, message []byte, size int) {
	d := l.dialer
	h, frames, ok := parse(message, size)
	if ok = ok && l.ours(subject); ok {
		switch d.guard.admit(d.memory(), h, string(subject) == l.direct) {
		case lies:
			ok = false
		case fresh:
			if b != nil {
				l.in.push(item{block: b, at: headerLen, frames: frames, sender: h.sender})
				return
			}
			d.slow.Add(int64(h.frames))
		}
	}
	if !ok {
		d.plug.Conn().CountDrop(frame.DropMalformed, size)
	}
	if b != nil {
		b.Release()
	}
}

// Read is lane.Driver's.
func (l *link) Read(t *lane.Turn, room int) (frames int, err error) {
	for frames < room {
		if len(l.item.frames) == 0 {
			l.drop()
			var ok bool
			if l.item, ok = l.in.take(); !ok {
				return frames, unix.EAGAIN
			}
			l.parser = stream.Parser{Form: frame.Hops4, Net: l.dialer.plug.Network()}
		}
		i := &l.item
		before := len(t.Batch.Frames)
		n, used, _ := l.parser.ParseBlock(t, i.block, i.at, i.frames, room-frames)
		l.dialer.learn(t.Batch.Frames[before:], i.sender)
		i.frames, i.at = i.frames[used:], i.at+used
		frames += n
	}
	return frames, lane.ErrMore
}

// drop gives back the message that was read.
func (l *link) drop() {
	if l.item.block != nil {
		l.item.block.Release()
		l.item = item{}
	}
}

// Write is lane.Driver's.
func (l *link) Write(t *lane.Turn, frames []frame.Frame) (taken int, err error) {
	d, o := l.dialer, l.out
	o.mu.Lock()
	defer o.mu.Unlock()
	switching := d.switching()
	if switching {
		d.table.mu.Lock()
		defer d.table.mu.Unlock()
	}
	for ; taken < len(frames); taken++ {
		f, to := &frames[taken], &d.all
		if switching {
			if n := d.table.findLocked(f.Data()); n != nil { // +checklocksforce: switching
				to = n
			}
		}
		switch o.addLocked(to, f) {
		case lost:
			t.Lost(f)
		case later:
			return taken, unix.EAGAIN
		}
	}
	return taken, nil
}

// write publishes what is in the outbox, until the end. It is the link's writer.
func (l *link) write(k *cable.Link) {
	defer close(l.written)
	for m := l.out.next(); m != nil; m = l.out.next() {
		if err := l.publish(m); err != nil {
			l.dialer.plug.Broken(k, ended(err))
			return
		}
	}
}

// publish sends a message. What does not get there leaves a gap for others to see.
func (l *link) publish(m *message) error {
	d, to := l.dialer, m.to
	h := header{frames: m.frames, sender: d.id}
	if to != &d.all && !to.begun {
		// It may have been forgotten, and known to the other side by an earlier stream.
		to.begun, to.sequence = true, d.published
		h.flags = firstOfStream
	}
	h.sequence = to.sequence
	h.put(m.buf)
	to.sequence += uint64(m.frames)
	d.published += uint64(m.frames)
	err := l.conn.Publish(to.subject, m.buf)
	l.out.done(m)
	return err
}

// Close is lane.Driver's.
func (l *link) Close() {
	l.wire.socket.Close() // nobody waits there any more
	frames, bytes := l.out.close()
	<-l.written
	l.release()
	if frames > 0 {
		l.dialer.plug.Conn().Lost(frames, bytes)
	}
}

// release gives back what open took.
func (l *link) release() {
	if l.conn != nil {
		l.conn.Close()
	}
	if l.in != nil {
		l.drop()
		l.in.close()
		_ = unix.Close(l.out.room)
	}
	l.dialer.memory().RefundTable(l.charged)
}
