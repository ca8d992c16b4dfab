// Package vhost is the socket vhost in the directory of each network: the back end
// of vhost-user-net, to which QEMU, cloud-hypervisor, crosvm and DPDK connect so that
// a guest's network device is a port. Its rings lie in the guest's own memory, which
// is mapped here.
//
// # The path of a frame
//
//  1. The front end connects and tells where the memory is and the rings in it
//     (serve.go, message.go, request.go, table.go, setup.go). It is a port from its first
//     request on, and keeps that while its guest stops, boots and takes other features.
//  2. The guest puts a frame into its ring and kicks, if it is asked to. A lane
//     calls Read (transmit.go), which copies a burst of frames out, once, and only
//     then looks at them. While there are more, nobody kicks. They go into the bus as
//     the frames of a tap do, with their virtio-net headers.
//  3. A frame for the guest is copied by Write (receive.go) into buffers that the
//     guest has put into the other ring, as many as it takes (chain.go), with a header. What the
//     guest does not take as it is, such as a super-frame, is cut here. The guest is
//     told once for a burst, if it wants that (used.go, event.go).
//  4. If there are no buffers, frames wait in the port's queue, and the guest is asked
//     to kick when there are.
//
// So while both sides are busy there is no system call a frame.
//
// # What is not believed
//
// All of it is a stranger's. Messages, descriptors, addresses and indices are checked
// each time, and are read once. A ring that cannot be is broken: it stops, and the
// front end is told by its eventfd for errors. The memory can vanish under us (ring.guard),
// and a descriptor can be of a kind that makes callers wait (event.go, memory.go).
//
// The machine's numbers are little-endian, as those of virtio 1 are.
//
// # Locks
//
// device.mu is held while a request is served, ring.mu while the memory is used by
// that ring. Both rings are locked, one after the other, when memory goes, so that
// nobody uses it when it is unmapped. ring.mu is a leaf: Write is called with bus.Conn
// locked.
package vhost
