// Package udp is the cable udp://[SRC:PORT]->DST:PORT: a frame is a datagram, and
// nothing else is in it, as vde's plug of that name has it.
//
// The path of a frame: the link (link.go) receives runs of datagrams (ipnfs/lane/udp),
// merges what can be merged to super-frames, and lends them to the bus; and it sends what
// the bus gives it. The socket is connected, so the kernel takes from nobody else.
package udp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/lane"
	"ipnfs/lane/udp"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "udp", Summary: "udp://[SRC:PORT]->DST:PORT: bare frames in datagrams, as vde's udp", Open: open})
}

// dialer connects a socket to a host.
type dialer struct {
	local netip.AddrPort // not valid: any
	port  uint16         // of local, which may be the only thing that is known of it
	host  string
	to    uint16 // its port
}

var _ cable.Dialer = (*dialer)(nil)

const form = "udp://[SRC:PORT]->DST:PORT"

// open is cable.Scheme's.
func open(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	d := &dialer{}
	from, to, ok := strings.Cut(l.Rest, "->")
	if !ok || len(l.Args) > 0 {
		return nil, fail.Errorf(fail.Invalid, "udp: %s is meant, without arguments", form)
	}
	var err error
	if d.host, d.to, err = hostPort("DST", to); err != nil {
		return nil, err
	}
	if d.host == "" || d.to == 0 {
		return nil, fail.Errorf(fail.Invalid, "udp: DST needs a host and a port: %s", form)
	}
	if from == "" {
		return d, nil
	}
	host, port, err := hostPort("SRC", from)
	if err != nil {
		return nil, err
	}
	if d.port = port; host != "" {
		a, err := netip.ParseAddr(host)
		if err != nil || a.IsMulticast() {
			return nil, fail.Errorf(fail.Invalid, "udp: SRC %s is no address of this host", fail.Quote(host))
		}
		d.local = netip.AddrPortFrom(a.Unmap(), port)
	}
	return d, nil
}

// hostPort reads HOST:PORT, or :PORT.
func hostPort(what, text string) (host string, port uint16, err error) {
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, fail.Errorf(fail.Invalid, "udp: %s %s: HOST:PORT is one, [ADDRESS]:PORT in IPv6", what, fail.Quote(text))
	}
	port, err = words.Int(what+"'s port", number, uint16(0), 65535)
	return host, port, err
}

// Close is cable.Dialer's.
func (d *dialer) Close() {}

// Dial is cable.Dialer's.
func (d *dialer) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	o := p.Origin()
	list, err := o.Resolve(ctx, d.host)
	if err != nil {
		return nil, err
	}
	peer, local, err := d.choose(list)
	if err != nil {
		return nil, err
	}
	k, err := newLink(p.Network().Memory())
	if err != nil {
		return nil, err
	}
	var probe int
	var to udp.Addr
	err = o.Do(func() (err error) {
		c := udp.Config{Local: local, Peer: peer, Memory: udp.Room}
		if c.Scope, err = udp.Scope(peer.Addr(), local.Addr()); err != nil {
			return err
		}
		to = udp.AddrOf(peer, c.Scope)
		k.fd, probe, err = udp.OpenPair(c)
		return err
	})
	if err != nil {
		k.close()
		return nil, err
	}
	var longest int
	k.path, longest, err = udp.NewPath(probe, []udp.Addr{to}, p.SetMaxLen)
	if err != nil {
		k.close()
		return nil, err
	}
	k.out.Family = udp.Family(peer.Addr())
	return &cable.Link{Source: lane.Source{FD: k.fd, Driver: k}, Peer: to.String(), MaxLen: longest}, nil
}

// choose picks the first address of the host that is of the family of the local one.
func (d *dialer) choose(list []netip.Addr) (peer, local netip.AddrPort, err error) {
	for _, a := range list {
		a = a.Unmap()
		if local = d.local; !local.IsValid() {
			local = netip.AddrPortFrom(udp.Any(a), d.port)
		}
		if a.Is4() == local.Addr().Is4() {
			return netip.AddrPortFrom(a, d.to), local, nil
		}
	}
	return peer, local, fmt.Errorf("%s has no address of the family of SRC", d.host)
}
