package cmd

import (
	"sync"

	"ipnfs/bus/fail"
)

// maxRunning is how many commands of one user may run at once: each takes a thread, of which
// Go has 10,000 before it ends the process.
const maxRunning = 250

// running counts the commands of each user.
var running = counts{of: map[uint32]int{}}

type counts struct {
	mu sync.Mutex
	// +checklocks:mu
	of map[uint32]int
}

// add counts one more, until done, or refuses it.
func (c *counts) add(uid uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[uid] >= maxRunning {
		return fail.Errorf(fail.NoSpace, "uid %d has %d commands already, which is the most", uid, maxRunning)
	}
	c.of[uid]++
	return nil
}

func (c *counts) done(uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[uid]--; c.of[uid] == 0 {
		delete(c.of, uid)
	}
}
