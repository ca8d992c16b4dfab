package policy

import "time"

// A policy that forwards known unicast by a table can let others repeat what it
// decides, such as a program in the kernel that is to carry such frames without
// asking. The policy stays the authority: only it learns. Its table is stations,
// each at a port, and ports. A frame may go from its source's port to its
// destination's if both are stations of the frame's VLAN, the ports are two, and
// not both are isolated; its tag becomes what the destination's port wants. All
// other frames are for Policy.Forward.
//
// What a follower is told comes in two ways:
//
//   - Follower.Revoke, before the call returns that took the right: by it the
//     follower keeps to what is forbidden. One store should do, such as of a
//     number that all he knows of the port is marked with.
//   - Feed.Next, when the follower comes to it: what to look at anew. A Change does
//     not say what is there now, the follower asks that. So what comes late is not
//     wrong, only late, and a follower who fell too far behind looks at everything.
//
// Revoke is called after the table has changed. So who notes the mark of a port,
// asks what is there, and stores the answer with the mark never has anything
// that was revoked: either the mark is an old one, or the answer is new.
type (
	// Follower repeats the decisions of a policy.
	Follower interface {
		// Revoke says that nothing is to go any more to or from a port, in a VLAN,
		// before the follower has asked anew; a Change of it comes. Port 0 is all
		// ports, AnyVLAN all VLANs. Called with the network's lock held: it must
		// take a bounded time, and call neither the feed nor the network.
		Revoke(port int, vlan uint16)
		// Wake says that there are changes where there were none. It may be called
		// from Forward and under a policy's lock: it must not block, nor call back.
		Wake()
		// Used tells when a frame from an address of a VLAN last came by a port without
		// the policy, ok: it is known to have. It may be called from Forward and under a
		// policy's lock: it takes a microsecond or so, and calls nothing back.
		Used(vlan uint16, mac [6]byte, port int) (when time.Time, ok bool)
	}

	// Feed is what a follower asks. Its methods may be called from any thread,
	// take no lock of the network and are no work for it.
	Feed interface {
		// Next moves the next changes to list, oldest first, and returns how many.
		// If some were lost, as at the first call, resync says that all is to be
		// looked at anew.
		Next(list []Change) (n int, resync bool)
		// Station tells where frames to an address of a VLAN go now, if that is
		// known and they may go there.
		Station(vlan uint16, mac [6]byte) (Station, bool)
		// Stations lists the stations at a port, 0: at all, in no order, and some
		// perhaps twice. It is as long as the table.
		Stations(port int) []Station
		// Ports lists the ports that are there, by number.
		Ports() []FeedPort
		// Port tells how a port takes part now, if it is there.
		Port(number int) (FeedPort, bool)
		// Ended tells whether the policy is not in force any more. Then everything
		// has been revoked.
		Ended() bool
		// Close ends the following. After it the follower is not called any more,
		// but for calls under way.
		Close()
	}

	// Change is what a follower is to look at: a port, with all stations that it
	// had or has, or one address if Port is 0.
	Change struct {
		Port int
		VLAN uint16
		MAC  [6]byte
	}

	// Station is an address that is known at a port.
	Station struct {
		VLAN   uint16
		MAC    [6]byte
		Port   int
		Tagged bool // frames to it leave with the tag of the port and this VLAN
	}

	// FeedPort is how a port takes part.
	FeedPort struct {
		Port     Port
		Apart    string // why all its frames are for Policy.Forward; empty: they are not
		Isolated bool
		VLANs    bool   // tags are looked at; else all frames are in VLAN 0 and stay as they are
		PVID     uint16 // VLAN of untagged frames, 0: none
		TPID     uint16 // of the tags that count here
	}
)

// AnyVLAN is all VLANs.
const AnyVLAN uint16 = 0xffff
