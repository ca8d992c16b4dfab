// Package fastpath lets the kernel repeat what a policy decides: it follows the policy's
// feed (policy.Feeder) and keeps the plane's table by it.
//
// The path of what is decided, from the policy to the plane:
//
//   - Each network with a Port has a follower, which is one goroutine, from the first
//     Port to the last (follower.go).
//   - What takes a right comes by Revoke, and by Bypass from the bus, with the network's
//     lock held: they give the port in the plane another mark, by one store, and wake the
//     follower.
//   - The follower takes changes from the feed (table.go). It notes a port's mark, asks the
//     feed, and stores the answer with the mark: what was revoked meanwhile is dead on
//     arrival. Stations are in the plane only where a Port is.
//   - What went by the plane comes back as counters (Port.Count) and as the time when a
//     station was last heard (follower.Used), when somebody asks.
//
// Locks: the network's comes before followers.mu; neither is taken under follower.mu. What
// the bus and the policy call takes no follower.mu, which may be held for as long as it
// takes to look at the whole table.
package fastpath
