// Package fs is the tree that ipnfs mounts: networks as directories, their
// settings, reports and ports as files. The contract of every file is in the
// manual page ipnfs(5).
//
//   - table.go: one row a file: name, rights, reader, writer. A new file of the
//     tree's own is a row here, and an entry in ipnfs(5).
//   - file.go: rows of files that other packages serve and have registered
//     (bus.RegisterFile), such as tap.
//   - socket.go: those that are sockets; accept.go: when they are bound;
//     visit.go: who connects.
//   - node.go: what a node id means; known.go: which of them the kernel
//     remembers, so that none is given again meanwhile.
//   - attr.go: owners and modes; the rights of settings follow from port's.
//   - tree.go, dir.go, change.go: lookup, listing, mkdir and what changes.
//   - open.go, control.go: files that are read and written as text;
//     setting.go, report.go, metrics.go: what they say and do.
//   - account.go: what a user has open counts as his memory; listeners.go: how
//     many read events.
//   - policy.go: what the policy in force serves, POLICY/ and files of ports.
//   - door.go, port.go, stream.go, send.go, gather.go, events.go: files that
//     the device's goroutine serves, the path of frames.
//   - errors.go: causes become errno for programs and lines for people.
//
// # The path of a frame
//
// A write(2) on port arrives as WRITE in port.Write, which lends its bytes to
// bus.Conn.Send. That finds for each receiver a waiting READ (door.Claim) and
// answers it from the very same buffer (Emit), or queues one shared copy and
// wakes the receiver if it polls. A read(2) arrives as READ in port.Read and
// is answered from the queue, or waits as 16 bytes in the door.
package fs
