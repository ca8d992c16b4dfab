// Package iface makes network interfaces ports of a network. It serves the
// files tap, veth and grab: it registers a bus.Attacher for each.
//
//   - command.go, option.go: what may be written to the files.
//   - caller.go: who wrote it, and what he may do; turn.go: one
//     command of a user after the other.
//   - attacher.go: attach, detach, list. registry.go: what is attached where.
//   - attachment.go: one interface that is a port, from attach to its end;
//     follow.go when it moves, report.go what is told of it.
//   - tap.go, maketap.go, queue.go: taps.
//   - veth.go, makeveth.go: ends of veth pairs.
//   - grab.go, packet.go, tcx.go: grabbed interfaces.
//
// Beside it, netns finds namespaces and works in them, link tells of interfaces
// and watches them, and device carries the frames. What the kernel forwards by itself
// is in plane, and what it may, in fastpath.
//
// # Taps
//
// A tap that does not exist is made in a private namespace of the process and
// then moved to where it belongs. So nobody sees it half made; a process that
// is killed in the middle leaves nothing, as the private namespace ends with
// it; and the descriptors, which hold the namespace that they were opened in,
// do not keep alive the one that the tap is for: when it ends, so does the tap.
// A tap that exists has to be opened where it is and does hold its namespace,
// as does a grabbed interface, whose socket must be where it is. The kernel
// tells nobody that such a hold is the last one, so it is looked for what else
// there is (netns.Guard).
//
// A tap that persists gets its offloads cleared when it is released. If the
// process is killed it keeps them, and a next user who knows no virtio-net
// headers must clear them himself (TUNSETOFFLOAD), as QEMU does.
//
// # Veths
//
// One end of a pair is the host's, and the other one lies in the plane's namespace, beside
// the tap by which we get what the kernel does not forward. That end is ours for sure: it
// goes when the other one goes, has a carrier when that one is up, and tells the index of
// that one and the id of its namespace. So the host's end is found wherever it was moved,
// if a name or a process shows us the namespace of that id; and its end is noticed also
// where none does. Nothing of ours keeps alive the namespace that it is in.
//
// # Rights
//
// The files are written by whoever may manage a network, who need not be root,
// and the process usually is root. Each command is checked against what its
// caller could do by himself (caller.go). Where the kernel is to decide, it is
// asked under the caller's credentials (creds.Assume).
//
// # Locks
//
// registry.mu guards what is attached where, attachment.mu what is known of an
// interface; both are leaves: no call of bus, device or link is made under them.
// An end may be noticed by the network, by the device and by the watch, from
// calls that must not block, so all that has to be undone is undone by a
// goroutine of its own, once.
package iface
