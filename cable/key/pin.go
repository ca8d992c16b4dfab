package key

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"ipnfs/bus/fail"
)

// method begins a pin.
const method = "sha256:"

var encoding = base64.RawURLEncoding.Strict() // no two texts for one pin

// Pin is by what others know a certificate: sha256: and the SHA-256 of its public
// key (SubjectPublicKeyInfo, as in RFC 7469 2.4), in 43 characters of base64url
// (RFC 4648 5, without padding). A new certificate of the same key has the same
// pin.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return method + encoding.EncodeToString(sum[:])
}

// ParsePin reads a pin and gives it as Pin does, to compare with.
func ParsePin(text string) (string, error) {
	sum, found := strings.CutPrefix(text, method)
	if raw, err := encoding.DecodeString(sum); !found || err != nil || len(raw) != sha256.Size || strings.ContainsAny(sum, "\r\n") {
		return "", fail.Errorf(fail.Invalid, "pin %q must be sha256: and 43 letters, digits, - and _, as ipnfs key FILE prints it", text)
	}
	return text, nil
}
