// Package vlan is what an ethernet switch knows of VLANs (IEEE 802.1Q): the
// VLAN of a frame that comes by a port, the tags with which it leaves by another
// one, and which VLANs somebody added.
//
// Any switch may use it. A port's Member is an immutable value: the switch
// replaces it as a whole, behind an atomic pointer of its own, and Classify and
// Egress take no lock and allocate nothing. A Table locks nothing either: it is
// read at any time, and changed by one at a time, under the network's lock.
//
//   - member.go: how a port takes part. The path of a frame: Classify when it
//     comes, Egress at each port that is to get it.
//   - set.go: sets of VLANs, and how people write them. table.go: names of VLANs.
package vlan
