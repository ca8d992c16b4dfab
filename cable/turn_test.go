package cable

import (
	"net"
	"testing"

	"ipnfs/bus/bustest"
)

// reader is one end of a connection, read in turns on a goroutine that works on what
// came when the test says so.
type reader struct {
	peer net.Conn
	conn net.Conn
	got  chan string   // what came, as soon as it has a turn
	next chan struct{} // it has done its work
}

func newReader(t *testing.T, o *Origin) *reader {
	t.Helper()
	near, far := net.Pipe()
	r := &reader{peer: far, conn: o.InTurns(near), got: make(chan string), next: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 100)
		for {
			n, err := r.conn.Read(buf)
			if err != nil {
				return
			}
			r.got <- string(buf[:n])
			<-r.next
		}
	}()
	t.Cleanup(func() {
		far.Close()
		close(r.next)
		<-done
		near.Close()
	})
	return r
}

// Of one user one reader works at a time, where there is a processor for one, and the
// others wait. Those of other users do not.
func TestTurns(t *testing.T) {
	o := originOf(t, self(t), "")
	o.turns.slots = make(chan struct{}, 1)
	first, second := newReader(t, o), newReader(t, o)
	_, _ = first.peer.Write([]byte("1"))
	<-first.got
	_, _ = second.peer.Write([]byte("2")) // it is read, and waits
	select {
	case <-second.got:
		t.Error("two work at once")
	default:
	}
	another := o.By
	another.UID++
	stranger := newReader(t, originOf(t, another, ""))
	_, _ = stranger.peer.Write([]byte("x"))
	if got := <-stranger.got; got != "x" {
		t.Errorf("another user reads %q", got)
	}
	first.next <- struct{}{}
	if got := <-second.got; got != "2" {
		t.Errorf("the second reads %q", got)
	}
	// Who closes works no more, and who hangs up either.
	_, _ = first.peer.Write([]byte("3"))
	second.conn.Close()
	if got := <-first.got; got != "3" {
		t.Errorf("the first reads %q", got)
	}
	first.peer.Close()
	first.next <- struct{}{}
	bustest.WaitFor(t, "no turn to be held", func() bool { return len(o.turns.slots) == 0 })
}

// Nobody waits for a turn when his cable ends, and the turns go with the last cable.
func TestTurnsEnd(t *testing.T) {
	o, err := newOrigin(self(t), "")
	if err != nil {
		t.Fatal(err)
	}
	o.turns.slots = make(chan struct{}, 1)
	first, second := newReader(t, o), newReader(t, o)
	_, _ = first.peer.Write([]byte("1"))
	<-first.got
	_, _ = second.peer.Write([]byte("2"))
	o.close()
	if got := <-second.got; got != "2" {
		t.Errorf("the second reads %q", got)
	}
	if len(allTurns.users) != 0 {
		t.Errorf("the turns of %d users are kept", len(allTurns.users))
	}
}
