package fs

import (
	"runtime"
	"sync"

	"ipnfs/bus"
	"ipnfs/lane"
)

// copyBudget is how many copies of frames a request may make on the device's
// goroutine, which all networks need: a millisecond. It is enough for 64 KiB of
// small frames to 16 receivers. maxReach is to how many receivers at most a frame
// goes there at all. What is more is toil.
const (
	copyBudget = lane.Budget
	maxReach   = 2048
)

// toil is work for which a request is too large, or its network: it goes on
// behind the device's goroutine, on one of its own that is there while there is
// work. The networks take turns, a job each. One that is being changed, so that
// nobody can send, has no turn until it can.
type toil struct {
	mu sync.Mutex
	// +checklocks:mu
	turns []*bus.Network // whose turn is next; each stands here once, or is being changed
	// +checklocks:mu
	jobs map[*bus.Network][]func()
	// +checklocks:mu
	running bool
}

// add puts a job of a millisecond at most behind the others of its network. One that has
// more to do adds what is left.
func (t *toil) add(n *bus.Network, job func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs == nil {
		t.jobs = map[*bus.Network][]func(){}
	}
	first := len(t.jobs[n]) == 0
	t.jobs[n] = append(t.jobs[n], job)
	if first {
		t.turnLocked(n)
	}
}

// turn gives n a turn again.
func (t *toil) turn(n *bus.Network) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turnLocked(n)
}

// +checklocks:t.mu
func (t *toil) turnLocked(n *bus.Network) {
	t.turns = append(t.turns, n)
	if !t.running {
		t.running = true
		go t.run()
	}
}

// run does what there is. It gives way after each step: where it has the only
// processor, the device's goroutine shall not wait for more.
func (t *toil) run() {
	for {
		t.mu.Lock()
		if len(t.turns) == 0 {
			t.running = false
			t.mu.Unlock()
			return
		}
		n := t.turns[0]
		t.turns = t.turns[1:]
		job := t.jobs[n][0]
		t.mu.Unlock()

		if !n.Ready(func() { t.turn(n) }) {
			continue
		}
		job()

		t.mu.Lock()
		if t.jobs[n] = t.jobs[n][1:]; len(t.jobs[n]) > 0 {
			t.turns = append(t.turns, n)
		} else {
			delete(t.jobs, n)
		}
		t.mu.Unlock()
		runtime.Gosched()
	}
}
