package tls

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/cable/key"
	"ipnfs/words"
)

// settings are what a locator says.
type settings struct {
	address string // HOST:PORT
	host    string
	own     tls.Certificate
	trust   trust
}

// maxPins is how many pins a locator may have.
const maxPins = 64

// read reads a locator and the files that it names. named is what the option is called
// that tells the name of the peer, in a certificate of a CA.
func read(l words.Locator, o *cable.Origin, named string) (s settings, err error) {
	var port, cert, private, pins, ca string
	options := words.Options{
		words.One("cert", &cert, words.Text), words.One("key", &private, words.Text),
		words.One("pin", &pins, words.Text), words.One("ca", &ca, words.Text), words.One(named, &s.trust.name, words.Text),
	}
	if err := options.Read(l.Args, nil); err != nil {
		return s, err
	}
	if s.host, port, err = net.SplitHostPort(l.Rest); err == nil {
		_, err = words.Int("port", port, uint16(1), 65535)
	}
	s.address = l.Rest
	switch {
	case err != nil:
		return s, fail.Errorf(fail.Invalid, "%s: %s: HOST:PORT is meant, [ADDRESS]:PORT in IPv6, with a port of 1 to 65535", l.Scheme, fail.Quote(l.Rest))
	case cert == "":
		return s, fail.Errorf(fail.Invalid, "%s: cert=FILE is missing, with the certificate and its key: ipnfs key FILE makes one", l.Scheme)
	case pins == "" && ca == "":
		return s, fail.Errorf(fail.Invalid, "%s: pin=PIN or ca=FILE is missing: whom to trust. ipnfs key FILE prints the pin of a file, at the other end", l.Scheme)
	case s.trust.name != "" && ca == "":
		return s, fail.Errorf(fail.Invalid, "%s: %s= is the name in a certificate, which only ca=FILE can vouch for", l.Scheme, named)
	}
	if pins != "" {
		if s.trust.pins, err = parsePins(pins); err != nil {
			return s, err
		}
	}
	if s.own, err = load(o, cert, private); err == nil && ca != "" {
		s.trust.roots, err = authorities(o, ca)
	}
	return s, err
}

func parsePins(text string) (pins []string, err error) {
	for text := range strings.SplitSeq(text, ",") {
		pin, err := key.ParsePin(text)
		if err != nil {
			return nil, err
		}
		pins = append(pins, pin)
	}
	if len(pins) > maxPins {
		return nil, fail.Errorf(fail.Invalid, "pin= takes %d pins at most", maxPins)
	}
	return pins, nil
}

// load reads a certificate and its key, which may be in a file of their own.
func load(o *cable.Origin, cert, private string) (tls.Certificate, error) {
	text, err := o.ReadFile(cert)
	if err == nil && private != "" {
		var more []byte
		more, err = o.ReadFile(private)
		text = append(append(text, '\n'), more...)
	}
	if err != nil {
		return tls.Certificate{}, err
	}
	return key.Load(text)
}

// authorities reads the certificates of a CA.
func authorities(o *cable.Origin, file string) (*x509.CertPool, error) {
	text, err := o.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fail.Errorf(fail.Invalid, "%s has no certificate in PEM", fail.Quote(file))
	}
	return pool, nil
}
