package tls

import (
	"context"
	"errors"
	"net"
	"sync"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/words"
)

// listener waits to be connected to, by one peer at a time.
type listener struct {
	settings
	gate *gate       // nil: it has not been there yet; of Dial and Close
	came chan conn   // one whose handshake is done, of the peer; the last one counts
	mu   sync.Mutex  // guards what follows
	plug *cable.Plug // nil: none has dialed
	up   *cable.Link // the link that was made last
}

var _ cable.Dialer = (*listener)(nil)

func openListener(l words.Locator, o *cable.Origin) (cable.Dialer, error) {
	s, err := read(l, o, "peer")
	if err != nil {
		return nil, err
	}
	if net.ParseIP(s.host) == nil && s.host != "" {
		return nil, fail.Errorf(fail.Invalid, "tls-listen: %s is no address of this host: ADDR:PORT is meant, or :PORT for all", fail.Quote(s.host))
	}
	return &listener{settings: s, came: make(chan conn, 1)}, nil
}

// Dial is cable.Dialer's: it waits. A peer that comes and says nothing right is no
// reason to begin anew.
func (d *listener) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	d.mu.Lock()
	d.plug = p
	d.mu.Unlock()
	if d.gate == nil {
		g, err := enter(ctx, d, p.Origin())
		if err != nil {
			return nil, err
		}
		d.gate = g
	}
	p.Waiting()
	for {
		select {
		case c := <-d.came:
			stop := context.AfterFunc(ctx, func() { c.Close() })
			k, err := link(c, p)
			stop()
			if fail.KindOf(err) == 0 && err != nil && ctx.Err() == nil {
				continue
			}
			if k != nil {
				d.setUp(k)
			}
			return k, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// setUp notes a link. If the peer has connected again meanwhile, it ends.
func (d *listener) setUp(k *cable.Link) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up = k; len(d.came) > 0 {
		d.plug.Broken(k, errAgain)
	}
}

// end is the cable's, once it has dialed.
func (d *listener) end() *cable.Plug {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plug
}

var errAgain = errors.New("the other end has connected again")

// take takes a connection of the peer, instead of any that he had: he has given it up.
func (d *listener) take(c conn) {
	select {
	case old := <-d.came:
		old.Close()
	default:
	}
	d.came <- c
	d.mu.Lock()
	p, k := d.plug, d.up
	d.up = nil
	d.mu.Unlock()
	if k != nil {
		p.Broken(k, errAgain)
	}
}

// Close is cable.Dialer's.
func (d *listener) Close() {
	if d.gate != nil {
		d.gate.leave(d)
	}
	select {
	case c := <-d.came:
		c.Close()
	default:
	}
}
