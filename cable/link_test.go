package cable

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// flawed is a driver that fails when it is told to.
type flawed struct {
	lanetest.Datagrams
	read, write atomic.Pointer[error]
	deaf        atomic.Bool // a hang-up is nothing to it
	closed      atomic.Int64
}

func (d *flawed) Read(t *lane.Turn, room int) (int, error) {
	if err := d.read.Load(); err != nil {
		return 0, *err
	}
	n, err := d.Datagrams.Read(t, room)
	if d.deaf.Load() {
		err = nil
	}
	return n, err
}

func (d *flawed) Write(t *lane.Turn, frames []frame.Frame) (int, error) {
	if err := d.write.Load(); err != nil {
		return 0, *err
	}
	return d.Datagrams.Write(t, frames)
}

func (d *flawed) Close() {
	d.closed.Add(1)
	d.Datagrams.Close()
}

// spoil puts a flawed driver into a link.
func spoil(d *flawed) func(*Link) {
	return func(k *Link) {
		d.FD = k.FD
		k.Driver = d
	}
}

// However a link breaks, the port stays, is told of, and gets the next one.
func TestBreaks(t *testing.T) {
	broken := errors.New("it broke")
	for what, c := range map[string]struct {
		reason string
		by     func(l *lab, f *fake, far *lanetest.Far, d *flawed, k *Link)
	}{
		"a read fails": {"it broke", func(_ *lab, _ *fake, far *lanetest.Far, d *flawed, _ *Link) {
			d.read.Store(&broken)
			far.Try(lanetest.Frame(1, 0))
		}},
		"a write fails": {"it broke", func(l *lab, _ *fake, _ *lanetest.Far, d *flawed, _ *Link) {
			d.write.Store(&broken)
			bustest.Send(l.peer, lanetest.Frame(2, 0))
		}},
		"the peer hangs up": {"the other end hung up", func(_ *lab, _ *fake, far *lanetest.Far, _ *flawed, _ *Link) {
			unix.Shutdown(far.FD, unix.SHUT_RDWR)
		}},
		"the peer hangs up, and the driver does not see it": {"the other end hung up", func(_ *lab, _ *fake, far *lanetest.Far, d *flawed, _ *Link) {
			d.deaf.Store(true)
			unix.Shutdown(far.FD, unix.SHUT_RDWR)
		}},
		"elsewhere": {"it broke", func(_ *lab, f *fake, _ *lanetest.Far, _ *flawed, k *Link) {
			f.plug.Load().Broken(k, broken)
			f.plug.Load().Broken(k, io.EOF) // it is over
		}},
		"elsewhere, for no reason": {"the other end hung up", func(_ *lab, f *fake, _ *lanetest.Far, _ *flawed, k *Link) {
			f.plug.Load().Broken(k, nil)
		}},
	} {
		t.Run(what, func(t *testing.T) {
			l := newLab(t)
			d := &flawed{}
			var k *Link
			cable, f, far := l.layUp("fake://x name=c", spoil(d), func(link *Link) { k = link })
			port := cable.port()
			if err := port.SetQueue(77); err != nil {
				t.Fatal(err)
			}
			far.Bring(t, lanetest.Frame(1, 0))
			bustest.WaitFor(t, "a frame", func() bool { return len(l.rec.Frames()) == 1 })
			c.by(l, f, far, d, k)
			l.await(cable, "down")
			bustest.WaitFor(t, "the link to be closed", func() bool { return far.Closed() && d.closed.Load() == 1 })
			lost := lanetest.Count(port, "drop_device")
			bustest.Send(l.peer, lanetest.Frame(3, 0))
			if now := lanetest.Count(port, "drop_device"); now != lost+1 {
				t.Errorf("%d frames are counted as lost, before %d", now, lost)
			}
			second := f.link(t)
			l.await(cable, "up")
			second.Bring(t, lanetest.Frame(1, 1))
			bustest.WaitFor(t, "another frame", func() bool { return len(l.rec.Frames()) == 2 })
			bustest.Send(l.peer, lanetest.Frame(3, 1))
			if got := second.Await(t, 1); !slices.Equal(got[0], lanetest.Frame(3, 1)) {
				t.Error("another frame came")
			}
			stats := port.Stats()
			if cable.port() != port || l.Net.Port(2) != port || port.Info().Conns[0].Info.Detail != "c" || port.Queue() != 77 || stats.Frames != 2 || stats.Received != 1 {
				t.Errorf("the port is %+v, %+v", port.Info(), stats)
			}
			if err := bustest.CheckBalance(stats); err != nil {
				t.Error(err)
			}
			if line := l.list(); !strings.Contains(line, " retries=1 ") || strings.Contains(line, "reason") {
				t.Errorf("it shows %q", line)
			}
			var got []string
			for _, e := range l.events.Lines() {
				if strings.HasPrefix(e, "cable") {
					got = append(got, e)
				}
			}
			if want := []string{
				`cable-up name=c port=2 peer="far end"`, fmt.Sprintf("cable-down name=c port=2 reason=%q", c.reason), `cable-up name=c port=2 peer="far end"`,
			}; strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("the events are %q, want %q", got, want)
			}
		})
	}
}

// A link may be broken before it is the cable's.
func TestBrokenEarly(t *testing.T) {
	l := newLab(t)
	c, f := l.lay("fake://x")
	bustest.WaitFor(t, "Dial", func() bool { return f.dialed.Load() == 1 })
	var early *Link
	far := f.link(t, func(k *Link) {
		early = k
		f.plug.Load().Broken(k, errFake)
	})
	l.await(c, "down")
	bustest.WaitFor(t, "the link to be closed", far.Closed)
	second := f.link(t)
	l.await(c, "up")
	f.plug.Load().Broken(early, errFake) // it is another's turn
	second.Bring(t, lanetest.Frame(1, 0))
	bustest.WaitFor(t, "a frame", func() bool { return len(l.rec.Frames()) == 1 })
}

// What cannot be watched breaks the link, and not the port.
func TestUnwatchable(t *testing.T) {
	l := newLab(t)
	c, f := l.lay("fake://x")
	fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.next <- answer{link: &Link{Source: lanetest.Datagrams{FD: fd}.Source()}}
	l.await(c, "down")
	if line := l.list(); !strings.Contains(line, `reason="epoll_ctl: operation not permitted"`) {
		t.Errorf("it shows %q", line)
	}
	f.link(t)
	l.await(c, "up")
}

// What waits for a peer that takes nothing is lost when the link breaks, and nobody
// waits for it, be it that senders would wait for room.
func TestQueueIsLost(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
		t.Run(overflow.String(), func(t *testing.T) {
			l := newLab(t)
			if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 20, overflow }); err != nil {
				t.Fatal(err)
			}
			c, f, far := l.layUp("fake://x")
			n := 0
			for c.port().Stats().Queued < 20 {
				bustest.Send(l.peer, lanetest.Frame(1, n))
				n++
			}
			sent := make(chan int)
			go func() {
				n := 0
				for range 100 {
					for !bustest.Send(l.peer, lanetest.Frame(1, 0)) { // the queue is full
					}
					n++
				}
				sent <- n
			}()
			unix.Shutdown(far.FD, unix.SHUT_RDWR)
			if got := <-sent; got != 100 {
				t.Errorf("%d frames went", got)
			}
			l.await(c, "down")
			bustest.WaitFor(t, "nothing to wait", func() bool { return c.port().Stats().Queued == 0 })
			if err := bustest.CheckBalance(c.port().Stats()); err != nil {
				t.Error(err)
			}
			if lanetest.Count(c.port(), "drop_device") == 0 {
				t.Error("nothing is counted as lost")
			}
			second := f.link(t)
			l.await(c, "up")
			bustest.Send(l.peer, lanetest.Frame(2, 0))
			if got := second.Await(t, 1); len(got) != 1 || !slices.Equal(got[0], lanetest.Frame(2, 0)) {
				t.Errorf("%d frames of before came", len(got)-1)
			}
		})
	}
}

// What a driver lends stays until the turn is over: only then it is closed.
func TestLentUntilTheTurnIsOver(t *testing.T) {
	l := newLab(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	d := &flawed{}
	l.JoinAs(t, &ear{heard: func() {
		close(entered)
		<-leave
		if d.closed.Load() != 0 {
			t.Error("the driver was closed while its frames are used")
		}
	}}, bus.JoinOptions{Recv: true})
	var k *Link
	c, f, far := l.layUp("fake://x", spoil(d), func(link *Link) { k = link })
	far.Bring(t, lanetest.Frame(1, 0))
	<-entered
	f.plug.Load().Broken(k, errFake)
	bustest.WaitFor(t, "the link to be taken away", func() bool {
		c.line.reading.Lock()
		defer c.line.reading.Unlock()
		return c.line.link == nil
	})
	close(leave)
	bustest.WaitFor(t, "the driver to be closed", func() bool { return d.closed.Load() == 1 })
}

// ear is an endpoint that tells of the frames it gets, as they come.
type ear struct {
	bustest.Sink
	heard func()
}

// Claim takes all.
func (*ear) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit tells.
func (e *ear) Emit(*frame.Batch, int, int, uint64) { e.heard() }

// The longest frame is the shorter of what is asked and what the link carries.
func TestMaxLen(t *testing.T) {
	l := newLab(t)
	_, f, far := l.layUp("fake://x mtu=300", func(k *Link) { k.MaxLen = 200 })
	send := func(n, want int) {
		t.Helper()
		bustest.Send(l.peer, make([]byte, n))
		bustest.Send(l.peer, lanetest.Frame(1, 0)[:60])
		got := far.Await(t, want)
		if len(got) != want {
			t.Errorf("%d bytes: %d frames came, want %d", n, len(got), want)
		}
	}
	send(200, 2)
	send(201, 3)
	f.plug.Load().SetMaxLen(0)
	send(300, 5)
	send(301, 6)
	f.plug.Load().SetMaxLen(1000)
	send(301, 7)
	if n := lanetest.Count(l.Net.Port(2), "drop_too_long"); n != 3 {
		t.Errorf("%d are counted as too long", n)
	}
}

// Pauses double, up to the last, and begin anew after a link that lasted. How long Dial
// took is no matter.
func TestPauses(t *testing.T) {
	l := newLab(t)
	c, f := l.lay("fake://x")
	for i := range 20 {
		f.next <- answer{err: errFake}
		bustest.WaitFor(t, "another attempt", func() bool { return f.dialed.Load() == int64(i+2) })
	}
	if line := l.list(); !strings.Contains(line, " retries=20 ") || !strings.Contains(line, "state=down") {
		t.Errorf("it shows %q", line)
	}
	if n := l.events.Count("cable-down"); n != 1 {
		t.Errorf("%d events for one reason", n)
	}
	f.next <- answer{err: io.EOF}
	bustest.WaitFor(t, "the other reason", func() bool { return l.events.Count("cable-down") == 2 })
	c.finish(nil)
}

// Reasons are for people.
func TestReason(t *testing.T) {
	for want, err := range map[string]error{
		"the other end hung up":                fmt.Errorf("x: %w", io.EOF),
		"the other end does not answer":        fmt.Errorf("x: %w", unixTimeout{}),
		"connection refused":                   fmt.Errorf("x: %w", unix.ECONNREFUSED),
		"the peer talks nonsense":              errFake,
		strings.Repeat("x", maxReason) + "...": errors.New(strings.Repeat("x", 9999)),
	} {
		if got := reason(err); got != want {
			t.Errorf("%v is told as %q", err, got)
		}
	}
}

// unixTimeout is what package os says of a deadline.
type unixTimeout struct{}

func (unixTimeout) Error() string        { return "i/o timeout" }
func (unixTimeout) Is(target error) bool { return target.Error() == "i/o timeout" }
