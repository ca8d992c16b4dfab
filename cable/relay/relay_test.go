package relay

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/lane"
	"ipnfs/lane/lanetest"
)

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		far, near := lanetest.NewPeer(tb, form)
		r := open(tb, lanetest.Hub(tb), near)
		e, err := lane.New(lane.Config{Sources: []lane.Source{r.Source()}})
		if err != nil {
			tb.Fatal(err)
		}
		var stalled, closed atomic.Bool
		var reading sync.WaitGroup
		tb.Cleanup(func() {
			closed.Store(true)
			reading.Wait()
		})
		return &bustest.Fixture{
			Endpoint: lanetest.Joinable{Endpoint: e},
			Options:  both,
			Bring:    func(frame []byte) { _, _ = unix.Write(far.Out, far.Wire(frame)) },
			Close:    e.Close,
			Received: func() [][]byte {
				if stalled.Load() {
					return far.Taken()
				}
				return far.Received()
			},
			Stall: func(on bool) {
				stalled.Store(on)
				if !on {
					reading.Go(func() {
						for !closed.Load() && !stalled.Load() {
							far.Received()
							time.Sleep(time.Millisecond)
						}
					})
				}
			},
		}
	})
}

// What comes in pieces of any length is the frames that it was, in order, with nothing
// lost, across all blocks.
func TestPieces(t *testing.T) {
	l := lanetest.Hub(t)
	rec := &bustest.Recorder{}
	l.Join(t, rec)
	far, _, _ := connect(t, l)
	var stream []byte
	var want [][]byte
	for i := range 3000 {
		size := 60 + i*997%1500
		if i%100 == 0 {
			size = 50000 + i
		}
		f := bustest.Mark(bustest.EthernetHeader(1), 1, i, size)
		want = append(want, f)
		stream = append(stream, far.Wire(f)...)
		if i%7 == 0 {
			stream = append(stream, 0, 0, 0, 0)
		}
	}
	for len(stream) > 0 {
		n := min(1+rand.IntN(40000), len(stream))
		far.Write(t, stream[:n])
		stream = stream[n:]
	}
	bustest.WaitFor(t, "the frames to come", func() bool { return len(rec.Frames()) == len(want) })
	for i, f := range rec.Frames() {
		if !bytes.Equal(f, want[i]) {
			t.Fatalf("frame %d is another", i)
		}
	}
}

// Nobody waits for a peer that does not read: frames queue in the port, and are lost.
// When it reads again they come, whole and in order.
func TestStalled(t *testing.T) {
	l := lanetest.Hub(t)
	conn := l.Join(t, &bustest.Recorder{})
	far, _, e := connect(t, l)
	sent := 0
	for dropped(e) == 0 {
		bustest.Send(conn, lanetest.Frame(2, sent))
		sent++
	}
	lost := dropped(e)
	bustest.WaitFor(t, "what was kept to come", func() bool { return len(far.Received()) >= sent-lost })
	for i, f := range far.Received() {
		if !bytes.Equal(f, lanetest.Frame(2, i)) {
			t.Fatalf("frame %d is another", i)
		}
	}
}

// However the connection ends, the port ends, and nothing stays behind.
func TestEnds(t *testing.T) {
	for what, c := range map[string]struct {
		reason string
		by     func(far *lanetest.Peer, conn *bus.Conn)
	}{
		"the peer hangs up":          {"hung up", func(far *lanetest.Peer, _ *bus.Conn) { far.HangUp() }},
		"16 MiB":                     {"that is no stream", func(far *lanetest.Peer, _ *bus.Conn) { far.Write(t, []byte{0, 255, 255, 255}) }},
		"a frame is cut":             {"hung up", func(far *lanetest.Peer, _ *bus.Conn) { far.Write(t, far.Wire(make([]byte, 100))[:50]); far.HangUp() }},
		"the peer reads and says no": {"", func(far *lanetest.Peer, _ *bus.Conn) { far.Close() }},
		"the peer never reads, and hangs up": {"", func(far *lanetest.Peer, conn *bus.Conn) {
			for i := range 10000 {
				bustest.Send(conn, lanetest.Frame(2, i))
			}
			far.Close()
		}},
	} {
		t.Run(what, func(t *testing.T) {
			open := len(lanetest.OpenFiles(t))
			l := lanetest.Hub(t)
			used := l.Net.Memory().Used()
			conn := l.Join(t, &bustest.Recorder{})
			far, ending, _ := connect(t, l)
			c.by(far, conn)
			if reason := ending.Await(t); !strings.Contains(reason, c.reason) {
				t.Errorf("it ended as %q, want %q", reason, c.reason)
			}
			conn.Close()
			far.Close()
			if now := l.Net.Memory().Used(); now != used {
				t.Errorf("%d bytes stay charged", now-used)
			}
			lanetest.WantOpen(t, open)
		})
	}
}

// Close ends what waits for a peer, at once.
func TestClose(t *testing.T) {
	l := lanetest.Hub(t)
	conn := l.Join(t, &bustest.Recorder{})
	_, _, e := connect(t, l)
	for i := range 10000 {
		bustest.Send(conn, lanetest.Frame(2, i))
	}
	e.Close()
}

// A frame that has passed too many cables goes no further, nor does one too long.
func TestDrops(t *testing.T) {
	l := lanetest.Hub(t)
	rec := &bustest.Recorder{}
	conn := l.Join(t, rec)
	far, _, e := connect(t, l)
	looped := far.Wire(lanetest.Frame(1, 0))
	looped[0] = frame.MaxHops + 1
	far.Write(t, looped)
	last := far.Wire(lanetest.Frame(1, 1))
	last[0] = frame.MaxHops
	far.Write(t, last)
	long := far.Wire(make([]byte, l.Net.MTU()+1))
	far.Write(t, long)
	far.Write(t, far.Wire(lanetest.Frame(1, 2)))
	bustest.WaitFor(t, "two frames", func() bool { return len(rec.Frames()) == 2 })
	if n := lanetest.Count(e.Conn().Port(), "drop_loop"); n != 1 {
		t.Errorf("%d frames are counted as looped", n)
	}
	bustest.Send(conn, make([]byte, 100))
	bustest.WaitFor(t, "a frame", func() bool { return len(far.Received()) == 1 })
}

// Each end hears of the other, or takes it for dead.
func TestSilence(t *testing.T) {
	defer func(d time.Duration) { tick = d }(tick)
	tick = 20 * time.Millisecond
	l := lanetest.Hub(t)
	far, ending, _ := connect(t, l)
	buf := make([]byte, 8)
	for heard := 0; heard < 3; { // it says something though nothing is sent
		far.Write(t, []byte{0, 0, 0, 0})
		if n, err := unix.Read(far.In, buf); err == nil {
			heard += n / 4
		}
		if ending.Calls() > 0 {
			t.Fatal("it ended though it was spoken to")
		}
		time.Sleep(tick / 2)
	}
	if reason := ending.Await(t); reason != errSilent.Error() {
		t.Errorf("it ended as %q", reason)
	}
}

// Memory that the network has not is refused.
func TestNoMemory(t *testing.T) {
	l := lanetest.Hub(t)
	refund := lanetest.Exhaust(l.Net.Memory())
	defer refund()
	a, b, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	if _, err := New(Config{Conn: a, Net: l.Net, Peer: frame.MaxFrame}); err == nil {
		t.Error("buffers without memory")
	}
}

func dropped(e *lane.Endpoint) int {
	count := e.Conn().Port().Stats()
	return int(count.Dropped())
}
