package tls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/cable"
	"ipnfs/cable/key"
	"ipnfs/cable/relay"
)

// userTimeout is after how many milliseconds TCP gives up what the other end has not
// acknowledged (tcp(7)), so that nothing stays behind of a connection that was closed.
const userTimeout = 15000

// conn is a TLS connection. Its Close is TCP's: TLS would wait for its peer.
type conn struct {
	*tls.Conn
	raw net.Conn
}

// Close ends all calls.
func (c conn) Close() error { return c.raw.Close() }

// tune sets up a TCP connection.
func tune(c net.Conn) {
	if c, ok := c.(*net.TCPConn); ok {
		_ = c.SetNoDelay(true)
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeout)
			})
		}
	}
}

// explain tells whose certificate the other end has refused.
func explain(err error, own tls.Certificate) error {
	var e *net.OpError
	if errors.As(err, &e) && e.Op == "remote error" {
		return fmt.Errorf("the other end does not trust this one, whose pin is %s: %w", key.Pin(own.Leaf), e.Err)
	}
	return err
}

// link makes a link of a connection whose handshake is done. It owns it.
func link(c conn, p *cable.Plug) (*cable.Link, error) {
	_ = c.SetDeadline(time.Now().Add(bus.Patience))
	h, err := relay.Greet(c, p)
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	var r *relay.Relay
	if err == nil {
		r, err = relay.New(relay.Config{Conn: c, Net: p.Network(), Peer: h.MTU})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &cable.Link{Source: r.Source(), Peer: c.raw.RemoteAddr().String(), MaxLen: r.MaxLen()}, nil
}
