package nats

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// files makes files of names and texts.
func files(tb testing.TB, text map[string]string) (dir string) {
	tb.Helper()
	dir = tb.TempDir()
	for name, text := range text {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// pair is a key of nkeys, its public half and its seed.
func pair(tb testing.TB, prefix nkeys.PrefixByte) (k nkeys.KeyPair, public, seed string) {
	tb.Helper()
	k, err := nkeys.CreatePair(prefix)
	if err != nil {
		tb.Fatal(err)
	}
	public, _ = k.PublicKey()
	secret, _ := k.Seed()
	return k, public, string(secret)
}

// token is a JWT as servers of NATS want it, by an issuer.
func token(tb testing.TB, issuer nkeys.KeyPair, name, subject string, claims map[string]any) string {
	tb.Helper()
	by, _ := issuer.PublicKey()
	body := map[string]any{"iss": by, "sub": subject, "name": name, "iat": time.Now().Unix(), "nats": claims}
	text, _ := json.Marshal(body)
	sum := sha512.Sum512_256(text)
	body["jti"] = base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	text, _ = json.Marshal(body)
	b := base64.RawURLEncoding
	signed := b.EncodeToString([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + b.EncodeToString(text)
	signature, err := issuer.Sign([]byte(signed))
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + b.EncodeToString(signature)
}

// Who one is: by a password, a key, or credentials. Who is somebody else gets a reason
// that tells no secret.
func TestCredentials(t *testing.T) {
	_, user, seed := pair(t, nkeys.PrefixByteUser)
	_, _, stranger := pair(t, nkeys.PrefixByteUser)
	operator, _, _ := pair(t, nkeys.PrefixByteOperator)
	account, accountKey, _ := pair(t, nkeys.PrefixByteAccount)
	op, _ := operator.PublicKey()
	unlimited := map[string]any{"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}
	opJWT := token(t, operator, "op", op, map[string]any{"type": "operator", "version": 2})
	accountJWT := token(t, operator, "acc", accountKey, map[string]any{"type": "account", "version": 2, "limits": unlimited})
	userJWT := token(t, account, "me", user, map[string]any{"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
	creds := func(jwt, seed string) string {
		return "-----BEGIN NATS USER JWT-----\n" + jwt + "\n------END NATS USER JWT------\n\n" +
			"-----BEGIN USER NKEY SEED-----\n" + seed + "\n------END USER NKEY SEED------\n"
	}
	dir := files(t, map[string]string{
		"pass": "sesame\n", "wrong": "open\n", "nkey": seed + "\n", "stranger": stranger,
		"creds": creds(userJWT, seed), "bad": creds(userJWT, stranger), "junk": "top secret\n",
	})
	plain := newServers(t, 1, `authorization { users = [ { user: me, password: sesame }, { nkey: `+user+` },
		{ user: deaf, password: sesame, permissions: { subscribe: { deny: "ipnfs.>" } } },
		{ user: mute, password: sesame, permissions: { publish: { deny: "ipnfs.>" } } } ] }`)[0]
	operated := newServers(t, 1, "operator: "+opJWT+"\nresolver: MEMORY\nresolver_preload { "+accountKey+": "+accountJWT+" }\n")[0]
	for _, c := range []struct {
		server *server
		args   string
		up     bool
		reason string
	}{
		{plain, "user=me&pass=DIR/pass", true, ""},
		{plain, "nkey=DIR/nkey", true, ""},
		{operated, "creds=DIR/creds", true, ""},
		{plain, "user=me&pass=DIR/wrong", false, "Authorization Violation"},
		{plain, "nkey=DIR/stranger", false, "Authorization Violation"},
		{operated, "creds=DIR/bad", false, "Authorization Violation"},
		{operated, "", false, "Authorization Violation"},
		{plain, "", false, "Authorization Violation"},
		{plain, "user=deaf&pass=DIR/pass", false, `Permissions Violation for Subscription`},
		{plain, "user=mute&pass=DIR/pass", false, `Permissions Violation for Publish`},
	} {
		t.Run(c.args, func(t *testing.T) {
			m := &member{Lab: bustest.NewLab(t, "broadcast")}
			m.lay(t, strings.TrimSuffix(fmt.Sprintf("nats://%s/lan?%s", c.server.addr, strings.ReplaceAll(c.args, "DIR", dir)), "?"))
			bustest.WaitFor(t, "the cable to be decided", func() bool { return m.word("state") != "connecting" })
			line := m.line()
			if up := m.word("state") == "up"; up != c.up || !strings.Contains(strings.ToLower(line), strings.ToLower(c.reason)) {
				t.Errorf("the line is %s", line)
			}
			for _, secret := range []string{"sesame", seed, stranger, userJWT} {
				if strings.Contains(line, secret) {
					t.Errorf("a secret stands in %s", line)
				}
			}
		})
	}
	for what, line := range map[string]string{
		"no seed":         "nkey=DIR/junk",
		"no credentials":  "creds=DIR/junk",
		"no file":         "creds=DIR/nothing",
		"no certificate":  "ca=DIR/junk",
		"no pair":         "cert=DIR/junk&key=DIR/junk",
		"two ways":        "creds=DIR/creds&nkey=DIR/nkey",
		"pass alone":      "pass=DIR/pass",
		"user alone":      "user=me",
		"cert alone":      "cert=DIR/junk",
		"a relative path": "nkey=nkey",
	} {
		m := &member{Lab: bustest.NewLab(t, "broadcast")}
		err := m.attach("nats://127.0.0.1/lan?" + strings.ReplaceAll(line, "DIR", dir))
		if fail.KindOf(err) == 0 || strings.Contains(err.Error(), "top secret") {
			t.Errorf("%s: %v", what, err)
		}
		if m.line() != "" {
			t.Errorf("%s: something stays: %s", what, m.line())
		}
	}
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	text        string
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	a := &authority{}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		tb.Fatal(err)
	}
	a.certificate, _ = x509.ParseCertificate(der)
	a.text = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

// issue makes a certificate for 127.0.0.1, and its key.
func (a *authority) issue(tb testing.TB) (certificate, key string) {
	tb.Helper()
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "me"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, private.Public(), a.key)
	if err != nil {
		tb.Fatal(err)
	}
	secret, _ := x509.MarshalPKCS8PrivateKey(private)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func TestTLS(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	cert, key := a.issue(t)
	mine, secret := a.issue(t)
	theirs, other := b.issue(t)
	dir := files(t, map[string]string{
		"ca": a.text, "other-ca": b.text, "cert": cert, "key": key,
		"mine": mine, "secret": secret, "theirs": theirs, "other": other,
	})
	config := fmt.Sprintf("tls { cert_file: %s/cert, key_file: %s/key, ca_file: %s/ca", dir, dir, dir)
	open := newServers(t, 1, config+" }\n")[0]
	mutual := newServers(t, 1, config+", verify: true }\n")[0]
	clear := newServers(t, 1, "")[0]
	for _, c := range []struct {
		server *server
		args   string
		reason string // empty: it is up
	}{
		{open, "ca=DIR/ca", ""},
		{mutual, "ca=DIR/ca&cert=DIR/mine&key=DIR/secret", ""},
		{open, "ca=DIR/other-ca", "certificate signed by unknown authority"},
		{open, "", "certificate signed by unknown authority"},
		{mutual, "ca=DIR/ca", "certificate"},
		{mutual, "ca=DIR/ca&cert=DIR/theirs&key=DIR/other", "certificate"},
		{clear, "tls=on", "does not speak TLS"},
		{clear, "ca=DIR/ca", "does not speak TLS"},
	} {
		t.Run(c.args, func(t *testing.T) {
			m := &member{Lab: bustest.NewLab(t, "broadcast"), counter: &counter{}}
			m.lay(t, strings.TrimSuffix(fmt.Sprintf("nats://%s/lan?%s", c.server.addr, strings.ReplaceAll(c.args, "DIR", dir)), "?"))
			m.sender = m.Join(t, m.counter)
			bustest.WaitFor(t, "the cable to be decided", func() bool { return m.word("state") != "connecting" })
			if up := m.word("state") == "up"; up != (c.reason == "") || !up && !strings.Contains(m.line(), c.reason) && !strings.Contains(m.line(), "reset by peer") {
				t.Fatalf("the line is %s", m.line())
			}
			if c.reason != "" {
				return
			}
			other := &member{Lab: bustest.NewLab(t, "broadcast"), counter: &counter{}, index: 2}
			other.lay(t, strings.TrimSuffix(fmt.Sprintf("nats://%s/lan?%s", c.server.addr, strings.ReplaceAll(c.args, "DIR", dir)), "?"))
			other.sender = other.Join(t, other.counter)
			other.awaitUp(t)
			other.send(t, everybody, 500, 1400)
			bustest.WaitFor(t, "frames by TLS", func() bool { n, _ := m.counter.from(2); return n == 500 })
		})
	}
}
