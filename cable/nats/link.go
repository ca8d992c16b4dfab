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

// maxUnread is how many messages may be in what is read at once: nats.go reads 32 KiB,
// and the smallest message of a cable takes 60 bytes.
const maxUnread = 1024

// link is a connection to a server, and its driver.
type link struct {
	dialer   *dialer
	conn     *client.Conn
	wire     *wire
	messages chan *client.Msg // that nats.go has parsed
	direct   *client.Subscription
	charged  int

	in  *inbox // nil, as out, before there is a connection
	out *outbox

	written chan struct{} // closed when the writer has ended

	// The rest is Read's.

	item   item
	parser stream.Parser
	done   int // cost of messages that were lent to the lane in the last Read
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
	if err := l.connect(server, patience); err != nil {
		return nil, err
	}
	most := int(l.conn.MaxPayload())
	switch {
	case most < firstLen:
		return nil, fail.Errorf(fail.Unsupported, "the server takes messages of %d bytes at most: a cable needs %d", most, firstLen)
	case most > maxMessage:
		most = maxMessage
	}
	if err := l.prepare(most); err != nil {
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
	if !m.ChargeTable(linkCost + most) {
		return fail.Errorf(fail.NoMemory, "there is no memory for the connection: see mem")
	}
	l.charged = linkCost + most
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

// join subscribes, and says where the stream to all is. It waits until the server has
// agreed.
func (l *link) join(patience time.Duration) (err error) {
	d := l.dialer
	if l.direct, err = l.conn.ChanSubscribe(d.subject(d.id), l.messages); err != nil {
		return err
	}
	if _, err = l.conn.ChanSubscribe(d.all.subject, l.messages); err != nil {
		return err
	}
	hello := make([]byte, headerLen)
	header{sender: d.id, sequence: d.all.sequence}.put(hello)
	if err := l.conn.Publish(d.all.subject, hello); err != nil {
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

// complain is told of what the server does not like and closes no connection for. Slow
// ones are counted as gaps.
func (l *link) complain(_ *client.Conn, _ *client.Subscription, err error) {
	if !errors.Is(err, client.ErrSlowConsumer) {
		l.dialer.plug.Tell(fail.Errorf(fail.Denied, "%s", plain(err)))
	}
}

// arrived takes the messages that came.
func (l *link) arrived() {
	for {
		select {
		case m := <-l.messages:
			l.arrive(m)
		default:
			return
		}
	}
}

func (l *link) arrive(m *client.Msg) {
	d := l.dialer
	conn := d.plug.Conn()
	h, frames, ok := parse(m.Data)
	if !ok {
		conn.CountDrop(frame.DropMalformed, len(m.Data))
		return
	}
	switch d.guard.admit(d.memory(), h, m.Sub == l.direct) {
	case lies:
		conn.CountDrop(frame.DropMalformed, len(m.Data))
	case fresh:
		if h.frames > 0 && !l.in.push(item{frames, h.sender}) {
			d.slow.Add(int64(h.frames))
		}
	}
}

// Read is lane.Driver's.
func (l *link) Read(t *lane.Turn, room int) (frames int, err error) {
	l.in.release(l.done)
	l.done = 0
	for frames < room {
		if len(l.item.frames) == 0 {
			var ok bool
			if l.item, ok = l.in.take(); !ok {
				err = unix.EAGAIN
				break
			}
			l.done += l.item.cost()
			l.parser = stream.Parser{Form: frame.Hops4, Net: l.dialer.plug.Network()}
		}
		before := len(t.Batch.Frames)
		n, used, _ := l.parser.Parse(t, l.item.frames, room-frames)
		l.dialer.learn(t.Batch.Frames[before:], l.item.sender)
		l.item.frames = l.item.frames[used:]
		frames += n
	}
	if err == nil {
		err = lane.ErrMore
	}
	return frames, err
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
		l.in.release(l.done)
		l.in.close()
		_ = unix.Close(l.out.room)
	}
	l.dialer.memory().RefundTable(l.charged)
}
