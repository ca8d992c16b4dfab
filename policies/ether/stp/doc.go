// Package stp is the Rapid Spanning Tree Protocol of IEEE Std 802.1D-2004,
// clause 17, with the BPDUs of clause 9: one Bridge takes part in one tree. It
// talks STP to bridges that know no better.
//
// It is the protocol and nothing else, and any switch may use it. A Bridge has no goroutine and no clock,
// reads no interface and forwards no frame. Its owner calls Tick once a second
// and Receive for each BPDU, and the Bridge answers through an Output: BPDUs to
// send, states of ports, addresses to forget.
//
// # Locks
//
// A Bridge is not safe for concurrent use: the owner locks. The Output is
// called from within the owner's calls, so it must not call the Bridge, nor
// carry a BPDU to where somebody waits for the owner's lock: a neighbour that
// answers at once would. It may queue the BPDU and send it after unlocking.
//
// # The state machines
//
// Variables, timers and procedures have the names of the standard's, so that
// the code can be read beside it. After each event all machines run until none
// moves (Bridge.run), and then the BPDUs go out.
//
//	17.22 Port Timers               timers.go
//	17.23 Port Receive              receive.go
//	17.24 Port Protocol Migration   detect.go
//	17.25 Bridge Detection          detect.go
//	17.26 Port Transmit             transmit.go
//	17.27 Port Information          information.go
//	17.28 Port Role Selection       selection.go
//	17.29 Port Role Transitions     transition.go
//	17.30 Port State Transition     transition.go
//	17.31 Topology Change           topology.go
//
// A state that is left unconditionally (UCT) is an action here, not a state,
// and what a variable says already (infoIs, operEdge, role) is not kept twice.
// mcheck, which nothing here would set, is left out.
//
// # Where it departs from 802.1D-2004
//
// The later text of IEEE Std 802.1Q, clause 13, is followed where it says more,
// or better:
//
//   - recordDispute sets disputed and clears agreed.
//   - An Alternate Port waits forwardDelay, not FwdDelay.
//   - A TCN BPDU sets rcvdTcn when it arrives, whatever else the port knows.
//   - allSynced asks for updtInfo to be clear, too.
//
// Two things are stricter. When the root is lost while there are loops of links,
// old news of it may go round and count to infinity, until MaxAge ends it; in
// that time RSTP lets loops of frames happen. These make them rare, and short:
//
//   - An agreement may be older than what the port said last. If the port told
//     something better in between, the neighbour may have acted on that. So for
//     a moment after news got better and then worse, agreements are not
//     believed (betterWhile, doubtWhile).
//   - A root port that becomes designated discards until its neighbour agrees,
//     not only when another port becomes the root port.
//
// Further:
//
//   - A BPDU that comes back to the port it left by disputes that port, so a
//     port that reflects its frames never forwards. 9.3.4 only drops it.
//   - Flush means at once, also for ForceSTP, where 17.19.7 ages rapidly.
//   - Times in a received BPDU are brought into the ranges of 802.1D, as a
//     forward delay of 0 would open loops.
package stp
