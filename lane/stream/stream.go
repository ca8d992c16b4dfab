// Package stream carries frames in a stream of bytes, each behind a head that tells its
// length: a lane's driver for descriptors (Driver), and what it is made of, for streams
// whose bytes come and go otherwise (Parser).
//
// The path of a frame from one such peer to another: the lane learns that the first
// one's descriptor has bytes. Read (read.go) receives many into the lane's memory, and
// the parser (parse.go) adds the frames in it, as they lie, to a batch, which goes into
// the bus. The policy picks the second peer, whose Write (write.go) sends the burst in
// one call, on the same goroutine. Frames that came one behind the other leave so, with
// the heads that they came with, and nothing is copied in between but what a call of
// the first peer cut.
package stream

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
)

// maxHead is the length in bytes of the longest head of a stream's forms.
const maxHead = 4

// Config describes a stream.
type Config struct {
	// Form is what stands in front of each frame: frame.Length2, Length4 or
	// Hops4. A frame that cannot have the form is lost; who joins can have it counted
	// by its reason: one over frame.MaxPrefixed (bus.JoinOptions.MaxLen), one that has
	// passed frame.MaxHops (bus.JoinOptions.Hops).
	Form frame.Form
	// In is the descriptor that is read, Out the one that is written; they may be the
	// same. Both are non-blocking, and such as epoll knows: sockets, pipes.
	In, Out int
	// Net is the network that the frames come to: its mtu counts, and it lends memory.
	Net *bus.Network
	// Mute says that the peer may not send: what comes is dropped (frame.DropFiltered).
	Mute bool
	// Closed is called once, when the descriptors are closed; nil: nobody is.
	Closed func()
}

// Driver is the driver of a stream. It is for one endpoint, and not for a Lossy one.
type Driver struct {
	in, out int // descriptors
	net     *bus.Network
	form    frame.Form
	closed  func()

	parser Parser // Read and what is below it is Read's, and the rest Write's
	input  input
	output output
}

var _ lane.Driver = (*Driver)(nil)

// New returns the driver of a stream. It owns the descriptors: Close closes them.
func New(c Config) *Driver {
	return &Driver{
		in: c.In, out: c.Out, net: c.Net, form: c.Form, closed: c.Closed,
		parser: Parser{Form: c.Form, Net: c.Net, Mute: c.Mute, typical: 8 * firstAsk},
	}
}

// Source returns the stream as a source of a lane.
func (d *Driver) Source() lane.Source {
	s := lane.Source{FD: d.in, Driver: d, Bulk: true}
	if d.out != d.in {
		s.OutFD, s.OutWritable = d.out, true
	}
	return s
}

// Close is lane.Driver's.
func (d *Driver) Close() {
	_ = unix.Close(d.in)
	if d.out != d.in {
		_ = unix.Close(d.out)
	}
	d.input.reset()
	d.output.reset()
	if d.closed != nil {
		d.closed()
	}
}

// block gets memory of the network for n bytes, or nil.
func (d *Driver) block(n int) *frame.Block { return d.net.Memory().Block(n) }
