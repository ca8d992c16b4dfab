// Package devfuse reads /dev/fuse for ipnfs: one goroutine that answers
// READ, WRITE, POLL, INTERRUPT and RELEASE of hot handles (ports, streams,
// event streams) itself, straight from the bus, and hands every other request
// to go-fuse's ProtocolServer in a goroutine of its own.
//
// Why not go-fuse's own server: it answers POLL with ENOSYS and has no
// wake-up, it costs more than twice a minimal daemon per operation, and it
// keeps a goroutine and a buffer for every blocked reader.
//
// # The path of a request
//
//  1. Serve reads one request into a buffer that is used again and again
//     (loop.go).
//  2. dispatch looks at opcode and file handle. A hot one goes to its Handle
//     on this goroutine, with the payload lent from the buffer (hot.go).
//  3. The Handle answers by a Reply, now, or keeps it (16 bytes) and answers
//     later from whichever thread brings what was waited for (reply.go).
//     Replies never block, so they are raw system calls.
//  4. Everything else is copied, since it is small, and served by
//     ProtocolServer over the tree's RawFileSystem, but for READ, which the
//     tree answers with as much as it has (cold.go).
//
// # Order
//
// The kernel queues requests in the order of the system calls, and one goroutine
// reads them. RELEASE is served there too: after close(2) returned, a
// following rmdir finds the port gone. What a RELEASE leaves to be done under a
// lock that somebody holds is done before any later request gets that lock. For
// the order's sake an INTERRUPT never
// overtakes the request it means: the kernel sends it only once the request
// was read. One that fits no pending request came too late, or means a cold
// request, which does not wait for anything, and is left unanswered, as the
// protocol allows.
package devfuse
