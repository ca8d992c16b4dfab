package main

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// queueLen is the number of frames an open file may have waiting.
const queueLen = 256

// hub sends what one open file writes to all others.
type hub struct {
	*tree
	mu    sync.RWMutex
	ports map[uint64]chan []byte // by file handle; nil for who only sends
}

func newHub() *hub { return &hub{tree: newTree(), ports: map[uint64]chan []byte{}} }

// Open makes a port.
func (h *hub) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	h.tree.Open(cancel, in, out)
	if in.Flags&unix.O_ACCMODE != unix.O_WRONLY {
		h.mu.Lock()
		h.ports[out.Fh] = make(chan []byte, queueLen)
		h.mu.Unlock()
	}
	return fuse.OK
}

// Release ends a port.
func (h *hub) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	h.mu.Lock()
	delete(h.ports, in.Fh)
	h.mu.Unlock()
}

// Read waits for a frame.
func (h *hub) Read(cancel <-chan struct{}, in *fuse.ReadIn, _ []byte) (fuse.ReadResult, fuse.Status) {
	h.mu.RLock()
	queue := h.ports[in.Fh]
	h.mu.RUnlock()
	select {
	case frame := <-queue:
		return fuse.ReadResultData(frame[:min(len(frame), int(in.Size))]), fuse.OK
	default:
	}
	if in.Flags&unix.O_NONBLOCK != 0 {
		return nil, fuse.EAGAIN
	}
	select {
	case frame := <-queue:
		return fuse.ReadResultData(frame[:min(len(frame), int(in.Size))]), fuse.OK
	case <-cancel:
		return nil, fuse.EINTR
	}
}

// Write copies the frame once and queues it at all others.
func (h *hub) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	frame := append([]byte(nil), data...)
	h.mu.RLock()
	defer h.mu.RUnlock()
	for fh, queue := range h.ports {
		if fh == in.Fh {
			continue
		}
		select {
		case queue <- frame:
		default:
		}
	}
	return uint32(len(data)), fuse.OK
}
