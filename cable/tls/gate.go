package tls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/iface/netns"
)

// maxShaking is how many connections of an address may be in their handshake. If there
// are more the oldest is ended, so that strangers who say nothing keep nobody out.
const maxShaking = 64

// tellEvery is how often at most people are told of strangers.
var tellEvery = 10 * time.Second

// place is an address of a user and a network namespace.
type place struct {
	uid     uint32
	ns      netns.ID
	address string
}

// gate is an address at which connections come for several cables. All of them show the
// same certificate, as none knows who comes before it is shown.
type gate struct {
	place    place
	listener net.Listener
	config   *tls.Config
	cert     []byte
	serving  sync.WaitGroup

	mu sync.Mutex // take is called under it, so that nobody who left is given one
	// Guarded by mu.
	cables  []*listener // in order of coming
	shaking []net.Conn  // in order of coming
	told    time.Time   // when people were told of a stranger
	ended   bool
}

// gates are those that are there. Its lock is taken before that of a gate.
var gates = struct {
	mu sync.Mutex
	// Guarded by mu.
	list map[place]*gate
}{list: map[place]*gate{}}

// enter adds a cable to the gate of its address, which is opened if it is not there.
func enter(ctx context.Context, d *listener, o *cable.Origin) (*gate, error) {
	at := place{o.By.UID, o.NS().ID(), d.address}
	if g, err := join(at, d, nil); g != nil {
		return g, err
	}
	// A user may let this wait for long, so no lock is held.
	l, err := o.Listen(ctx, d.address)
	if err != nil {
		if g, err := join(at, d, nil); g != nil { // another of his was faster
			return g, err
		}
		return nil, err
	}
	return join(at, d, l)
}

// join adds a cable to the gate of a place. If there is none one is made that listens by l,
// or, if that is nil, none. Of l join is the owner.
func join(at place, d *listener, l net.Listener) (*gate, error) {
	gates.mu.Lock()
	defer gates.mu.Unlock()
	g := gates.list[at]
	switch {
	case l == nil && g == nil:
		return nil, nil
	case g == nil:
		g = &gate{place: at, listener: l, config: config(d.own), cert: d.own.Certificate[0]}
		g.config.VerifyConnection = func(c tls.ConnectionState) error {
			_, err := g.find(c.PeerCertificates)
			return err
		}
		gates.list[at] = g
		g.serving.Go(g.accept)
	case l != nil:
		_ = l.Close()
	}
	return g, g.add(d)
}

func (g *gate) add(d *listener) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !bytes.Equal(g.cert, d.own.Certificate[0]) {
		return fail.Errorf(fail.InUse, "another cable shows another certificate at %s: all that share an address have the same", g.place.address)
	}
	for _, other := range g.cables {
		if pin := other.trust.common(&d.trust); pin != "" {
			return fail.Errorf(fail.InUse, "cable %s waits for %s at %s", fail.Quote(other.end().Name()), pin, g.place.address)
		}
	}
	g.cables = append(g.cables, d)
	return nil
}

// common is a pin that two cables would both take, or empty.
func (t *trust) common(other *trust) string {
	for _, pin := range t.pins {
		if slices.Contains(other.pins, pin) {
			return pin
		}
	}
	return ""
}

// leave takes a cable off. The last one closes the gate.
func (g *gate) leave(d *listener) {
	gates.mu.Lock()
	g.mu.Lock()
	g.cables = slices.DeleteFunc(g.cables, func(other *listener) bool { return other == d })
	last := len(g.cables) == 0
	if last {
		delete(gates.list, g.place)
		g.ended = true
		_ = g.listener.Close()
		for _, c := range g.shaking {
			_ = c.Close()
		}
	}
	g.mu.Unlock()
	gates.mu.Unlock()
	if last {
		g.serving.Wait()
	}
}

// find finds the cable of a peer: one that has his pin, one that has the name of his
// certificate, or one that takes all of a CA.
func (g *gate) find(list []*x509.Certificate) (*listener, error) {
	g.mu.Lock()
	cables := slices.Clone(g.cables)
	g.mu.Unlock()
	err := errNone
	for _, fits := range []func(t *trust) bool{
		func(t *trust) bool { return t.pins != nil },
		func(t *trust) bool { return t.pins == nil && t.name != "" },
		func(t *trust) bool { return t.pins == nil && t.name == "" },
	} {
		for _, d := range cables {
			if fits(&d.trust) {
				if err = d.trust.check(list, x509.ExtKeyUsageClientAuth); err == nil {
					return d, nil
				}
			}
		}
	}
	return nil, err
}

// accept takes connections until the gate is closed.
func (g *gate) accept() {
	for {
		c, err := g.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no descriptor, no memory
			time.Sleep(100 * time.Millisecond)
		case g.come(c):
			g.serving.Go(func() { g.shake(c) })
		default:
			_ = c.Close()
		}
	}
}

// come notes a connection, and ends the oldest if there are too many.
func (g *gate) come(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return false
	}
	if len(g.shaking) >= maxShaking {
		_ = g.shaking[0].Close()
		g.shaking = slices.Delete(g.shaking, 0, 1)
	}
	g.shaking = append(g.shaking, c)
	return true
}

// shake lets a connection say who it is, and gives it to its cable.
func (g *gate) shake(raw net.Conn) {
	tune(raw)
	c := conn{tls.Server(raw, g.config), raw}
	_ = raw.SetDeadline(time.Now().Add(bus.Patience))
	err := c.Handshake()
	var d *listener
	if err == nil {
		d, err = g.find(c.ConnectionState().PeerCertificates)
	}
	g.mu.Lock()
	g.shaking = slices.DeleteFunc(g.shaking, func(other net.Conn) bool { return other == raw })
	if err == nil && slices.Contains(g.cables, d) {
		d.take(c)
		g.mu.Unlock()
		return
	}
	tell := err != nil && !g.ended && time.Since(g.told) > tellEvery
	var to *cable.Plug
	if tell && len(g.cables) > 0 {
		g.told = time.Now()
		to = g.cables[0].end()
	}
	g.mu.Unlock()
	_ = c.Close()
	if to != nil {
		to.Tell(fmt.Errorf("%v is refused: %w", raw.RemoteAddr(), err))
	}
}
