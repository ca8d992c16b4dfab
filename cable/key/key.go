// Package key is what a tls cable shows of itself: a private key, the
// certificate of it, and the pin by which others know it.
//
//	key.go: making and reading both, as one PEM file
//	pin.go: the pin of a certificate
//
// It opens no file: whoever calls it has the right to.
package key

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"time"
	"unicode/utf8"

	"ipnfs/bus/fail"
)

// MaxSize is how many bytes a file of a key and its certificates may have. What
// is longer costs too much to look at.
const MaxSize = 32 << 10

// maxName is how many characters a common name may have (RFC 5280, upper bounds
// in appendix A.1: ub-common-name). It is Linux's HOST_NAME_MAX, too.
const maxName = 64

// Make makes a private key and a self-signed certificate of it whose subject is
// name, commonly that of the host, as a PEM file with both. The key is one of
// P-256 (ECDSA), which all of TLS 1.3 know. The certificate serves both ends of a
// connection, and is valid at any time: a pin has no date, and the clock of a
// machine that begins may be anything. The file is a secret.
func Make(name string) (file []byte, err error) {
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) {
		return nil, fail.Errorf(fail.Invalid, "%q cannot be the subject of a certificate: UTF-8 of 1 to %d characters can", name, maxName)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{ // without a serial number: it is drawn
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Unix(0, 0),
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no end: RFC 5280 4.1.2.5
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // it is no CA
	}
	if hostName(name) {
		template.DNSNames = []string{name} // what a peer compares who knows it by ca=
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// hostName tells whether name can stand in DNS.
func hostName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return strings.Trim(name, letters+strings.ToUpper(letters)+"0123456789-.") == ""
}

// Load reads a PEM file with a private key and its certificate, in either
// order; certificates that follow lead to a CA. Leaf is the certificate. file is
// not kept. A refusal is of the kind Invalid, and tells nothing of the key.
func Load(file []byte) (tls.Certificate, error) {
	if len(file) > MaxSize {
		return tls.Certificate{}, fail.Errorf(fail.Invalid, "a key and its certificates have %d bytes at most", MaxSize)
	}
	if bytes.Contains(file, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----")) {
		return tls.Certificate{}, fail.Errorf(fail.Invalid, "the private key is encrypted, and nobody is here to ask for its password")
	}
	pair, err := tls.X509KeyPair(file, file)
	if err != nil {
		return tls.Certificate{}, fail.Errorf(fail.Invalid, "no private key with its certificate: %v", err)
	}
	return pair, nil
}
