// Package nats is the cable nats://: one network spread over a cluster of NATS servers.
// NATS carries messages from who publishes on a subject to all who listen there; the
// cable puts frames into them.
//
//   - locator.go, secret.go: what a locator says, and the files that it names.
//   - dialer.go: what a cable keeps between connections. link.go: one of them, the
//     lane.Driver. wire.go: the socket below nats.go.
//   - message.go: what a message is. guard.go: what came before and what was lost.
//   - table.go: which station is behind which node.
//   - outbox.go, inbox.go: what waits to be sent, and to be read.
//
// # Subjects
//
// All members of SUBJECT listen to ipnfs.SUBJECT.all, and each to
// ipnfs.SUBJECT.node.ID, where ID is a number by chance in 16 hex digits. A network that
// learns no addresses sends all to the first, and hears nothing of its own. A switch sends
// what is for one station to the node behind which it heard that last.
//
// # The path of a frame
//
// Out: Write (link.go), on the lane that carries the frame, looks up its node and copies
// it to the node's open message in the outbox (outbox.go), without waiting. The link's
// writer takes the oldest message and publishes it; meanwhile others fill, so a message is
// one frame while there is little to do, and up to 48 KiB under load. No timer and no
// flush is needed.
//
// In: the wire (wire.go) reads a message into a block of the network's memory; nats.go,
// which would make garbage of each, sees only what else the server says. The message is
// checked (message.go, guard.go) and waits in the inbox (inbox.go) for the lane, whose
// Read (link.go) gives the frames to the bus as they lie.
//
// # Locks
//
// table.mu is taken under outbox.mu. guard.mu and inbox.mu are leaves, and so are those
// of nats.go, which calls nothing here under a lock but wire.
package nats

import (
	"ipnfs/cable"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{
		Name: "nats", Summary: "one network over a cluster of NATS servers",
		Hops: true,
		Open: func(l words.Locator, o *cable.Origin) (cable.Dialer, error) { return open(l, o) },
	})
}
