package bustest

import (
	"strings"
	"sync"

	"ipnfs/bus"
)

// Events is a subscriber that remembers what it was told.
type Events struct {
	mu    sync.Mutex
	lines []string
	gone  int
}

var _ bus.Events = (*Events)(nil)

// Add keeps the line, without its time and its end.
func (e *Events) Add(line []byte) {
	_, text, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, text)
}

// Gone counts the call.
func (e *Events) Gone() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone++
}

// Lines returns what came: "EVENT key=value...".
func (e *Events) Lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.lines...)
}

// Count tells how many events had that name.
func (e *Events) Count(name string) int {
	n := 0
	for _, line := range e.Lines() {
		if first, _, _ := strings.Cut(line, " "); first == name {
			n++
		}
	}
	return n
}

// GoneCalls tells how often Gone was called.
func (e *Events) GoneCalls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.gone
}
