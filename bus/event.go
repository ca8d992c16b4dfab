package bus

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Events is a subscriber's end of a network's events. Add is called with the
// network's lock held: it must not block and not call the network back.
type Events interface {
	// Add takes one line: TIME EVENT key=value..., newline included.
	Add(line []byte)
	// Gone says that the network has ended: no line follows.
	Gone()
}

// Subscribe gives s the events from now on, until Unsubscribe.
func (n *Network) Subscribe(s Events) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		return errNetworkGone
	}
	n.subscribers = append(n.subscribers, s)
	n.listening.Store(int32(len(n.subscribers)))
	return nil
}

// Unsubscribe ends it; no call of s follows.
func (n *Network) Unsubscribe(s Events) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, other := range n.subscribers {
		if other == s {
			n.subscribers = append(n.subscribers[:i:i], n.subscribers[i+1:]...)
			n.listening.Store(int32(len(n.subscribers)))
			return
		}
	}
}

// Event publishes one event with its key=value pairs. Endpoints may call it,
// without holding the network's lock; policies have Env.Event.
func (n *Network) Event(name, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.eventLocked(name, format, args...)
}

func (n *Network) eventLocked(name, format string, args ...any) {
	if len(n.subscribers) == 0 {
		return
	}
	line := Stamp(time.Now()) + " " + name
	if format != "" {
		line += " " + fmt.Sprintf(format, args...)
	}
	for _, s := range n.subscribers {
		s.Add([]byte(line + "\n"))
	}
}

// Stamp is the form of a time in events and errors: RFC 3339 in UTC with
// microseconds.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// Quote makes a value fit for a key=value pair: as it is if it has neither
// white space nor quotes nor control characters, else in Go's quotes.
func Quote(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || r == '\\' || isSpace(r) || !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

func isSpace(r rune) bool { return unicode.IsSpace(r) }
