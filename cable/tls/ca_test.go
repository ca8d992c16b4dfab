package tls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/cable/key"
)

// authority is a CA of a test.
type authority struct {
	file string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{file: write(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), cert: cert, key: private}
}

// sign makes a key with a certificate of the CA for a name and an address, valid until a
// time, and tells its pin.
func (a *authority) sign(t *testing.T, name string, until time.Time) (file, pin string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Unix(0, 0), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, private.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	return write(t, text), key.Pin(cert)
}

// A CA vouches for both ends, the name chooses the cable, and a certificate that is over
// serves with a pin only.
func TestAuthority(t *testing.T) {
	ca, later := newAuthority(t), time.Now().Add(time.Hour)
	hub, one, any, old, addr := newMember(t, "hub"), newMember(t, "one"), newMember(t, "any"), newMember(t, "old"), freeAddr(t)
	hub.file, hub.pin = ca.sign(t, "hub", later)
	one.file, one.pin = ca.sign(t, "one", later)
	any.file, any.pin = ca.sign(t, "any", later)
	old.file, old.pin = ca.sign(t, "old", time.Now().Add(-time.Hour))
	hub.lay("any", "tls-listen://%s?cert=%s&ca=%s", addr, hub.file, ca.file)
	hub.lay("one", "tls-listen://%s?cert=%s&ca=%s&peer=one", addr, hub.file, ca.file)
	hub.lay("old", "tls-listen://%s?cert=%s&pin=%s", addr, hub.file, old.pin)

	one.lay("c", "tls://%s?cert=%s&ca=%s", addr, one.file, ca.file)
	hub.await("one", "state=up")
	one.reach(hub)
	any.lay("c", "tls://%s?cert=%s&ca=%s&name=hub", addr, any.file, ca.file)
	hub.await("any", "state=up")
	old.lay("c", "tls://%s?cert=%s&pin=%s", addr, old.file, hub.pin)
	hub.await("old", "state=up")

	any.detach("c")
	any.lay("c", "tls://%s?cert=%s&ca=%s&name=another", addr, any.file, ca.file)
	any.await("c", "not to be trusted")
	old.detach("c")
	hub.detach("old")
	old.lay("c", "tls://%s?cert=%s&ca=%s", addr, old.file, ca.file)
	old.await("c", "does not trust this one")
	hub.awaitTold("expired")
}

// What is wrong in a locator, or in a file that it names, is refused at once.
func TestLocators(t *testing.T) {
	m := newMember(t, "a")
	empty, ca := write(t, nil), newAuthority(t)
	for _, c := range []struct {
		locator, want string
	}{
		{"tls://a:1", "ipnfs key FILE makes one"},
		{"tls://a:1?cert=" + m.file, "pin=PIN or ca=FILE is missing"},
		{"tls://a?cert=" + m.file + "&pin=" + m.pin, "HOST:PORT"},
		{"tls://a:0?cert=" + m.file + "&pin=" + m.pin, "HOST:PORT"},
		{"tls://a:65536?cert=" + m.file + "&pin=" + m.pin, "HOST:PORT"},
		{"tls://a:1?cert=" + m.file + "&pin=" + m.pin + "0", "pin"},
		{"tls://a:1?cert=" + m.file + "&pin=" + m.pin + "&name=b", "vouch"},
		{"tls://a:1?cert=" + m.file + "&pin=" + m.pin + "&peer=b", "peer"},
		{"tls://a:1?cert=" + empty + "&pin=" + m.pin, "no private key"},
		{"tls://a:1?cert=" + ca.file + "&pin=" + m.pin, "no private key"},
		{"tls://a:1?cert=/none&pin=" + m.pin, "/none"},
		{"tls://a:1?cert=" + m.file + "&ca=" + empty, "no certificate"},
		{"tls-listen://host:1?cert=" + m.file + "&pin=" + m.pin, "no address"},
		{"tls-listen://:1?cert=" + m.file + "&pin=" + m.pin + "&name=b", "name"},
	} {
		err := m.attach("c", "%s", c.locator)
		if err == nil || fail.KindOf(err) == 0 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something of %q", c.locator, err, c.want)
		}
	}
	secret, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	cert, private, _ := strings.Cut(string(secret), "-----BEGIN PRIVATE")
	addr := freeAddr(t)
	m.lay("c", "tls-listen://%s?cert=%s&key=%s&pin=%s", addr, write(t, []byte(cert)), write(t, []byte("-----BEGIN PRIVATE"+private)), m.pin)
}
