package nats

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"ipnfs/bus/fail"
	"ipnfs/cable"
)

// secrets are what a cable shows to servers of itself, and knows them by.
type secrets struct {
	who    client.Option // nil: it is nobody
	secure *tls.Config
	forget func()
}

// load reads the files of a locator with the rights of who wrote it. No error tells of
// what is in them.
func load(c *config, o *cable.Origin) (s *secrets, err error) {
	s = &secrets{secure: &tls.Config{MinVersion: tls.VersionTLS12}, forget: func() {}}
	switch {
	case c.creds != "":
		err = s.creds(o, c.creds)
	case c.nkey != "":
		err = s.nkey(o, c.nkey)
	case c.user != "":
		var pass []byte
		if pass, err = o.ReadFile(c.pass); err == nil {
			s.who = client.UserInfo(c.user, string(bytes.TrimRight(pass, "\r\n")))
		}
	}
	if err == nil && c.ca != "" {
		err = s.authorities(o, c.ca)
	}
	if err == nil && c.cert != "" {
		err = s.certificate(o, c.cert, c.key)
	}
	if err != nil {
		s.forget()
		return nil, err
	}
	return s, nil
}

// creds reads a file of a JWT and the seed of a key.
func (s *secrets) creds(o *cable.Origin, path string) error {
	text, err := o.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(text)
	jwt, err := nkeys.ParseDecoratedJWT(text)
	pair, failed := nkeys.ParseDecoratedUserNKey(text)
	if err != nil || failed != nil {
		return fail.Errorf(fail.Invalid, "%s has no credentials of a user: nsc generate creds makes them", fail.Quote(path))
	}
	s.forget = pair.Wipe
	s.who = client.UserJWT(func() (string, error) { return jwt, nil }, pair.Sign)
	return nil
}

// nkey reads a file of the seed of a key.
func (s *secrets) nkey(o *cable.Origin, path string) error {
	text, err := o.ReadFile(path)
	if err != nil {
		return err
	}
	defer clear(text)
	pair, err := nkeys.ParseDecoratedUserNKey(text)
	if err != nil {
		return fail.Errorf(fail.Invalid, "%s has no seed of a user's key, which begins with SU: nk -gen user makes one", fail.Quote(path))
	}
	public, err := pair.PublicKey()
	if err != nil {
		return fail.Errorf(fail.Invalid, "%s: the key is no user's", fail.Quote(path))
	}
	s.forget = pair.Wipe
	s.who = client.Nkey(public, pair.Sign)
	return nil
}

func (s *secrets) authorities(o *cable.Origin, path string) error {
	text, err := o.ReadFile(path)
	if err != nil {
		return err
	}
	s.secure.RootCAs = x509.NewCertPool()
	if !s.secure.RootCAs.AppendCertsFromPEM(text) {
		return fail.Errorf(fail.Invalid, "%s has no certificate in PEM", fail.Quote(path))
	}
	return nil
}

func (s *secrets) certificate(o *cable.Origin, cert, key string) error {
	public, err := o.ReadFile(cert)
	if err != nil {
		return err
	}
	private, err := o.ReadFile(key)
	if err != nil {
		return err
	}
	defer clear(private)
	pair, err := tls.X509KeyPair(public, private)
	if err != nil {
		return fail.Errorf(fail.Invalid, "%s and %s are no certificate and its key in PEM", fail.Quote(cert), fail.Quote(key))
	}
	s.secure.Certificates = []tls.Certificate{pair}
	return nil
}

// configFor is what TLS with a server takes.
func (s *secrets) configFor(server string) *tls.Config {
	c := s.secure.Clone()
	c.ServerName, _, _ = net.SplitHostPort(server)
	return c
}
