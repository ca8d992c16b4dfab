// Package device carries frames between a network and the kernel: it has the
// drivers of taps and of grabbed interfaces, which lanes serve (ipnfs/lane).
//
// A frame's way from one tap to another: the lane learns that the first tap has
// frames, and Read (tap.go) reads one, or a burst of them by one io_uring_enter.
// They go as one batch into the bus. The policy picks the second tap, whose Write
// (queue.go) writes the batch, on the same goroutine, by one call again. Nothing is
// copied in between, nothing is queued: a tap takes what is written. Each frame
// carries its virtio-net header from the one to the other, so that 64 KiB of TCP
// are one frame.
//
// A grabbed interface is a packet socket (packet.go), which is read by recvmmsg.
package device
