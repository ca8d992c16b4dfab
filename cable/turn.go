package cable

import (
	"net"
	"runtime"
	"sync"
	"sync/atomic"
)

// turns are those of one user: so many goroutines at once may work on what peers of his
// cables have sent. Go gives each that can run 10 ms before another, so a hundred of
// them would keep the lanes, which carry everybody's frames, for a second.
type turns struct {
	slots   chan struct{}
	origins int // guarded by allTurns
}

var allTurns = struct {
	sync.Mutex
	// Guarded by allTurns.
	users map[uint32]*turns
}{users: map[uint32]*turns{}}

// turnsOf returns those of a user, until he is done with them.
func turnsOf(uid uint32) *turns {
	allTurns.Lock()
	defer allTurns.Unlock()
	t := allTurns.users[uid]
	if t == nil {
		t = &turns{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
		allTurns.users[uid] = t
	}
	t.origins++
	return t
}

func (t *turns) done(uid uint32) {
	allTurns.Lock()
	defer allTurns.Unlock()
	if t.origins--; t.origins == 0 {
		delete(allTurns.users, uid)
	}
}

// InTurns is for a connection whose reader is a goroutine and no lane: what a Read has
// brought is worked on, until the next one, in a turn of the user's, which others of his
// wait for. Reads come from one goroutine at a time.
func (o *Origin) InTurns(conn net.Conn) net.Conn { return &turning{Conn: conn, o: o} }

type turning struct {
	net.Conn
	o    *Origin
	held atomic.Bool
	// closed says that no Read may come any more that ends a turn.
	closed atomic.Bool
}

// Read is net.Conn's.
func (t *turning) Read(b []byte) (int, error) {
	t.leave()
	n, err := t.Conn.Read(b)
	if err == nil {
		t.take()
	}
	return n, err
}

// Close is net.Conn's.
func (t *turning) Close() error {
	t.closed.Store(true)
	t.leave()
	return t.Conn.Close()
}

func (t *turning) take() {
	select {
	case t.o.turns.slots <- struct{}{}:
		if t.held.Store(true); t.closed.Load() {
			t.leave()
		}
	case <-t.o.ctx.Done(): // the connection ends soon
	}
}

func (t *turning) leave() {
	if t.held.CompareAndSwap(true, false) {
		<-t.o.turns.slots
		runtime.Gosched()
	}
}
