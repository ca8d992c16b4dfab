package fs

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/fs/devfuse"
)

// maxEvents is how many bytes of events one reader may have waiting. Later
// ones are lost, and an events-lost line says how many.
const maxEvents = 64 << 10

// events is one open of NET/events: the lines since the open, each once.
type events struct {
	fs      *FS
	net     *bus.Network
	account *account
	// receives: the reader may receive frames, and so see what stands in them.
	receives bool

	mu sync.Mutex
	// +checklocks:mu
	lines []byte
	// +checklocks:mu
	lost int
	// +checklocks:mu
	ended bool
	// +checklocks:mu
	waiters waiters
	// +checklocks:mu
	armed bool
	// +checklocks:mu
	kh uint64
}

var _ bus.Events = (*events)(nil)

func openEvents(f *FS, n *node, in *fuse.OpenIn) (uint64, error) {
	if in.Flags&unix.O_ACCMODE != unix.O_RDONLY {
		return 0, fail.Errorf(fail.Denied, "events can only be read")
	}
	_, door := n.net.Access()
	if err := f.listeners.enter(n.net, in.Uid, door.UID); err != nil {
		return 0, err
	}
	e := &events{fs: f, net: n.net, account: f.accounts.enter(in.Uid),
		receives: mayReceive(door, &in.InHeader)}
	if err := n.net.Subscribe(e); err != nil {
		f.listeners.leave(n.net, in.Uid)
		f.accounts.leave(e.account)
		return 0, err
	}
	return f.dev.Open(e), nil
}

// mayReceive tells whether the caller has r on a door. Root does: it can be such
// that /proc does not tell us of its capabilities.
func mayReceive(door bus.Access, in *fuse.InHeader) bool {
	return in.Uid == 0 || door.Allows(creds.Of(in.Pid, in.Uid, in.Gid).Rights, bus.MayReceive)
}

// ofFrames are the events that tell what stands in frames.
var ofFrames = [][]byte{[]byte("learned"), []byte("moved")}

// shows tells whether the reader may see a line.
func (e *events) shows(line []byte) bool {
	if e.receives {
		return true
	}
	_, event, _ := bytes.Cut(line, []byte(" "))
	event, _, _ = bytes.Cut(event, []byte(" "))
	return !slices.ContainsFunc(ofFrames, func(name []byte) bool { return bytes.Equal(name, event) })
}

// Add takes one line for the reader.
func (e *events) Add(line []byte) {
	if !e.shows(line) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lost > 0 {
		note := fmt.Appendf(nil, "%s events-lost count=%d\n", bus.Stamp(time.Now()), e.lost)
		if !e.append(append(note, line...)) {
			e.lost++
			return
		}
		e.lost = 0
	} else if !e.append(line) {
		e.lost++
		return
	}
	e.serve()
}

// append adds lines if there is room for the reader and in his part of the
// mount's memory.
//
// +checklocks:e.mu
func (e *events) append(lines []byte) bool {
	if len(e.lines)+len(lines) > maxEvents || !e.account.mem.Charge(len(lines)) {
		return false
	}
	e.lines = append(e.lines, lines...)
	return true
}

// Gone makes the end of file follow the last line.
func (e *events) Gone() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	e.serve()
}

// serve answers who waits, and wakes a poller.
//
// +checklocks:e.mu
func (e *events) serve() {
	for len(e.waiters) > 0 && (len(e.lines) > 0 || e.ended) {
		w := e.waiters.pop()
		e.answer(e.fs.dev.Reply(w.unique), w.size)
	}
	if e.armed {
		e.armed = false
		e.fs.dev.NotifyPoll(e.kh)
	}
}

// answer gives as many whole lines as fit, or the beginning of one.
//
// +checklocks:e.mu
func (e *events) answer(r devfuse.Reply, size int) {
	n := min(size, len(e.lines))
	if end := bytes.LastIndexByte(e.lines[:n], '\n'); end >= 0 {
		n = end + 1
	}
	r.Data(e.lines[:n])
	e.take(n)
}

// take drops the first n bytes.
//
// +checklocks:e.mu
func (e *events) take(n int) {
	e.account.mem.Refund(n)
	e.lines = append(e.lines[:0], e.lines[n:]...)
	if len(e.lines) == 0 {
		e.lines = nil
	}
}

// Read waits for lines.
func (e *events) Read(r devfuse.Reply, size int, nonblock bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case len(e.lines) > 0 || e.ended:
		e.answer(r, size)
	case nonblock:
		r.Error(unix.EAGAIN)
	default:
		e.waiters.add(waiter{r.Unique(), size})
	}
}

// Write cannot be: events are opened to read only.
func (e *events) Write(r devfuse.Reply, _ []byte, _ int64, _ bool) { r.Error(unix.EBADF) }

// Poll tells whether lines wait.
func (e *events) Poll(r devfuse.Reply, want uint32, kh uint64, schedule bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if schedule {
		e.armed, e.kh = true, kh
	}
	var revents uint32
	if len(e.lines) > 0 {
		revents = devfuse.PollIn
	}
	if e.ended {
		revents |= devfuse.PollIn | devfuse.PollHup
	}
	r.Poll(revents & (want | devfuse.PollHup))
}

// Interrupt ends a wait.
func (e *events) Interrupt(unique uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.waiters.remove(unique) {
		return false
	}
	e.fs.dev.Reply(unique).Error(unix.EINTR)
	return true
}

// Release ends the subscription.
func (e *events) Release() {
	e.net.Unsubscribe(e)
	e.fs.listeners.leave(e.net, e.account.uid)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.take(len(e.lines))
	e.ended = true
	e.serve()
	go e.fs.accounts.leave(e.account) // it takes the bus's lock, which carries no frames
}
