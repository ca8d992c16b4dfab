// Package bus is the heart of ipnfs: networks on which frames go from one
// port to the others, as a policy decides. It knows of no file, device or
// socket; those attach to it as Endpoints and bring and take frames in
// batches.
//
// # The nouns
//
//   - Bus: all networks of one mount, with the limits they share.
//   - Network: a named bus with its ports, settings, policy and events.
//   - Port: a number on a network, with a name and its own overrides.
//   - Conn: one attached Endpoint of a port: its rights, queue and counters.
//     Nearly every port has exactly one; several opens of ports/N/port by one
//     owner are several Conns of one port, which do not hear each other (as
//     vde_switch lets several endpoints share a port).
//   - Batch: frames that an endpoint sends, and what that may cost. Frames, and what
//     they lie and wait in, are package frame's.
//   - Policy: picks the egress ports of a frame. Its contract is package policy.
//
// # The path of a frame
//
// The thread that brought a frame carries it to the end: Conn.Send. The file
// path.go tells the path and has all of it, in order. On it there is no
// allocation, no global lock, no log line, no clock.
//
// # Locks
//
// In the order in which they may be taken: the network's park lock, Network.mu,
// then Bus.mu or the lock of the events' subscribers or Conn.mu. Under Bus.mu no
// lock of a network is taken, so who works on one network keeps nobody from the
// others. Endpoint.Claim runs under Conn.mu; Emit, Wake and Gone run under none.
//
// A field under a lock of its own struct has +checklocks:mu above it, a function
// that wants n.mu held has +checklocks:n.mu, and make lint checks both. In front
// of such a field each field needs a line of its own: the checker counts lines. To
// it p.net and n are two networks, so what a Port or a Conn has under Network.mu
// says so in words. It looks at a function by itself, too: where a lock was taken
// by tryLock, a line has +checklocksforce, and where a function is called later or
// by the way of another, +checklocksignore, each with the reason.
//
// On the path of a frame only Conn.mu is taken, unless the network's membership
// has just changed, a receiver blocks its senders or the policy asked for a call.
// Then Network.mu is tried and never waited for (clerk.go): what cannot be had
// at once, or is much, is done by a goroutine of the network's own.
package bus
