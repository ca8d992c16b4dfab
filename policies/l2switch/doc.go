// Package l2switch is the policy of an ethernet switch: IEEE 802.1D and
// 802.1Q, with what a managed switch has beside them.
//
// A frame's way (forward.go):
//
//	runt or bad source          dropped as malformed
//	reserved address            to the spanning tree, or dropped (reserved.go)
//	VLAN of the frame           ingress rules of 802.1Q 8.6.1, 8.6.2 (package vlan)
//	port's state                discarding: dropped; learning: learned, dropped (stp.go)
//	source address              learned (package fdb)
//	destination                 one port, the ports of a group (package snoop), or all
//	egress                      state, isolation and VLAN of each port; tags as it wants them
//
// Forward takes no lock and allocates nothing: what it reads are atomics and
// immutable values that the settings replace. What must change more than
// that, a BPDU for one, is deferred to a call that holds the network's lock
// (policy.Env.Defer); all else in this package holds it.
//
//   - switch.go: the policy and its ports. ports.go: the ports by number.
//   - memory.go: what is charged to the network.
//   - forward.go: what happens to a frame.
//   - storm.go: what a port allows. multicast.go: groups.
//   - reserved.go: addresses that bridges keep to themselves.
//   - stp.go, stpmode.go, stpreport.go: spanning trees, one or one for each VLAN.
//   - feed.go: what a follower repeats, such as a program in the kernel. Whatever
//     takes a right, or forgets, ends in feed.Revoke (package feed).
//   - tables.go, knobs.go, portknobs.go: what people read and write.
package l2switch
