// Package seq is the socket seq of a network: a message a frame, as UML, slirp4netns
// and scapy send and take them. A peer may send a tap instead, which becomes his port.
//
// The path of a frame from one such peer to another: the lane learns that the first
// one's socket has messages. Read (read.go) receives a burst of them by recvmmsg into
// the lane's memory, and lends it to a batch, which goes into the bus. The policy picks
// the second peer, whose Write sends the burst by sendmmsg, on the same
// goroutine. Nothing is copied in between. Of a tap the path is that of
// ipnfs/iface/device; tap.go tells how it gets there.
package seq

import (
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/lane"
)

func init() {
	bus.RegisterFile(bus.File{
		Place:   bus.InNetwork,
		Name:    "seq",
		Summary: "socket of packets, a frame each: User Mode Linux, slirp4netns, scapy; a tap's descriptor sent here is a port",
		Rule:    bus.ForPeers,
		Socket:  &bus.Socket{Packets: true, Serve: serve},
	})
}

// peer is the driver of a connection. Read and Write use different fields.
type peer struct {
	fd   int
	mute bool // it may not send: what comes is dropped
	left func()

	in, out lane.Messages

	first first
	kept  atomic.Bool // the connection outlives the endpoint as the life line of a tap, or is closed
}

var _ lane.Driver = (*peer)(nil)

// serve is bus.Socket's. The connection is a port at once, as who only receives sends
// no first message. It returns when that has come, or never may bring a tap any more.
func serve(v *bus.Visitor) error {
	o := v.Join()
	o.Info.Kind = "seq"
	p := newPeer(v)
	e, err := lane.Start(v.Network, lane.Config{Sources: p.sources()}, o)
	if err != nil {
		p.Close()
		return err
	}
	v.Joined()
	fd, err := p.first.await(bus.Patience)
	switch {
	case fd < 0:
		return nil
	case err != nil:
		_ = unix.Close(fd)
		e.Close()
		return err
	}
	return p.replace(v, e, fd)
}

func newPeer(v *bus.Visitor) *peer {
	p := &peer{fd: v.FD, mute: !v.Send, left: v.Left}
	p.first.descriptors = make(chan descriptor, 1)
	return p
}

func (p *peer) sources() []lane.Source { return []lane.Source{{FD: p.fd, Driver: p}} }

// Close is lane.Driver's.
func (p *peer) Close() {
	p.first.close()
	if p.kept.CompareAndSwap(false, true) {
		_ = unix.Close(p.fd)
		p.left()
	}
}
