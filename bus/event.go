package bus

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Events is a subscriber's end of a network's events. Add is called with locks
// of the network held: it must not block and not call the network back.
type Events interface {
	// Add takes one line: TIME EVENT key=value..., newline included. All
	// subscribers share its bytes.
	Add(line []byte)
	// Gone says that the network has ended: no line follows.
	Gone()
}

// events are who reads a network's events. Its lock is held while one line goes
// to all, and so is one that a thread which carries frames may take; it comes
// behind Network.mu.
type events struct {
	mu sync.Mutex
	// +checklocks:mu
	subscribers []Events
}

// Subscribe gives s the events from now on, until Unsubscribe.
func (n *Network) Subscribe(s Events) error {
	n.lock()
	defer n.mu.Unlock()
	if n.gone {
		return errNetworkGone
	}
	n.events.mu.Lock()
	defer n.events.mu.Unlock()
	n.events.subscribers = append(n.events.subscribers, s)
	n.listening.Add(1)
	return nil
}

// Unsubscribe ends it; no call of s follows. It does not wait for work under the
// network's lock.
func (n *Network) Unsubscribe(s Events) {
	n.events.mu.Lock()
	defer n.events.mu.Unlock()
	if i := slices.Index(n.events.subscribers, s); i >= 0 {
		n.events.subscribers = slices.Delete(n.events.subscribers, i, i+1)
		n.listening.Add(-1)
	}
}

// endEvents ends all subscriptions.
func (n *Network) endEvents() {
	n.events.mu.Lock()
	defer n.events.mu.Unlock()
	for _, s := range n.events.subscribers {
		s.Gone()
	}
	n.events.subscribers = nil
	n.listening.Store(0)
}

// Event publishes one event with its key=value pairs. Endpoints may call it,
// without holding the network's lock; policies have Env.Event.
func (n *Network) Event(name, format string, args ...any) {
	n.lock()
	defer n.mu.Unlock()
	n.eventLocked(name, format, args...)
}

// Tell writes to the file errors what went wrong, after its command was taken, with
// something that by attached: what names it, and by.Kind the file.
func (n *Network) Tell(by Info, what string, err error) {
	if told := n.bus.Told; told != nil {
		told(n, by, what, err)
	}
}

// +checklocks:n.mu
func (n *Network) eventLocked(name, format string, args ...any) {
	if n.listening.Load() == 0 {
		return
	}
	line := append([]byte(Stamp(time.Now())), ' ')
	line = append(line, name...)
	if format != "" {
		line = fmt.Appendf(append(line, ' '), format, args...)
	}
	line = append(line, '\n')
	n.events.mu.Lock()
	defer n.events.mu.Unlock()
	for _, s := range n.events.subscribers {
		s.Add(line)
	}
}

// Stamp is the form of a time in events and errors: RFC 3339 in UTC with
// microseconds.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
