// Package seq is the cable seq://PATH: it connects to a socket of SOCK_SEQPACKET that
// takes a message a frame, as slirp4netns --target-type=bess and UML's hubs do.
//
// The path of a frame: the lane learns that the socket has messages. Read (driver.go)
// receives a burst of them by recvmmsg into the lane's memory and lends it to a batch,
// which goes into the bus; Write sends a burst by sendmmsg. Nothing is copied in between.
package seq

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "seq", Summary: "seq://PATH: a socket of packets, a frame each: slirp4netns", Open: open})
}

// dialer connects to the socket at a path.
type dialer struct{ path string }

var _ cable.Dialer = dialer{}

// open is cable.Scheme's.
func open(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	if !strings.HasPrefix(l.Rest, "/") || len(l.Args) > 0 {
		return nil, fail.Errorf(fail.Invalid, "seq: seq://PATH is meant, whose PATH begins with /, without arguments")
	}
	return dialer{l.Rest}, nil
}

// Dial is cable.Dialer's.
func (d dialer) Dial(_ context.Context, p *cable.Plug) (*cable.Link, error) {
	fd, err := p.Origin().DialUnix(d.path, unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, err
	}
	return &cable.Link{Source: (&packets{fd: fd}).source(), Peer: d.path}, nil
}

// Close is cable.Dialer's.
func (d dialer) Close() {}
