// Package qemu is the cable qemu://PATH: it connects to a socket that takes a stream of
// frames, each behind its length in 4 bytes, big-endian, as passt and QEMU's -netdev
// stream,server=on do. A frame passes by ipnfs/lane/stream.
package qemu

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/cable"
	"ipnfs/lane/stream"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "qemu", Summary: "qemu://PATH: a socket of frames behind 4-byte lengths: passt, QEMU that listens", Open: open})
}

// maxLen is the longest frame in bytes that is sent: on a longer one QEMU ends the
// connection (NET_BUFSIZE).
const maxLen = 68 << 10

// dialer connects to the socket at a path.
type dialer struct{ path string }

var _ cable.Dialer = dialer{}

// open is cable.Scheme's.
func open(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	if !strings.HasPrefix(l.Rest, "/") || len(l.Args) > 0 {
		return nil, fail.Errorf(fail.Invalid, "qemu: qemu://PATH is meant, whose PATH begins with /, without arguments")
	}
	return dialer{l.Rest}, nil
}

// Dial is cable.Dialer's.
func (d dialer) Dial(_ context.Context, p *cable.Plug) (*cable.Link, error) {
	fd, err := p.Origin().DialUnix(d.path, unix.SOCK_STREAM)
	if err != nil {
		return nil, err
	}
	s := stream.New(stream.Config{Form: frame.Length4, In: fd, Out: fd, Net: p.Network()})
	return &cable.Link{Source: s.Source(), Peer: d.path, MaxLen: maxLen}, nil
}

// Close is cable.Dialer's.
func (d dialer) Close() {}
