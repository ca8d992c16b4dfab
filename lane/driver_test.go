package lane_test

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

// What a driver returns ends the endpoint, or does not. Its Close is called once
// then, and after all else.
func TestDriverErrors(t *testing.T) {
	for what, c := range map[string]struct {
		err    error
		reason string // "": it goes on
	}{
		"nothing more": {unix.EAGAIN, ""},
		"interrupted":  {unix.EINTR, ""},
		"all right":    {nil, ""},
		"the end":      {io.EOF, "hung up"},
		"an errno":     {unix.EBADF, "bad file descriptor"},
		"an error":     {errors.New("the peer talks nonsense"), "nonsense"},
	} {
		t.Run(what, func(t *testing.T) {
			l := lanetest.Hub(t)
			far, end := lanetest.NewFar(t), &lanetest.Ending{}
			rec := &bustest.Recorder{}
			l.Join(t, rec)
			d := script(far)
			var read, closed atomic.Int64
			d.read = func(turn *lane.Turn, room int) (int, error) {
				if closed.Load() > 0 {
					t.Error("it is read after Close")
				}
				n, err := d.Datagrams.Read(turn, room)
				read.Add(1)
				if n > 0 {
					err = c.err
				}
				return n, err
			}
			d.close = func() {
				closed.Add(1)
				d.Datagrams.Close()
			}
			e := startDriver(t, l, far, d, lane.Config{Ended: end.Ended})
			far.Bring(t, lanetest.Frame(1, 0))
			bustest.WaitFor(t, "a frame", func() bool { return len(rec.Frames()) == 1 })
			if c.reason == "" {
				far.Bring(t, lanetest.Frame(1, 1))
				bustest.WaitFor(t, "another", func() bool { return len(rec.Frames()) == 2 })
				e.Close()
				if end.Calls() != 0 {
					t.Errorf("it ended: %s", end.Await(t))
				}
			} else if reason := end.Await(t); !strings.Contains(reason, c.reason) {
				t.Errorf("it ended as %q, want %q", reason, c.reason)
			}
			e.Close()
			if closed.Load() != 1 || !far.Closed() {
				t.Errorf("Close was called %d times", closed.Load())
			}
		})
	}
}

// Of a Write an error other than EAGAIN ends it, too.
func TestWriteErrors(t *testing.T) {
	eachWay(t, func(t *testing.T, c lane.Config) {
		l := lanetest.Hub(t)
		far, end := lanetest.NewFar(t), &lanetest.Ending{}
		d := script(far)
		d.write = func(*lane.Turn, []frame.Frame) (int, error) { return 0, unix.EPIPE }
		c.Ended = end.Ended
		startDriver(t, l, far, d, c)
		bustest.Send(l.Join(t, &bustest.Sink{}), lanetest.Frame(1, 0))
		if reason := end.Await(t); reason != unix.EPIPE.Error() {
			t.Errorf("it ended as %q", reason)
		}
		if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
			t.Error(err)
		}
	})
}

// A source whose far end hangs up ends, when what it left is read.
func TestHungUp(t *testing.T) {
	l := lanetest.Hub(t)
	far, end := lanetest.NewFar(t), &lanetest.Ending{}
	rec := &bustest.Recorder{}
	l.Join(t, rec)
	var gate atomic.Bool
	d := script(far)
	d.read = func(turn *lane.Turn, room int) (int, error) {
		if !gate.Load() {
			return 0, nil
		}
		n, err := unix.Read(far.Near, turn.Buffer(0))
		if err != nil || n == 0 {
			return 0, err
		}
		turn.Batch.AddPlain(turn.Buffer(0)[:n])
		return 1, nil
	}
	for i := range 5 {
		far.Bring(t, lanetest.Frame(1, i))
	}
	startDriver(t, l, far, d, lane.Config{Ended: end.Ended})
	gate.Store(true)
	if err := unix.Shutdown(far.FD, unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if reason := end.Await(t); reason != "hung up" || len(rec.Frames()) != 5 {
		t.Errorf("it ended as %q, after %d frames of 5", reason, len(rec.Frames()))
	}
}

// What a driver drops or loses is counted, and so is an empty frame.
func TestCounts(t *testing.T) {
	eachWay(t, func(t *testing.T, c lane.Config) {
		l := lanetest.Hub(t)
		far := lanetest.NewFar(t)
		d := script(far)
		d.read = func(turn *lane.Turn, room int) (int, error) {
			n, err := d.Datagrams.Read(turn, 1)
			if n > 0 {
				turn.Batch.Reset()
				turn.Batch.AddPlain(nil)
				turn.Drop(frame.DropMalformed, 100)
			}
			return n, err
		}
		d.write = func(turn *lane.Turn, frames []frame.Frame) (int, error) {
			turn.Lost(&frames[0])
			_, err := d.Datagrams.Write(turn, frames[1:])
			return len(frames), err
		}
		port := startDriver(t, l, far, d, c).Conn().Port()
		from := l.Join(t, &bustest.Sink{})
		bustest.SendBatch(from, lanetest.Frame(1, 0), lanetest.Frame(1, 1), lanetest.Frame(1, 2))
		if got := far.Await(t, 2); len(got) != 2 || bustest.CheckOrder(got) != nil {
			t.Errorf("%d frames came", len(got))
		}
		stats := port.Stats()
		if lost := lanetest.Count(port, "drop_device"); lost != 1 || stats.Received != 2 ||
			stats.ReceivedBytes != uint64(len(lanetest.Frame(1, 1))+len(lanetest.Frame(1, 2))) {
			t.Errorf("%d are counted as lost: %+v", lost, stats)
		}
		far.Bring(t, lanetest.Frame(2, 0))
		bustest.WaitFor(t, "two drops", func() bool { return lanetest.Count(port, "drop_malformed") == 2 })
		if err := bustest.CheckBalance(port.Stats()); err != nil {
			t.Error(err)
		}
	})
}

// stream is the driver of a pipe with frames behind their lengths: it reads what
// there is, and has more at hand than it is asked for.
type stream struct {
	lanetest.Datagrams
	buf []byte
}

func (s *stream) Read(turn *lane.Turn, room int) (frames int, err error) {
	if n, err := unix.Read(s.FD, turn.Buffer(0)); err == nil {
		s.buf = append(s.buf, turn.Buffer(0)[:n]...)
	}
	for ; len(s.buf) >= 2; frames++ {
		n := int(binary.BigEndian.Uint16(s.buf))
		if len(s.buf) < 2+n {
			break
		}
		if frames == room {
			return frames, lane.ErrMore
		}
		turn.Batch.AddPlain(s.buf[2:][:n])
		s.buf = s.buf[2+n:]
	}
	return frames, nil
}

// A driver may have more at hand than its descriptor tells of, also while senders
// wait.
func TestMoreAtHand(t *testing.T) {
	const frames = 300
	for what, queue := range map[string]int{"room for all": frames, "senders wait": 7} {
		t.Run(what, func(t *testing.T) {
			l, sink := lanetest.Blocking(t, queue)
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(p[1])
			var all []byte
			for i := range frames {
				f := bustest.Mark(bustest.EthernetHeader(1), 1, i, 100)
				all = append(binary.BigEndian.AppendUint16(all, uint16(len(f))), f...)
			}
			if n, err := unix.Write(p[1], all); n != len(all) {
				t.Fatalf("the pipe took %d bytes of %d: %v", n, len(all), err)
			}
			e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{{FD: p[0], Driver: &stream{Datagrams: lanetest.Datagrams{FD: p[0]}}}}}, bus.JoinOptions{Send: true})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			var got [][]byte
			bustest.WaitFor(t, "all to come", func() bool {
				got = append(got, sink.TakeAll()...)
				return len(got) == frames
			})
			if err := bustest.CheckOrder(got); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the far end does not take waits in the queue: senders wait, and nothing is
// lost.
func TestQueueDrains(t *testing.T) {
	const frames = 2000
	l := lanetest.Hub(t)
	if err := l.Net.Change(func(s *bus.Settings) { s.Queue, s.Overflow = 20, bus.BlockSender }); err != nil {
		t.Fatal(err)
	}
	from, to := lanetest.NewFar(t), lanetest.NewFar(t)
	start(t, l, from, lane.Config{Lossy: true})
	port := start(t, l, to, lane.Config{}).Conn().Port()
	n := 0
	bustest.WaitFor(t, "the queue to be full", func() bool {
		for n < frames && from.Try(lanetest.Frame(1, n)) {
			n++
		}
		return port.Stats().Queued == 20 && from.Waits() || n == frames
	})
	if n == frames {
		t.Error("nobody waits for the far end")
	}
	if got := lanetest.Watched(t, to.Near); got != unix.EPOLLIN|unix.EPOLLOUT {
		t.Errorf("the lane waits for events %#x of who cannot be written to", got)
	}
	for ; n < frames; n++ {
		bustest.WaitFor(t, "room", func() bool {
			to.Received()
			return from.Try(lanetest.Frame(1, n))
		})
	}
	got := to.Await(t, frames)
	if err := bustest.CheckOrder(got); err != nil || len(got) != frames {
		t.Errorf("%d frames of %d came: %v", len(got), frames, err)
	}
	bustest.WaitFor(t, "the lane to wait for frames alone", func() bool { return lanetest.Watched(t, to.Near) == unix.EPOLLIN })
	if stats := l.Net.Stats(); stats.Dropped() != 0 || stats.Queued != 0 {
		t.Errorf("stats are %+v", stats)
	}
	bustest.WaitFor(t, "no memory to be used", func() bool { return l.Bus.Memory.Waiting() == 0 })
}

// As many lanes run as there are sources for, one for two processors at most;
// with the last source they end.
func TestLanes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	epolls := func() (n int) {
		for _, f := range lanetest.OpenFiles(t) {
			if f == "anon_inode:[eventpoll]" {
				n++
			}
		}
		return n
	}
	before, open := epolls(), len(lanetest.OpenFiles(t))
	l := lanetest.Hub(t)
	var all []*lane.Endpoint
	for i := range 7 {
		all = append(all, start(t, l, lanetest.NewFar(t), lane.Config{}))
		if got, want := epolls()-before, min(i+1, 3); got != want {
			t.Errorf("%d sources have %d lanes, want %d", i+1, got, want)
		}
	}
	for i, e := range all {
		e.Close()
		if got := epolls() - before; got < min(len(all)-1-i, 1) || got > 3 {
			t.Errorf("%d sources have %d lanes", len(all)-1-i, got)
		}
	}
	lanetest.WantOpen(t, open+len(all)) // the far ends
}

// Who is refused keeps his descriptors, and no lane stays.
func TestRefused(t *testing.T) {
	open := len(lanetest.OpenFiles(t))
	l := lanetest.Hub(t)
	far := lanetest.NewFar(t)
	defer unix.Close(far.Near)
	o := both
	o.Number = 9
	_, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{lanetest.Datagrams{FD: far.Near}.Source()}}, o)
	if fail.KindOf(err) != fail.Unknown || far.Closed() {
		t.Errorf("error %v, closed: %v", err, far.Closed())
	}
	lanetest.WantOpen(t, open+2)
}

// What epoll does not know is no source.
func TestRegularFile(t *testing.T) {
	l, end := lanetest.Hub(t), &lanetest.Ending{}
	fd, err := unix.Open(t.TempDir()+"/file", unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	startDriver(t, l, &lanetest.Far{Near: fd}, lanetest.Datagrams{FD: fd}, lane.Config{Ended: end.Ended})
	if reason := end.Await(t); !strings.Contains(reason, "epoll_ctl") {
		t.Errorf("it ended as %q", reason)
	}
}

// A descriptor that cannot be written tells of room by another one, which is watched
// while something waits.
func TestOutFD(t *testing.T) {
	l := lanetest.Hub(t)
	far := lanetest.NewFar(t)
	room, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(room)
	d := script(far)
	var tokens [8]byte
	d.write = func(turn *lane.Turn, frames []frame.Frame) (int, error) {
		if _, err := unix.Read(room, tokens[:]); err != nil {
			return 0, err
		}
		n := min(len(frames), int(binary.NativeEndian.Uint64(tokens[:])))
		taken, err := d.Datagrams.Write(turn, frames[:n])
		if err == nil && taken < len(frames) {
			err = unix.EAGAIN
		}
		return taken, err
	}
	e, err := lane.Start(l.Net, lane.Config{Sources: []lane.Source{{FD: far.Near, OutFD: room, Driver: d}}}, both)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	give := func(n byte) {
		tokens := [8]byte{}
		binary.NativeEndian.PutUint64(tokens[:], uint64(n))
		_, _ = unix.Write(room, tokens[:])
	}
	rec := &bustest.Recorder{}
	c := l.Join(t, rec)
	if got := lanetest.Watched(t, room); got != 0 {
		t.Errorf("events %#x are watched where nothing waits", got)
	}
	for i := range 20 {
		bustest.Send(c, lanetest.Frame(1, i))
	}
	if got := lanetest.Watched(t, room); got != unix.EPOLLIN {
		t.Errorf("events %#x are watched where frames wait", got)
	}
	for n := 5; n <= 20; n += 5 {
		give(5)
		if err := bustest.CheckOrder(far.Await(t, n)); err != nil {
			t.Error(err)
		}
	}
	bustest.WaitFor(t, "nothing to be watched", func() bool { return lanetest.Watched(t, room) == 0 })
	far.Bring(t, lanetest.Frame(2, 0))
	bustest.WaitFor(t, "a frame from it", func() bool { return len(rec.Frames()) == 1 })
	for i := range 3 {
		bustest.Send(c, lanetest.Frame(1, 20+i))
	}
	e.Close()
	if got := lanetest.Watched(t, room); got != 0 {
		t.Errorf("events %#x are watched behind the end", got)
	}
}
