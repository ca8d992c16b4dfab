package nats

import (
	"testing"

	client "github.com/nats-io/nats.go"

	"ipnfs/cable"
	"ipnfs/words"
)

// spy is open, of which tests see what it returns.
func spy(l words.Locator, o *cable.Origin) (cable.Dialer, error) {
	d, err := open(l, o)
	opened.last = d // under its lock by who lays a cable
	return d, err
}

// dial is a plain client of a server, until it is closed.
func dial(tb testing.TB, addr string, options ...client.Option) *client.Conn {
	tb.Helper()
	c, err := client.Connect("nats://"+addr, options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}
