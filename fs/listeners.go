package fs

import (
	"sync"

	"ipnfs/bus"
	"ipnfs/bus/fail"
)

// A network has at most so many readers of its events that are not the owner of
// its port or root, and of each user at most so many: each costs time for every
// event.
const (
	maxListeners     = 64
	maxUserListeners = 16
)

// listeners counts who reads the events of each network.
type listeners struct {
	mu sync.Mutex
	// +checklocks:mu
	users map[*bus.Network]map[uint32]int // by user id
}

func newListeners() listeners { return listeners{users: map[*bus.Network]map[uint32]int{}} }

// enter counts one more, or refuses him.
func (l *listeners) enter(n *bus.Network, uid, owner uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	users := l.users[n]
	if users[uid] >= maxUserListeners {
		return fail.Errorf(fail.NoSpace, "uid %d has %d readers of these events: no more", uid, maxUserListeners)
	}
	if others := sumOthers(users, owner); others >= maxListeners && uid != 0 && uid != owner {
		return fail.Errorf(fail.NoSpace, "these events have %d readers: no more but root and the owner of port", others)
	}
	if users == nil {
		users = map[uint32]int{}
		l.users[n] = users
	}
	users[uid]++
	return nil
}

// sumOthers counts those who are not the owner or root.
func sumOthers(users map[uint32]int, owner uint32) (sum int) {
	for uid, n := range users {
		if uid != 0 && uid != owner {
			sum += n
		}
	}
	return sum
}

// leave is the end of enter.
func (l *listeners) leave(n *bus.Network, uid uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	users := l.users[n]
	if users[uid]--; users[uid] == 0 {
		delete(users, uid)
	}
	if len(users) == 0 {
		delete(l.users, n)
	}
}
