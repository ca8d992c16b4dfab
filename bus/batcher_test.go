package bus_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// batcherLab makes a network whose policy is asked for many frames at once.
func batcherLab(t *testing.T) (*bustest.Lab, *bustest.FakeBatcher) {
	l := bustest.NewLab(t, bustest.FakeBatcherName)
	return l, l.Net.Policy().(*bustest.FakeBatcher)
}

// mixed are n frames to ports 1 to 3, to all and to nobody, some in a row.
func mixed(n int) (frames [][]byte) {
	for i := range n {
		to := []int{1, 1, 2, 255, 255, 3, 1, 0, 0, 2}[i%10]
		frames = append(frames, fmt.Appendf([]byte{byte(to)}, "-%d", i))
	}
	return frames
}

// However many frames a policy is asked for at once, each goes where it would go
// alone; also where it is watched, where a receiver is full, and where super-frames
// are taken apart.
func TestBatcherIsNoOther(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, l *bustest.Lab){
		"plain":   func(*testing.T, *bustest.Lab) {},
		"watched": func(t *testing.T, l *bustest.Lab) { wantKind(t, "mirror", l.Net.Port(3).SetMirror([]int{1, 4}), 0) },
		"drop-old": func(t *testing.T, l *bustest.Lab) {
			set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 7, bus.DropOld })
		},
		"block": func(t *testing.T, l *bustest.Lab) {
			set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 40, bus.BlockSender })
		},
	} {
		came := map[string]string{}
		for _, spec := range []string{directed, bustest.FakeBatcherName} {
			l := bustest.NewLab(t, spec)
			var ears [3]bustest.Sink
			for i := range ears {
				l.Join(t, &ears[i])
			}
			from := l.Join(t, &bustest.Sink{})
			prepare(t, l)
			text := fmt.Sprintln(bustest.SendBatch(from, mixed(200)...), "went")
			for i := range ears {
				text += fmt.Sprintln(texts(ears[i].TakeAll()))
			}
			s := l.Net.Stats()
			came[spec] = text + fmt.Sprint(s.List())
		}
		if came[directed] != came[bustest.FakeBatcherName] {
			t.Errorf("%s: it is\n%s\nand one by one\n%s", name, came[bustest.FakeBatcherName], came[directed])
		}
	}
}

// A policy is asked for many frames at once, and if it has no time for all, again.
// A sender with others to serve stops there, as if its budget were spent.
func TestBatcherOutOfTime(t *testing.T) {
	for _, c := range []struct {
		what        string
		most        int
		batch       bus.Batch
		sent        int
		spent       bool
		asked, then string
	}{
		{"all the time", 0, bus.Batch{}, 100, false, "[64 36]", "[]"},
		{"little time, a thread of its own", 40, bus.Batch{}, 100, false, "[64 60 20]", "[]"},
		{"little time, no waiting", 40, bus.Batch{NoWait: true}, 40, true, "[64]", "[60]"},
		{"little time, a budget", 40, bus.Batch{Budget: 1 << 20}, 40, true, "[64]", "[60]"},
		{"time for one", 1, bus.Batch{NoWait: true}, 1, true, "[64]", "[64]"},
		{"time, but no budget", 0, bus.Batch{Budget: 10 * bus.FrameCost}, 10, true, "[64]", "[64]"},
	} {
		l, p := batcherLab(t)
		ear := &bustest.Recorder{}
		l.Join(t, ear)
		from := l.Join(t, &bustest.Sink{})
		p.Limit(c.most)
		b := &c.batch
		var frames [][]byte
		for i := range 100 {
			frames = append(frames, bustest.Mark([]byte{1}, 1, i, 0))
		}
		span := bustest.Stream(frames...)
		b.SetStream(span, frame.DefaultMTU)
		if sent := from.Send(b); sent != c.sent || b.Spent != c.spent || fmt.Sprint(p.Asked()) != c.asked {
			t.Errorf("%s: %d went, spent %v", c.what, sent, b.Spent)
		}
		if c.sent < 100 { // the rest, a turn later
			b.SetStream(span[b.Offset(c.sent):], frame.DefaultMTU)
			from.Send(b)
			if got := fmt.Sprint(p.Asked()); got != c.then {
				t.Errorf("%s: then it was asked for %s", c.what, got)
			}
			for len(ear.Frames()) < 100 {
				b.SetStream(span, frame.DefaultMTU)
				b.SetStream(span[b.Offset(len(ear.Frames())):], frame.DefaultMTU)
				if from.Send(b) == 0 {
					t.Fatalf("%s: it stands", c.what)
				}
			}
		}
		b.Reset()
		if err := bustest.CheckOrder(ear.Frames()); err != nil || len(ear.Frames()) != 100 {
			t.Errorf("%s: %d frames came: %v", c.what, len(ear.Frames()), err)
		}
	}
}

// Each thread has a lane of its own, whose state needs no lock; run it with -race.
func TestLanes(t *testing.T) {
	const senders, frames = 4, 500
	for _, one := range []bool{false, true} {
		l, p := batcherLab(t)
		forward := l.Net.Policy().Forward
		if one { // by Forward
			l.Net.SetPolicy(register(t, &script{forward: func(_ *script, in policy.Port, f *frame.Frame, out *policy.Egress) { forward(in, f, out) }}))
		}
		var all sync.WaitGroup
		for range senders {
			c := l.Join(t, &bustest.Sink{})
			all.Go(func() {
				var b bus.Batch
				for range frames {
					b.SetFrame([]byte{0})
					c.Send(&b)
				}
				b.Reset()
			})
		}
		all.Wait()
		if got := p.Lanes(); !slices.Equal(got, []int{frames, frames, frames, frames}) {
			t.Errorf("by Forward %v: the lanes had %v frames", one, got)
		}
	}
}

// Super-frames are taken apart where the policy wants to see each.
func TestBatcherSplits(t *testing.T) {
	for at := range 3 {
		s := &splitBatcher{}
		l := bustest.NewLab(t, register(t, s))
		ear := &bustest.Taper{}
		l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: true})
		from := l.Join(t, &bustest.Sink{})
		whole := bustest.Super{To: 0xff, Size: 100, Payload: 950}.Raw() // 10 frames
		raws := [][]byte{nil, nil, nil}
		for k := range raws {
			raws[k] = bustest.Super{To: 1, Size: 100, Payload: 50}.Raw()
		}
		raws[at] = whole
		if n := bustest.SendVnet(from, raws...); n != 12 {
			t.Errorf("%d frames went", n)
		}
		if s.seen != 12 {
			t.Errorf("super-frame %d: the policy answered for %d frames, want 12", at, s.seen)
		}
	}
}

// splitBatcher sends all to all, and splits what can be.
type splitBatcher struct {
	script
	seen int
}

func (s *splitBatcher) ForwardBatch(_ *policy.Lane, _ policy.Port, frames []frame.Frame, out []policy.Egress) int {
	for i := range frames {
		if frames[i].WireFrames() > 1 {
			out[i].Split()
			return i + 1
		}
		out[i].Flood()
		s.seen++
	}
	return len(frames)
}
