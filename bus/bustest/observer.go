package bustest

import (
	"fmt"
	"strings"
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// Watcher is an observer that writes down what it is shown, a line each.
type Watcher struct {
	mu    sync.Mutex
	lines []string
}

var _ bus.Observer = (*Watcher)(nil)

// Carried notes "INGRESS>EGRESS DATA", or "INGRESS!REASON DATA" of a frame that was
// dropped.
func (w *Watcher) Carried(in *bus.Port, b *frame.Batch, i, j int, out *policy.Egress) {
	from, to := "policy", ">"
	if in != nil {
		from = fmt.Sprint(in.Number())
	}
	switch why := out.Dropped(); {
	case why != 0:
		to = "!" + why.String()
	case out.Flooded():
		to += "all"
	default:
		var ports []string
		for _, p := range out.Ports() {
			ports = append(ports, fmt.Sprint(p.Number()))
		}
		to += strings.Join(ports, ",")
	}
	for ; i < j; i++ {
		w.note("%s%s %s", from, to, b.Frames[i].Data())
	}
}

// Lost notes "lost PORT REASON DATA".
func (w *Watcher) Lost(to *bus.Port, f *frame.Frame, why string) {
	w.note("lost %d %s %s", to.Number(), why, f.Data())
}

func (w *Watcher) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

// Lines returns what was noted since the last call.
func (w *Watcher) Lines() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}
