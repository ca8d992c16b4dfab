package bus_test

import (
	"bytes"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/bus/vnet"
)

// splitter splits super-frames of which not all frames are within the limit: of
// those it lets as many pass as are left. Frames whose first byte is 0xff have
// no limit.
func splitter(left *int) *script {
	return &script{forward: func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		n := f.WireFrames()
		switch {
		case f.Data()[0] == 0xff:
			out.Flood()
		case *left >= n:
			*left -= n
			out.Flood()
		case *left > 0:
			out.Flood() // void
			out.Split()
		default:
			out.Drop(frame.DropStorm)
		}
	}}
}

// A super-frame that is split is asked for frame by frame, in order, and those
// before it are as they were.
func TestSplit(t *testing.T) {
	whole := bustest.Super{To: 0xff, Size: 100, Payload: 950}.Raw() // 10 frames
	limited := bustest.Super{Size: 100, Payload: 750, UDP: true}.Raw()
	other := bustest.Super{Size: 100, Payload: 250, V6: true}.Raw()
	single := bustest.WithHeader(vnet.Header{}, bustest.Complete(limited)[0])
	unfinished := bustest.Super{Payload: 100}.Raw()
	for _, c := range []struct {
		name   string
		left   int
		send   [][]byte
		frames int // that Send tells
	}{
		{"within the limit", 11, [][]byte{whole, limited, other}, 3},
		{"the last one too much", 10, [][]byte{whole, limited, other}, 5},
		{"split in the middle", 3, [][]byte{whole, limited, other}, 12},
		{"split at the beginning", 3, [][]byte{limited, whole}, 18},
		{"nothing left", 0, [][]byte{whole, limited, whole, other}, 4},
		{"a frame that stands for itself", 0, [][]byte{single, unfinished}, 2},
		{"all kinds behind it", 5, [][]byte{limited, single, unfinished, whole}, 20},
	} {
		for _, offload := range []bool{true, false} {
			left := c.left
			s := splitter(&left)
			l := s.lab(t)
			from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
			ears := map[string]*bustest.Taper{"at once": bustest.NewTaper(-1), "queued": bustest.NewTaper(0)}
			for _, ear := range ears {
				l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: offload})
			}
			if n := bustest.SendVnet(from, c.send...); n != c.frames {
				t.Errorf("%s: Send tells of %d frames, want %d", c.name, n, c.frames)
			}
			want, barred := passing(c.left, offload, c.send)
			for name, ear := range ears {
				ear.Take(-1)
				if got := ear.Frames(); !slices.EqualFunc(got, want, bytes.Equal) {
					t.Errorf("%s, offload %v, %s: %d frames came, want %d; or others", c.name, offload, name, len(got), len(want))
				}
			}
			st := l.Net.Stats()
			if st.Frames != uint64(c.frames) || st.Barred[frame.DropStorm] != barred {
				t.Errorf("%s: %d frames and %d dropped, want %d and %d", c.name, st.Frames, st.Barred[frame.DropStorm], c.frames, barred)
			}
			if err := bustest.CheckBalance(st); err != nil {
				t.Error(err)
			}
		}
	}
}

// passing is what comes to a receiver, and how many frames are dropped, written
// plainly: all is cut from the first frame on that passes in part.
func passing(left int, offload bool, raws [][]byte) (frames [][]byte, dropped uint64) {
	cut := false
	for _, raw := range raws {
		parts := bustest.Complete(raw)
		switch limited := raw[vnet.HeaderLen] != 0xff; {
		case limited && left > 0 && left < len(parts), limited && cut:
			cut = true
			n := min(left, len(parts))
			left -= n
			frames = append(frames, parts[:n]...)
			dropped += uint64(len(parts) - n)
		case limited && left < len(parts):
			dropped++
		default:
			if limited {
				left -= len(parts)
			}
			if offload && !cut {
				parts = [][]byte{raw[vnet.HeaderLen:]}
			}
			frames = append(frames, parts...)
		}
	}
	return frames, dropped
}

// Where senders wait nothing is left to be split.
func TestSplitOnLossless(t *testing.T) {
	left := 3
	s := splitter(&left)
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Overflow = bus.BlockSender })
	from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
	ear := bustest.NewTaper(-1)
	l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: true})
	raw := bustest.Super{Size: 100, Payload: 750, UDP: true}.Raw()
	if n := bustest.SendVnet(from, raw); n != 8 {
		t.Errorf("Send tells of %d frames, want 8", n)
	}
	if got := ear.Frames(); !slices.EqualFunc(got, bustest.Complete(raw)[:3], bytes.Equal) {
		t.Errorf("%d frames came, want 3", len(got))
	}
}

// Splitting uses memory that is there.
func TestSplitAllocatesNothing(t *testing.T) {
	left := 0
	s := splitter(&left)
	l := s.lab(t)
	from := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
	for _, offload := range []bool{true, false} {
		l.JoinAs(t, &counter{}, bus.JoinOptions{Recv: true, Offload: offload})
	}
	raws := mixedBatch()
	var b bus.Batch
	send := func() {
		left = 20
		b.Reset()
		for _, raw := range raws {
			b.AddVnet(raw)
		}
		from.Send(&b)
		b.Reset()
	}
	for range 10 {
		send()
	}
	if n := testing.AllocsPerRun(200, send); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
