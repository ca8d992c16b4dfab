package iface

import "sync"

// turns are the users whose commands are at work, and how many of each are or
// wait.
var turns = struct {
	sync.Mutex
	users map[uint32]*turn
}{users: map[uint32]*turn{}}

type turn struct {
	sync.Mutex
	waiting int // and working; under turns
}

// takeTurn waits until no other command of the same user is at work, and
// returns what ends the turn. So whoever writes thousands at once waits for
// himself, and others find a thread free (netns). Administrators need not.
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
