package key

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"testing"
	"time"

	"ipnfs/bus/fail"
)

func mustMake(t testing.TB, name string) []byte {
	t.Helper()
	file, err := Make(name)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func mustLoad(t testing.TB, file []byte) tls.Certificate {
	t.Helper()
	pair, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// What is made is read, belongs to the name, to both ends and to any time, and is
// another each time.
func TestMake(t *testing.T) {
	serials, pins := map[string]bool{}, map[string]bool{}
	for _, name := range []string{"a", "host-1.example.org", "b\u00fcro", strings.Repeat("x", 64), "a b"} {
		file := mustMake(t, name)
		c := mustLoad(t, file).Leaf
		if len(file) > MaxSize/8 || c.Subject.CommonName != name || c.IsCA || c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
			t.Errorf("%q: %d bytes, %v", name, len(file), c.Subject)
		}
		if serials[c.SerialNumber.String()] || pins[Pin(c)] {
			t.Errorf("%q: serial number %v or pin %s came before", name, c.SerialNumber, Pin(c))
		}
		serials[c.SerialNumber.String()], pins[Pin(c)] = true, true
		roots := x509.NewCertPool()
		roots.AddCert(c)
		for _, at := range []time.Time{time.Unix(1, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
			for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth} {
				if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
					t.Errorf("%q at %v, for use %d: %v", name, at, usage, err)
				}
			}
		}
		if err := c.VerifyHostname(name); hostName(name) != (err == nil) {
			t.Errorf("%q as a host: %v", name, err)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 65), "a\xff"} {
		if file, err := Make(name); fail.KindOf(err) != fail.Invalid || file != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// blocks splits a file.
func blocks(file []byte) (certificate, private []byte) {
	c, rest := pem.Decode(file)
	p, _ := pem.Decode(rest)
	return pem.EncodeToMemory(c), pem.EncodeToMemory(p)
}

func TestLoad(t *testing.T) {
	file, other := mustMake(t, "a"), mustMake(t, "b")
	certificate, private := blocks(file)
	otherCertificate, otherPrivate := blocks(other)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	want := Pin(mustLoad(t, file).Leaf)
	for what, text := range map[string][]byte{
		"the key first":       join(private, certificate),
		"a chain":             join(certificate, otherCertificate, private),
		"text around":         join([]byte("my key\n"), certificate, []byte("\nits secret\n"), private, []byte("end\n")),
		"as long as it may":   join(file, bytes.Repeat([]byte("\n"), MaxSize-len(file))),
		"lines with returns":  bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")),
		"a key of an old way": join(certificate, oldKey(t, private)),
	} {
		if got := Pin(mustLoad(t, text).Leaf); got != want {
			t.Errorf("%s: pin %s, want %s", what, got, want)
		}
	}
	for what, text := range map[string][]byte{
		"nothing":              nil,
		"no PEM":               []byte("hello\n"),
		"no certificate":       private,
		"no key":               certificate,
		"another's key":        join(certificate, otherPrivate),
		"half a key":           join(certificate, private[:len(private)/2]),
		"too long":             join(file, bytes.Repeat([]byte("\n"), MaxSize-len(file)+1)),
		"an encrypted key":     join(certificate, bytes.ReplaceAll(private, []byte(" PRIVATE"), []byte(" ENCRYPTED PRIVATE"))),
		"a broken key":         join(certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})),
		"a broken certificate": join(private, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})),
	} {
		pair, err := Load(text)
		if fail.KindOf(err) != fail.Invalid || pair.PrivateKey != nil || pair.Leaf != nil {
			t.Errorf("%s: %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), string(private[40:60])) {
			t.Errorf("%s: the key is told: %v", what, err)
		}
	}
}

// oldKey writes the key in its SEC 1 form, as openssl ecparam does.
func oldKey(t *testing.T, private []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(private)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	old, err := x509.MarshalECPrivateKey(k.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: old})
}

// Two ends that know one another by pin meet over TLS 1.3.
func TestHandshake(t *testing.T) {
	ends := []tls.Certificate{mustLoad(t, mustMake(t, "a")), mustLoad(t, mustMake(t, "b"))}
	config := func(own, peer int) *tls.Config {
		return &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: ends[own : own+1], ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true,
			VerifyConnection: func(s tls.ConnectionState) error {
				if got := Pin(s.PeerCertificates[0]); got != Pin(ends[peer].Leaf) {
					t.Errorf("end %d sees %s", own, got)
				}
				return nil
			},
		}
	}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(there, config(1, 0)).HandshakeContext(context.Background()) }()
	if err := tls.Client(here, config(0, 1)).HandshakeContext(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A pin is of the key: another certificate of it has the same.
func TestPin(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pin := ""
	for _, year := range []int{2000, 2001} {
		template := &x509.Certificate{NotBefore: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
		raw, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := Pin(c); pin != "" && got != pin {
			t.Errorf("its pin was %s, and is %s", pin, got)
		}
		pin = Pin(c)
	}
}

const somePin = "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" // of no bytes

func TestParsePin(t *testing.T) {
	if got := Pin(&x509.Certificate{}); got != somePin {
		t.Errorf("the pin of no bytes is %s", got)
	}
	if got, err := ParsePin(somePin); got != somePin || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	body := strings.TrimPrefix(somePin, method)
	for _, text := range []string{
		"", "sha256:", body, "sha512:" + body, "SHA256:" + body, somePin + "=", somePin + "A", somePin[:len(somePin)-1],
		method + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // hex
		strings.ReplaceAll(somePin, "_", "/"), somePin[:len(somePin)-1] + "V",       // bits that mean nothing
		somePin + "\n", somePin[:20] + "\n" + somePin[20:], " " + somePin,
	} {
		if got, err := ParsePin(text); fail.KindOf(err) != fail.Invalid || got != "" {
			t.Errorf("%q is taken as %q, %v", text, got, err)
		}
	}
}

func FuzzParsePin(f *testing.F) {
	f.Add(somePin)
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, text string) {
		pin, err := ParsePin(text)
		if err == nil && (pin != text || len(pin) != len(somePin)) {
			t.Errorf("%q is taken as %q", text, pin)
		}
	})
}

func FuzzLoad(f *testing.F) {
	file := mustMake(f, "a")
	certificate, private := blocks(file)
	for _, seed := range [][]byte{nil, file, certificate, private, bytes.ToLower(file)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		pair, err := Load(file)
		switch {
		case err != nil && (fail.KindOf(err) != fail.Invalid || pair.Leaf != nil):
			t.Errorf("it is refused by %v", err)
		case err == nil && (pair.Leaf == nil || pair.PrivateKey == nil):
			t.Error("it has no key or certificate")
		case err == nil:
			if _, err := ParsePin(Pin(pair.Leaf)); err != nil {
				t.Error(err)
			}
		}
	})
}
