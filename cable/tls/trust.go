package tls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"ipnfs/cable/key"
)

// trust is whom a cable trusts. Pins and a CA, if it has both, must both agree.
type trust struct {
	pins  []string       // of which one must be his; nil: any
	roots *x509.CertPool // which must vouch for him; nil: none must
	name  string         // in his certificate, if a CA vouches; empty: any
}

var errNone = errors.New("it shows no certificate")

// check tells whether a peer who showed certificates may be trusted, used as usage says.
// That he has the key TLS has checked.
func (t *trust) check(list []*x509.Certificate, usage x509.ExtKeyUsage) error {
	if len(list) == 0 {
		return errNone
	}
	leaf := list[0]
	if pin := key.Pin(leaf); t.pins != nil && !slices.Contains(t.pins, pin) {
		return fmt.Errorf("its pin is %s", pin)
	}
	if t.roots == nil {
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range list[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err == nil && t.name != "" && leaf.Subject.CommonName != t.name {
		err = leaf.VerifyHostname(t.name)
	}
	return err
}

// config is what both ends want of TLS. Whom to trust is VerifyConnection's matter, which
// the caller adds. Resumed sessions would not show certificates, so there are none.
func config(own tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		InsecureSkipVerify: true, ClientAuth: tls.RequireAnyClientCert,
		SessionTicketsDisabled: true, DynamicRecordSizingDisabled: true,
	}
}
