// Package vde is the cable vde://DIR[?port=N]: it joins a vde_switch, or another ipnfs,
// as a client. DIR is the switch's directory, or a network's.
//
// The path of a link: Dial (dial.go) connects to DIR/ctl and asks for a port, by an
// abstract name of a datagram socket of its own. The switch makes one that is connected
// to it, and answers with that one's address, to which ours is connected. From then on a
// datagram is a frame (ipnfs/lane/vdeplug), and the link is up as long as the connection
// to ctl is.
package vde

import (
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/lane/vdeplug"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "vde", Summary: "vde://DIR[?port=N]: a vde_switch, or another ipnfs's network, by its directory", Open: open})
}

// dialer joins a switch.
type dialer struct {
	dir  string
	port int // vdeplug.AnyPort: the switch gives one
}

var _ cable.Dialer = (*dialer)(nil)

// open is cable.Scheme's.
func open(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	d := &dialer{dir: strings.TrimRight(l.Rest, "/")}
	if !strings.HasPrefix(l.Rest, "/") {
		return nil, fail.Errorf(fail.Invalid, "vde: %s is no directory: vde://DIR[?port=N] is meant, whose DIR begins with /", fail.Quote(l.Rest))
	}
	options := words.Options{words.One("port", &d.port, words.Between(1, vdeplug.MaxPort))}
	if err := options.Read(l.Args, nil); err != nil {
		return nil, err
	}
	return d, nil
}

// Close is cable.Dialer's.
func (d *dialer) Close() {}
