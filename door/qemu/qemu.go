// Package qemu is the socket qemu of a network: a stream of frames, each behind its
// length in 4 bytes, big-endian. QEMU speaks so (-netdev stream, net/stream.c), and
// passt and libkrun do. lane/stream carries the frames.
package qemu

import (
	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/stream"
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

// maxLen is the longest frame in bytes that is sent to a peer: on a longer one QEMU
// ends the connection (NET_BUFSIZE).
const maxLen = 68 << 10

// serve is bus.Socket's.
func serve(v *bus.Visitor) error {
	o := v.Join()
	o.Info.Kind, o.MaxLen = "qemu", maxLen
	d := stream.New(stream.Config{Form: frame.Length4, In: v.FD, Out: v.FD, Net: v.Network, Mute: !v.Send, Closed: v.Left})
	if _, err := lane.Start(v.Network, lane.Config{Sources: []lane.Source{d.Source()}}, o); err != nil {
		d.Close()
		return err
	}
	return nil
}
