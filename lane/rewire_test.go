package lane_test

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// plug is a driver whose descriptor changes.
type plug struct {
	fd      atomic.Int64
	hungUps atomic.Int64
	within  func(t *lane.Turn) // within Read; nil: nothing
}

var _ lane.Rewired = (*plug)(nil)

func (p *plug) now() lanetest.Datagrams { return lanetest.Datagrams{FD: int(p.fd.Load())} }

func (p *plug) Read(t *lane.Turn, room int) (int, error) {
	if p.within != nil {
		p.within(t)
	}
	n, err := p.now().Read(t, room)
	if err != nil {
		err = unix.EAGAIN
	}
	return n, err
}

func (p *plug) Write(t *lane.Turn, frames []frame.Frame) (int, error) {
	return p.now().Write(t, frames)
}
func (p *plug) HungUp() { p.hungUps.Add(1) }
func (p *plug) Close()  { p.now().Close() }

// startPlug joins a plug that is at far.
func startPlug(t *testing.T, l *bustest.Lab, far *lanetest.Far, c lane.Config) (*plug, *lane.Endpoint) {
	t.Helper()
	p := &plug{}
	p.fd.Store(int64(far.Near))
	return p, startDriver(t, l, far, p, c)
}

// An endpoint goes on with other descriptors: its port and counters stay, and what
// waits in the queue goes to the new one.
func TestRewire(t *testing.T) {
	l := lanetest.Hub(t)
	rec := &bustest.Recorder{}
	from := l.Join(t, rec)
	first, second := lanetest.NewFar(t), lanetest.NewFar(t)
	p, e := startPlug(t, l, first, lane.Config{})
	port := e.Conn().Port()
	first.Bring(t, lanetest.Frame(1, 0))
	bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == 1 })
	sent := 0
	for port.Stats().Queued == 0 {
		bustest.Send(from, lanetest.Frame(2, sent))
		sent++
	}
	p.fd.Store(int64(second.Near))
	if err := e.Rewire(lane.Source{FD: second.Near}); err != nil {
		t.Fatal(err)
	}
	if got := lanetest.Watched(t, first.Near); got != 0 {
		t.Errorf("events %#x of the old descriptor are watched", got)
	}
	before := len(first.Received())
	if got := second.Await(t, sent-before); before+len(got) != sent || bustest.CheckOrder(got) != nil {
		t.Errorf("%d frames came by the first, %d by the second, %d were sent", before, len(got), sent)
	}
	bustest.WaitFor(t, "the lane to wait for frames alone", func() bool { return lanetest.Watched(t, second.Near) == unix.EPOLLIN })
	second.Bring(t, lanetest.Frame(1, 1))
	bustest.WaitFor(t, "another frame", func() bool { return len(rec.Frames()) == 2 })
	unix.Close(first.Near)
	if stats := port.Stats(); stats.Frames != 2 || int(stats.Received) != sent || e.Conn().Gone() {
		t.Errorf("the port's stats are %+v", stats)
	}
}

// What cannot be watched is refused, and the endpoint stays with what it had. OutFD and
// FD are taken back.
func TestRewireRefused(t *testing.T) {
	l := lanetest.Hub(t)
	rec := &bustest.Recorder{}
	l.Join(t, rec)
	far, end := lanetest.NewFar(t), &lanetest.Ending{}
	_, e := startPlug(t, l, far, lane.Config{Ended: end.Ended})
	file, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	room := lanetest.NewFar(t)
	defer unix.Close(room.Near)
	for what, to := range map[string]lane.Source{
		"a directory": {FD: file}, "a directory and a socket": {FD: file, OutFD: room.Near}, "nothing": {FD: 1 << 20},
	} {
		if err := e.Rewire(to); err == nil {
			t.Errorf("%s: it can be watched", what)
		}
		if got := lanetest.Watched(t, far.Near); got != unix.EPOLLIN {
			t.Errorf("%s: events %#x of the old descriptor are watched", what, got)
		}
	}
	far.Bring(t, lanetest.Frame(1, 0))
	bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == 1 })
	if end.Calls() != 0 {
		t.Errorf("it ended: %s", end.Await(t))
	}
}

// A driver may change the descriptor within its Read, and when it has hung up, which
// ends nothing.
func TestRewireWithin(t *testing.T) {
	l := lanetest.Hub(t)
	rec := &bustest.Recorder{}
	l.Join(t, rec)
	first, second := lanetest.NewFar(t), lanetest.NewFar(t)
	defer unix.Close(first.Near)
	end := &lanetest.Ending{}
	p := &plug{}
	p.fd.Store(int64(first.Near))
	var e atomic.Pointer[lane.Endpoint]
	p.within = func(*lane.Turn) {
		if now := e.Load(); now != nil && p.hungUps.Load() > 0 && p.fd.Swap(int64(second.Near)) != int64(second.Near) {
			if err := now.Rewire(lane.Source{FD: second.Near}); err != nil {
				t.Error(err)
			}
		}
	}
	e.Store(startDriver(t, l, first, p, lane.Config{Ended: end.Ended}))
	if err := unix.Shutdown(first.FD, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	second.Bring(t, lanetest.Frame(1, 0))
	bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == 1 })
	if p.hungUps.Load() == 0 || end.Calls() != 0 {
		t.Errorf("%d hang-ups, ended: %d", p.hungUps.Load(), end.Calls())
	}
}

// After the end nothing is watched any more.
func TestRewireAfterEnd(t *testing.T) {
	l := lanetest.Hub(t)
	far, other := lanetest.NewFar(t), lanetest.NewFar(t)
	defer unix.Close(other.Near)
	_, e := startPlug(t, l, far, lane.Config{})
	e.Close()
	if err := e.Rewire(lane.Source{FD: other.Near}); err != nil {
		t.Error(err)
	}
	if got := lanetest.Watched(t, other.Near); got != 0 {
		t.Errorf("events %#x are watched", got)
	}
}

// Quiesce waits until what was lent is not used any more.
func TestQuiesce(t *testing.T) {
	l := lanetest.Hub(t)
	far := lanetest.NewFar(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var over atomic.Bool
	l.JoinAs(t, &ear{heard: func([]frame.Frame) {
		close(entered)
		<-leave
		over.Store(true)
	}}, bus.JoinOptions{Recv: true})
	_, e := startPlug(t, l, far, lane.Config{})
	far.Bring(t, lanetest.Frame(1, 0))
	<-entered
	done := make(chan struct{})
	go func() {
		e.Quiesce()
		if !over.Load() {
			t.Error("the turn goes on")
		}
		close(done)
	}()
	close(leave)
	<-done
}
