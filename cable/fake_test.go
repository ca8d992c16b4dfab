package cable

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/creds"
	"ipnfs/lane/lanetest"
	"ipnfs/words"
)

func TestMain(m *testing.M) {
	firstWait, firstPause, lastPause = 10*time.Millisecond, time.Millisecond, 4*time.Millisecond
	Register(Scheme{Name: "fake", Open: func(l words.Locator, o *Origin) (Dialer, error) { return openFake(l, o) }})
	Register(Scheme{Name: "run", Command: true, Open: func(l words.Locator, o *Origin) (Dialer, error) { return openFake(l, o) }})
	Register(Scheme{Name: "absent", Can: func() bool { return false }})
	goleak.VerifyTestMain(m)
}

// fake is the Dialer of a test: what it dials the test gives it.
type fake struct {
	locator words.Locator
	next    chan answer // what Dial comes to; it waits for one
	closed  atomic.Int64
	dialed  atomic.Int64
	plug    atomic.Pointer[Plug]
}

type answer struct {
	link *Link
	err  error
}

var _ Dialer = (*fake)(nil)

// opened are the fakes that Open made, in order, until the test takes them.
var opened = make(chan *fake, 100)

func openFake(l words.Locator, _ *Origin) (Dialer, error) {
	if l.Rest == "refused" {
		return nil, fail.Errorf(fail.Denied, "no")
	}
	f := &fake{locator: l, next: make(chan answer, 100)}
	opened <- f
	return f, nil
}

func (f *fake) Dial(ctx context.Context, p *Plug) (*Link, error) {
	f.plug.Store(p)
	f.dialed.Add(1)
	select {
	case a := <-f.next:
		return a.link, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) Close() { f.closed.Add(1) }

// link makes the next link, a socket whose far end is returned.
func (f *fake) link(t testing.TB, change ...func(*Link)) *lanetest.Far {
	t.Helper()
	far := lanetest.NewFar(t)
	k := &Link{Source: lanetest.Datagrams{FD: far.Near}.Source(), Peer: "far end"}
	for _, change := range change {
		change(k)
	}
	f.next <- answer{link: k}
	return far
}

// self is who runs the test.
func self(t testing.TB) bus.Caller {
	t.Helper()
	by := creds.Of(uint32(os.Getpid()), uint32(os.Geteuid()), uint32(os.Getegid()))
	if !by.Rights.Known {
		t.Skip("what this process may do is unknown")
	}
	by.Kind = "cable"
	return by
}

// lab is a network, with the events that come and a peer that hears all.
type lab struct {
	*bustest.Lab
	t      testing.TB
	events *bustest.Events
	rec    *bustest.Recorder
	peer   *bus.Conn
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{Lab: lanetest.Hub(t), t: t, events: &bustest.Events{}, rec: &bustest.Recorder{}}
	if err := l.Net.Subscribe(l.events); err != nil {
		t.Fatal(err)
	}
	l.peer = l.Join(t, l.rec)
	return l
}

// lay lays a cable.
func (l *lab) lay(command string) (*cable, *fake) {
	l.t.Helper()
	if err := (attacher{}).Attach(l.Net, self(l.t), command); err != nil {
		l.t.Fatal(err)
	}
	all := cables(l.Net)
	return all[len(all)-1], <-opened
}

// layUp lays one that has a link.
func (l *lab) layUp(command string, change ...func(*Link)) (*cable, *fake, *lanetest.Far) {
	l.t.Helper()
	c, f := l.lay(command)
	far := f.link(l.t, change...)
	l.await(c, "up")
	return c, f, far
}

func (l *lab) await(c *cable, state string) {
	l.t.Helper()
	bustest.WaitFor(l.t, "the cable to be "+state, func() bool { return strings.Contains(l.list(), c.name+" port=") && c.isIn(state) })
}

func (l *lab) list() string { return attacher{}.List(l.Net) }

// isIn tells whether the cable is in a state, with all that belongs to it done.
func (c *cable) isIn(state string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == "up" && c.line != nil {
		c.line.reading.Lock()
		defer c.line.reading.Unlock()
		if c.line.link == nil {
			return false
		}
	}
	return c.status.state == state
}

// gone waits until nothing is left of it.
func (l *lab) gone(c *cable, f *fake) {
	l.t.Helper()
	select {
	case <-c.done:
	case <-time.After(time.Minute):
		l.t.Fatal("the cable does not end")
	}
	if n := f.closed.Load(); n != 1 {
		l.t.Errorf("Close of the dialer was called %d times", n)
	}
}

var errFake = errors.New("the peer talks nonsense")
