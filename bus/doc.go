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
// The thread that brought a frame carries it to the end (deliver.go):
//
//  1. The endpoint fills a Batch that it owns and calls Conn.Send.
//  2. Send takes the network's snapshot (an immutable list of receivers and
//     settings behind an atomic pointer) and asks the Policy for the egress
//     of each frame; neighbours with the same egress form one run.
//  3. Each egress Conn, under its own lock and no other: if nothing is queued
//     and its endpoint can take frames now (Endpoint.Claim), they are handed
//     over straight from the ingress buffer after unlocking (Endpoint.Emit);
//     else a reference is queued, or the frame is dropped and counted by
//     reason, as the overflow setting says.
//  4. A queue that was empty and no longer is wakes its endpoint, unlocked.
//
// On this path there is no allocation, no global lock, no log line, no clock.
//
// # Locks
//
// In the order in which they may be taken: the network's park lock, Network.mu,
// then Bus.mu or the lock of the events' subscribers or Conn.mu. Under Bus.mu no
// lock of a network is taken, so who works on one network keeps nobody from the
// others. Endpoint.Claim runs under Conn.mu; Emit, Wake and Gone run under none.
//
// On the path of a frame only Conn.mu is taken, unless the network's membership
// has just changed, a receiver blocks its senders or the policy asked for a call.
// Then Network.mu is tried and never waited for (clerk.go): what cannot be had
// at once, or is much, is done by a goroutine of the network's own.
package bus
