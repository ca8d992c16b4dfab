package cable

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"ipnfs/bus/fail"
)

// After a link has broken, or could not be made, the next attempt comes after so long,
// twice as long each time up to the last, and up to as long again by chance, so that
// those who lost the same peer do not come back at once. A link that was up for steady
// begins anew.
//
// Variables, as tests do not wait so long.
var (
	firstPause = 200 * time.Millisecond
	lastPause  = 10 * time.Second
	steady     = 10 * time.Second
)

// supervise makes links, one after the other, until the cable ends.
func (c *cable) supervise() {
	defer close(c.served)
	pause := firstPause
	ctx := c.origin.ctx
	for ctx.Err() == nil {
		lasted, err := c.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		if lasted > steady {
			pause = firstPause
		}
		c.down(err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause + rand.N(pause)):
		}
		pause = min(2*pause, lastPause)
		c.retry()
	}
}

// connection is one link from Dial to its end: how long it was up, and why it ended.
func (c *cable) connection(ctx context.Context) (lasted time.Duration, err error) {
	defer c.release()
	k, err := c.dialer.Dial(ctx, c.plug)
	if err != nil {
		c.attempted()
		return 0, err
	}
	began := time.Now()
	l := newLink(k)
	c.up(l)
	if c.line != nil {
		c.line.connect(l)
	}
	if broken := k.broken.Load(); broken != nil { // before it was the cable's
		c.broken(l, *broken)
	}
	c.setLink(true)
	c.attempted()
	select {
	case err = <-l.ended:
	case <-ctx.Done():
	}
	c.setLink(false)
	c.mu.Lock()
	c.link = nil
	c.mu.Unlock()
	if c.line != nil {
		c.line.disconnect(l)
	}
	return time.Since(began), err
}

// broken ends a link, from within a call of it or from elsewhere.
func (c *cable) broken(k *link, err error) {
	switch {
	case c.line != nil:
		c.line.broken(k, err)
	case k.over.CompareAndSwap(false, true):
		k.ended <- err
	}
}

// attempted says that the first attempt has come to something.
func (c *cable) attempted() {
	select {
	case <-c.first:
	default:
		close(c.first)
	}
}

// maxReason is how long a reason may be in bytes: a peer may have said it.
const maxReason = 200

// reason tells people why there is no link.
func reason(err error) string {
	text := cause(err)
	if len(text) > maxReason {
		text = text[:maxReason] + "..."
	}
	return text
}

func cause(err error) string {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the other end hung up"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "the other end does not answer"
	case fail.KindOf(err) != 0:
		return err.Error()
	}
	return syscallError(err).Error()
}
