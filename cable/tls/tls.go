// Package tls is the cables tls://HOST:PORT and tls-listen://[ADDR]:PORT: frames in a
// connection by TLS 1.3, of which each end knows the other by its certificate.
//
//   - locator.go: what a locator says. trust.go: whom a cable trusts.
//   - dial.go: cables that connect. listen.go: cables that wait to be connected to.
//   - gate.go: an address that several of those share, and who comes there.
//   - link.go: from a connection to a link, of which ipnfs/cable/relay tells the rest.
package tls

import (
	"ipnfs/cable"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "tls", Summary: "tls://HOST:PORT?cert=FILE&pin=PIN: another ipnfs, by TLS 1.3", Hops: true,
		Open: func(l words.Locator, o *cable.Origin) (cable.Dialer, error) { return openDialer(l, o) }})
	cable.Register(cable.Scheme{Name: "tls-listen", Summary: "tls-listen://[ADDR]:PORT?cert=FILE&pin=PIN: what connects by tls://", Hops: true,
		Open: func(l words.Locator, o *cable.Origin) (cable.Dialer, error) { return openListener(l, o) }})
}
