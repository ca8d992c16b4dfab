package link

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// hub is the one socket, and goroutine, through which all interfaces of all
// namespaces are watched. It does not keep the namespaces alive: with a socket
// in each they would outlive ip netns del and the end of their processes.
type hub struct {
	*socket

	mu sync.Mutex
	// +checklocks:mu
	watches map[*Watch]struct{}
}

// ask asks for w's facts.
func (h *hub) ask(w *Watch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	seq, err := h.socket.ask(w.nsid, w.index)
	if err == nil {
		w.seq, w.stale = seq, false
	}
	return err
}

// run reads until the socket is closed.
func (h *hub) run() {
	buf := make([]byte, 64<<10)
	lost := false
	for {
		n, nsid, err := h.receive(buf, !lost)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, unix.EAGAIN):
			lost = false
			h.refresh()
		case err != nil:
			// ENOBUFS: the buffer was full. Until it is empty, answers would be
			// lost too.
			lost = true
		}
		if err != nil {
			continue
		}
		messages, _ := syscall.ParseNetlinkMessage(buf[:n])
		for i := range messages {
			h.handle(&messages[i], nsid)
		}
	}
}

// refresh asks for everything anew.
func (h *hub) refresh() {
	h.mu.Lock()
	for w := range h.watches {
		w.stale = true
	}
	h.mu.Unlock()
	h.askStale()
}

// askStale asks for one of those that are to be asked for again, and each
// answer for the next: all at once might fill the buffer again.
func (h *hub) askStale() {
	for _, w := range h.find(func(w *Watch) bool { return w.stale }) {
		if h.ask(w) == nil {
			return
		}
	}
}

func (h *hub) find(match func(*Watch) bool) (found []*Watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches {
		if match(w) {
			found = append(found, w)
		}
	}
	return found
}

func (h *hub) handle(m *syscall.NetlinkMessage, nsid int) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.NLMSG_ERROR:
		if w := h.answered(m.Header.Seq); w != nil {
			w.answer(m)
			h.askStale()
			return
		}
		if f, ok := parse(m.Data); ok && m.Header.Type == unix.RTM_NEWLINK {
			for _, w := range h.find(func(w *Watch) bool { return w.is(nsid, f.Index) && w.first == nil }) {
				w.listener.Changed(f)
			}
		}
	case unix.RTM_DELLINK:
		if index, moved, ok := parseLeft(m.Data); ok {
			for _, w := range h.find(func(w *Watch) bool { return w.is(nsid, index) }) {
				w.left(moved)
			}
		}
	case unix.RTM_DELNSID:
		if id, ok := parseNSID(m.Data); ok {
			for _, w := range h.find(func(w *Watch) bool { return w.nsid == id }) {
				w.left(false)
			}
		}
	}
}

// answered returns whose question a message answers, or nil.
func (h *hub) answered(seq uint32) *Watch {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches {
		if seq >= firstSeq && w.seq == seq {
			w.seq = 0
			return w
		}
	}
	return nil
}
