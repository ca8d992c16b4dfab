package bus_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
)

// stageLab is a broadcast network with a queue at each of three ports.
func stageLab(t *testing.T) (*bustest.Lab, []*bustest.Sink) {
	l := bustest.NewLab(t, hub)
	var sinks []*bustest.Sink
	for range 3 {
		s := &bustest.Sink{}
		l.Join(t, s)
		sinks = append(sinks, s)
	}
	return l, sinks
}

func stage(t *testing.T, s *bustest.Sink, rank bus.Rank, st bus.Stage) {
	t.Helper()
	wantKind(t, "stage", s.Conn().Port().SetStage(rank, st), 0)
}

// say sends words, a frame each, in one batch.
func say(s *bustest.Sink, words string) int {
	var frames [][]byte
	for _, word := range strings.Fields(words) {
		frames = append(frames, []byte(word))
	}
	return bustest.SendBatch(s.Conn(), frames...)
}

func wantHeard(t *testing.T, what string, sinks []*bustest.Sink, want ...string) {
	t.Helper()
	for i, s := range sinks {
		var words []string
		for _, f := range s.TakeAll() {
			words = append(words, string(f))
		}
		if got := strings.Join(words, " "); got != want[i] {
			t.Errorf("%s: port %d got %q, want %q", what, i+1, got, want[i])
		}
	}
}

// without drops frames that begin with a letter.
func without(letter byte) func(*frame.Frame) frame.Drop {
	return func(f *frame.Frame) frame.Drop {
		if f.Data()[0] == letter {
			return frame.DropFiltered
		}
		return 0
	}
}

func TestFilter(t *testing.T) {
	l, sinks := stageLab(t)
	stage(t, sinks[0], bus.Filter, &bustest.Gate{In: without('x')})
	stage(t, sinks[1], bus.Filter, &bustest.Gate{Out: without('y')})
	if n := say(sinks[0], "a x1 x2 y1 b y2"); n != 6 {
		t.Errorf("%d frames were carried, want 6", n)
	}
	wantHeard(t, "filters", sinks, "", "a b", "a y1 b y2")
	say(sinks[1], "x3 y3")
	wantHeard(t, "other way", sinks, "x3 y3", "", "x3 y3")
	for port, want := range map[int]uint64{1: 2, 2: 2, 3: 0} {
		if s := l.Net.Port(port).Stats(); drop(s, "filtered") != want || s.Nobody != 0 {
			t.Errorf("port %d: %+v, want %d filtered", port, s, want)
		}
	}
	stage(t, sinks[0], bus.Filter, nil)
	say(sinks[0], "x4")
	wantHeard(t, "no filter", sinks, "", "x4", "x4")
}

// What came by one of a group leaves by none of them.
func TestSplitHorizon(t *testing.T) {
	_, sinks := stageLab(t)
	var g bustest.Group
	for _, s := range sinks[:2] {
		if err := g.Add(s.Conn().Port()); err != nil {
			t.Fatal(err)
		}
	}
	say(sinks[0], "one")
	say(sinks[1], "two")
	say(sinks[2], "three")
	wantHeard(t, "group", sinks, "three", "three", "one two")
}

// A stage that holds frames lets them go on when it likes, behind itself, and
// each is counted once.
func TestHeldFrames(t *testing.T) {
	l, sinks := stageLab(t)
	var in, out bustest.Line
	seen := 0
	stage(t, sinks[0], bus.Impair, &in)
	stage(t, sinks[0], bus.Police, &bustest.Gate{In: func(*frame.Frame) frame.Drop { seen++; return 0 }})
	stage(t, sinks[1], bus.Impair, &out)
	say(sinks[0], "a b c")
	wantHeard(t, "held on the way in", sinks, "", "", "")
	if in.Held() != 3 || seen != 0 {
		t.Fatalf("%d frames are held, and %d came to the next stage", in.Held(), seen)
	}
	in.GoOn(bus.Impair, 3, true)
	wantHeard(t, "held on the way out", sinks, "", "", "c b a")
	if out.Held() != 3 || seen != 3 {
		t.Errorf("%d frames are held, %d came to the next stage", out.Held(), seen)
	}
	out.GoOn(bus.Impair, 2, false)
	wantHeard(t, "gone on", sinks, "", "c b", "")
	if s := l.Net.Stats(); s.Frames != 3 || s.Received != 5 || s.Dropped() != 0 {
		t.Errorf("%+v", s)
	}
	say(sinks[0], "d e")
	l.Leave(sinks[0].Conn())
	l.Leave(sinks[1].Conn())
	if s := l.Net.Stats(); drop(s, "left") != 3 || s.Frames != 5 || s.Offered != s.Received+s.Queued+3 {
		t.Errorf("3 frames that were held are lost: %+v", s)
	}
	if n := in.Held() + out.Held(); n != 0 {
		t.Errorf("%d frames are held of who has gone", n)
	}
}

// Where a receiver blocks, a frame that a stage drops takes no place.
func TestStageBeforeBlocking(t *testing.T) {
	l, sinks := stageLab(t)
	set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 2, bus.BlockSender })
	stage(t, sinks[1], bus.Filter, &bustest.Gate{Out: without('y')})
	for i := range 10 {
		if n := say(sinks[0], fmt.Sprintf("y%d", i)); n != 1 {
			t.Fatalf("frame %d has to wait", i)
		}
		sinks[2].TakeAll()
	}
	if n := say(sinks[0], "a y b c"); n != 2 {
		t.Errorf("%d frames fit, want 2", n)
	}
	wantHeard(t, "with room", sinks, "", "a", "a y")
	if n := say(sinks[0], "b c"); n != 2 {
		t.Errorf("%d frames fit, want 2", n)
	}
}

// A super-frame that a policy splits passes the stages once.
func TestStageBeforeSplit(t *testing.T) {
	left, asked := 3, 0
	l := splitter(&left).lab(t)
	from := l.Join(t, &bustest.Sink{})
	l.Join(t, &bustest.Sink{})
	wantKind(t, "stage", from.Port().SetStage(bus.Police, &bustest.Gate{In: func(f *frame.Frame) frame.Drop {
		asked += f.WireFrames()
		return 0
	}}), 0)
	var b bus.Batch
	b.AddVnet(bustest.Super{Size: 100, Payload: 750, UDP: true}.Raw())
	b.AddVnet(bustest.Super{To: 0xff, Size: 100, Payload: 950}.Raw())
	from.Send(&b)
	b.Reset()
	if asked != 18 {
		t.Errorf("the stage saw %d frames, want 18", asked)
	}
}

// hasty is a stage that is replaced while it is asked.
type hasty struct {
	bustest.Line
	replace func()
}

func (h *hasty) Ingress(c *bus.Conn, f *frame.Frame) frame.Drop {
	h.replace()
	return h.Line.Ingress(c, f)
}

// A frame that a stage wants to hold is its own, though another stands there by then.
func TestStageIsReplacedMeanwhile(t *testing.T) {
	l, sinks := stageLab(t)
	h := &hasty{}
	h.replace = func() { stage(t, sinks[0], bus.Impair, &bustest.Gate{}) }
	stage(t, sinks[0], bus.Impair, h)
	say(sinks[0], "a b")
	say(sinks[0], "c")
	wantHeard(t, "replaced", sinks, "", "c", "c")
	if s := l.Net.Stats(); drop(s, "left") != 2 || s.Frames != 3 {
		t.Errorf("2 frames that were held are lost: %+v", s)
	}
}

// In passes from the wire to the policy, out the other way.
func TestRanks(t *testing.T) {
	l, sinks := stageLab(t)
	var order []string
	for _, rank := range []bus.Rank{bus.Horizon, bus.Impair, bus.Police, bus.Filter} {
		note := func(way bus.Way) func(*frame.Frame) frame.Drop {
			return func(*frame.Frame) frame.Drop {
				order = append(order, fmt.Sprint(way, rank))
				return 0
			}
		}
		stage(t, sinks[0], rank, &bustest.Gate{In: note(bus.In), Out: note(bus.Out)})
	}
	say(sinks[0], "a")
	say(sinks[1], "b")
	if want := []string{"in 0", "in 1", "in 2", "in 3", "out 3", "out 2", "out 1", "out 0"}; !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
	wantKind(t, "removed", l.Net.RemovePort(1), 0)
	wantKind(t, "stage of a port that has gone", sinks[0].Conn().Port().SetStage(bus.Filter, nil), fail.Gone)
}

func TestStagesAllocateNothing(t *testing.T) {
	l := bustest.NewLab(t, hub)
	from := l.Join(t, &bustest.Sink{})
	for range 3 {
		c := l.Join(t, &counter{})
		wantKind(t, "stage", c.Port().SetStage(bus.Filter, &bustest.Gate{Out: without('y')}), 0)
	}
	wantKind(t, "stage", from.Port().SetStage(bus.Filter, &bustest.Gate{In: without('x')}), 0)
	span := bustest.Stream([]byte("a"), []byte("x"), []byte("y"), []byte("b"))
	var b bus.Batch
	send := func() {
		b.SetStream(span, 100)
		from.Send(&b)
		b.Reset()
	}
	send()
	if n := testing.AllocsPerRun(100, send); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A policy that is asked for many frames is asked for those that pass.
func TestStageBeforeBatcher(t *testing.T) {
	s := &splitBatcher{}
	l := bustest.NewLab(t, register(t, s))
	var sinks []*bustest.Sink
	for range 2 {
		sink := &bustest.Sink{}
		l.Join(t, sink)
		sinks = append(sinks, sink)
	}
	var line bustest.Line
	stage(t, sinks[0], bus.Filter, &bustest.Gate{In: without('x')})
	say(sinks[0], "x1 a b x2 x3 c d x4")
	wantHeard(t, "filter", sinks, "", "a b c d")
	stage(t, sinks[0], bus.Impair, &line)
	say(sinks[0], "e x5")
	line.GoOn(bus.Impair, 2, false)
	wantHeard(t, "held", sinks, "", "e")
	if st := l.Net.Port(1).Stats(); drop(st, "filtered") != 5 || st.Frames != 10 || s.seen != 5 {
		t.Errorf("the policy saw %d frames: %+v", s.seen, st)
	}
}
