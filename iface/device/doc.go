// Package device carries frames between a network and the kernel: it is the
// data path of taps and of grabbed interfaces.
//
// A frame's way from one tap to another: a loop's goroutine (loop.go) learns
// by epoll that the first tap has frames, reads one, or a burst of them by one
// io_uring_enter (read.go, ring.go), and sends them as one batch into the bus.
// The policy picks the second tap, whose Emit (write.go) writes the batch, on the same
// goroutine, by one call again. Nothing is copied in between, nothing is
// queued: a tap takes what is written. Each frame carries its virtio-net header
// from the one to the other, so that 64 KiB of TCP are one frame.
//
// The ring is used as calls for many frames at once, which taps lack, never
// asynchronously: all descriptors are non-blocking, so each operation is done
// when the call returns. At low load there is one frame to read, and plain
// read and write are faster.
package device
