package tls

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"ipnfs/bus"
	"ipnfs/cable"
	"ipnfs/words"
)

// dialer connects.
type dialer struct {
	settings
	config *tls.Config
}

var _ cable.Dialer = (*dialer)(nil)

func openDialer(l words.Locator, o *cable.Origin) (cable.Dialer, error) {
	s, err := read(l, o, "name")
	if err != nil {
		return nil, err
	}
	d := &dialer{settings: s, config: config(s.own)}
	if d.trust.roots != nil {
		d.trust.name = cmp.Or(d.trust.name, d.host)
	}
	d.config.ServerName = cmp.Or(d.trust.name, d.host)
	d.config.VerifyConnection = func(c tls.ConnectionState) error {
		if err := d.trust.check(c.PeerCertificates, x509.ExtKeyUsageServerAuth); err != nil {
			return fmt.Errorf("the other end is not to be trusted: %w", err)
		}
		return nil
	}
	return d, nil
}

// Close is cable.Dialer's.
func (d *dialer) Close() {}

// Dial is cable.Dialer's.
func (d *dialer) Dial(ctx context.Context, p *cable.Plug) (*cable.Link, error) {
	shaking, cancel := context.WithTimeout(ctx, bus.Patience)
	defer cancel()
	raw, err := p.Origin().Dial(shaking, d.address)
	if err != nil {
		return nil, err
	}
	tune(raw)
	c := conn{tls.Client(raw, d.config), raw}
	if err := c.HandshakeContext(shaking); err != nil {
		c.Close()
		return nil, explain(err, d.own)
	}
	defer context.AfterFunc(ctx, func() { c.Close() })()
	k, err := link(c, p)
	return k, explain(err, d.own)
}
