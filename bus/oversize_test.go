package bus_test

import (
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// told is an endpoint that notes of which frames it is told.
type told struct {
	bustest.Recorder
	lengths []int // under the Conn's lock
	longest int
}

var _ bus.Oversized = (*told)(nil)

func (e *told) Oversize(f *frame.Frame, longest int) {
	e.lengths = append(e.lengths, f.Len())
	e.longest = longest
}

// An endpoint is told of what it cannot take, frame by frame, and of nothing else.
func TestOversized(t *testing.T) {
	for what, overflow := range map[string]bus.Overflow{"lossy": bus.DropNew, "lossless": bus.BlockSender} {
		l := bustest.NewLab(t, "bustest-hub")
		if err := l.Net.Change(func(s *bus.Settings) { s.Overflow = overflow }); err != nil {
			t.Fatal(err)
		}
		ep, all := &told{}, &bustest.Recorder{}
		c := l.JoinAs(t, ep, bus.JoinOptions{Recv: true, MaxLen: 100})
		l.Join(t, all)
		from := l.Join(t, &bustest.Recorder{})
		bustest.SendBatch(from, make([]byte, 101), make([]byte, 100), make([]byte, 300))
		bustest.Send(from, make([]byte, 200))
		c.Lock()
		if !slices.Equal(ep.lengths, []int{101, 300, 200}) || ep.longest != 100 {
			t.Errorf("%s: it was told of %v, %d at most", what, ep.lengths, ep.longest)
		}
		c.Unlock()
		if len(ep.Frames()) != 1 || len(all.Frames()) != 4 {
			t.Errorf("%s: %d and %d frames came", what, len(ep.Frames()), len(all.Frames()))
		}
	}
}
