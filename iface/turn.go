package iface

import "sync"

// turns are the users whose commands are at work, and how many of each are or
// wait.
var turns = struct {
	sync.Mutex
	// Guarded by turns.
	users map[uint32]*turn
}{users: map[uint32]*turn{}}

type turn struct {
	sync.Mutex
	waiting int // and working; guarded by turns
}

// takeTurn waits until no other command of the same user is at work, and
// returns what ends the turn. So whoever writes thousands at once waits for
// himself, and others find a thread free (netns). Administrators need not.
//
// +checklocksignore: it ends with the turn's lock held, and end gives that up
func (c *caller) takeTurn() (end func()) {
	if c.admin {
		return func() {}
	}
	turns.Lock()
	mine := turns.users[c.UID]
	if mine == nil {
		mine = &turn{}
		turns.users[c.UID] = mine
	}
	mine.waiting++
	turns.Unlock()
	mine.Lock()
	return func() {
		mine.Unlock()
		turns.Lock()
		defer turns.Unlock()
		if mine.waiting--; mine.waiting == 0 {
			delete(turns.users, c.UID)
		}
	}
}
