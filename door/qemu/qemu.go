// Package qemu is the socket qemu of a network: a stream of frames, each behind its
// length in 4 bytes, big-endian. QEMU speaks so (-netdev stream, net/stream.c), and
// passt and libkrun do.
//
// The path of a frame from one such peer to another: the lane learns that the first
// one's socket has bytes. Read (read.go) receives many into the lane's memory and adds
// the frames in it, as they lie, to a batch, which goes into the bus. The policy picks
// the second peer, whose Write (write.go) sends the burst in one call, on the same
// goroutine. Frames that came one behind the other leave so, with the lengths that they
// came with, and nothing is copied in between but what a call of the first peer cut.
package qemu

import (
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
)

func init() {
	bus.RegisterFile(bus.File{
		Place:   bus.InNetwork,
		Name:    "qemu",
		Summary: "socket of frames, each behind its length in 4 bytes: QEMU's -netdev stream, passt",
		Rule:    bus.ForPeers,
		Socket:  &bus.Socket{Serve: serve},
	})
}

// headLen is the length in bytes of what is in front of a frame.
const headLen = 4

// maxLen is the longest frame in bytes that is sent to a peer: on a longer one QEMU
// ends the connection (NET_BUFSIZE).
const maxLen = 68 << 10

// peer is the driver of a connection. Read and Write use different fields.
type peer struct {
	fd   int
	net  *bus.Network
	mute bool // it may not send: what comes is dropped
	left func()

	in  input
	out output
}

var _ lane.Driver = (*peer)(nil)

// serve is bus.Socket's.
func serve(v *bus.Visitor) error {
	o := v.Join()
	o.Info.Kind, o.MaxLen = "qemu", maxLen
	p := newPeer(v)
	if _, err := lane.Start(v.Network, lane.Config{Sources: p.sources()}, o); err != nil {
		p.Close()
		return err
	}
	return nil
}

func newPeer(v *bus.Visitor) *peer {
	return &peer{fd: v.FD, net: v.Network, mute: !v.Send, left: v.Left, in: input{typical: 8 * firstAsk}}
}

func (p *peer) sources() []lane.Source { return []lane.Source{{FD: p.fd, Driver: p, Bulk: true}} }

// Close is lane.Driver's.
func (p *peer) Close() {
	_ = unix.Close(p.fd)
	p.in.reset()
	p.out.reset()
	p.left()
}

// block gets memory of the network for n bytes, or nil.
func (p *peer) block(n int) *frame.Block { return p.net.Memory().Block(n) }
