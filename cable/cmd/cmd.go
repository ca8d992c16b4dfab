// Package cmd is the cable cmd://COMMAND: a command whose standard input and output carry
// frames, each behind its length in 2 bytes, big-endian, as vde_plug, wirefilter, ipnfs
// plug and so ssh(1) do.
//
// The command is who laid the cable, and where he is: place.go tells what is asked about
// him when he lays it, start.go how a thread starts this program there, helper.go how that
// becomes the command, process.go how it ends. A frame passes by ipnfs/lane/stream, through
// a socket that is both standard input and output.
package cmd

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
	cable.Register(cable.Scheme{
		Name: "cmd", Command: true, Open: open,
		Summary: "cmd://COMMAND: a command with frames behind 2-byte lengths on its standard input and output",
	})
}

// dialer starts a command.
type dialer struct {
	command string
	place   *place
}

var _ cable.Dialer = (*dialer)(nil)

// open is cable.Scheme's.
func open(l words.Locator, o *cable.Origin) (cable.Dialer, error) {
	if strings.TrimSpace(l.Rest) == "" || len(l.Args) > 0 {
		return nil, fail.Errorf(fail.Invalid, "cmd: cmd://COMMAND is meant")
	}
	p, err := findPlace(o)
	if err != nil {
		return nil, err
	}
	return &dialer{l.Rest, p}, nil
}

// Close is cable.Dialer's.
func (d *dialer) Close() { d.place.close() }

// Dial is cable.Dialer's.
func (d *dialer) Dial(_ context.Context, p *cable.Plug) (*cable.Link, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, err
	}
	k := &cable.Link{MaxLen: frame.MaxPrefixed}
	r, err := d.start(pair[1], p.Tell, func(why error) { p.Broken(k, why) })
	if err != nil {
		_ = unix.Close(pair[0])
		return nil, err
	}
	s := stream.New(stream.Config{Form: frame.Length2, In: pair[0], Out: pair[0], Net: p.Network(), Closed: r.end})
	k.Source = s.Source()
	return k, nil
}
