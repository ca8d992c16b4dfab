package frame

import "ipnfs/bus/vnet"

// Edit is a change to a frame on its way to a port: first Strip tags are taken
// off behind the MAC addresses, then Push is put there, then it is rewritten. The
// zero Edit changes nothing. A policy strips only tags that are there; a frame
// too short for what is to be stripped passes as it is.
//
// Frames that have the same Edit, by ==, are copied once for all receivers.
type Edit struct {
	Strip   uint8    // number of tags, 0 to 2
	Push    uint32   // TPID<<16 | TCI (IEEE 802.1Q 9.3); 0: none
	Rewrite *Rewrite // nil: none
}

// Rewrite is what a router does to a frame: it goes to another host, comes from
// the router, and has one hop less. Nobody changes it once a frame went with it;
// a policy keeps one for each neighbour and port, as another of the same content
// is another Edit.
//
// What cannot be is not done, and nothing else is missing for that: a frame that
// is not IP (vnet.HopLimit) gets the addresses, and a hop limit of 0 stays. So a
// policy looks first what it routes, and drops what has no more than 1 hop left.
type Rewrite struct {
	Dst, Src [6]byte // MAC addresses
	HopLimit bool    // lower the hop limit: vnet.LowerHopLimit
}

// apply rewrites a frame that has its MAC addresses.
func (r *Rewrite) apply(frame []byte) {
	copy(frame, r.Dst[:])
	copy(frame[len(r.Dst):], r.Src[:])
	if r.HopLimit {
		vnet.LowerHopLimit(frame)
	}
}
