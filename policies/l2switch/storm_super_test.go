package l2switch

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/vnet"
)

// superTo is a super-frame of n segments.
func superTo(to mac, udp bool, n int) []byte {
	raw := bustest.Super{UDP: udp, Size: 100, Payload: 100*n - 50}.Raw()
	copy(raw[vnet.HeaderLen:], to[:])
	copy(raw[vnet.HeaderLen+6:], macOf(1).bytes())
	return raw
}

// superLab has a sender of super-frames at port 1, and receivers who take them
// and who do not.
func superLab(t *testing.T, settings ...string) (l *lab, sender *bus.Conn, takes, plain *bustest.Taper) {
	l = &lab{Lab: bustest.NewLab(t, Name), tb: t, now: time.Now()}
	sender = l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true, Offload: true})
	takes, plain = bustest.NewTaper(-1), bustest.NewTaper(-1)
	l.JoinAs(t, takes, bus.JoinOptions{Recv: true, Offload: true})
	l.JoinAs(t, plain, bus.JoinOptions{Recv: true})
	l.set(settings...)
	return l, sender, takes, plain
}

// A super-frame takes as much of the rate as the frames that it stands for. If
// there is less, as many of these pass as are left, the first ones; if there is
// nothing, it is dropped in one piece.
func TestStormCountsFramesOnTheWire(t *testing.T) {
	for kind, to := range map[string]mac{"broadcast": toAll, "multicast": toGroup, "unknown": nobody} {
		for _, udp := range []bool{false, true} {
			for _, c := range []struct {
				rate    int
				sizes   []int // segments of what is sent
				whole   int   // of them come as they are
				cut     int   // frames that come besides
				dropped int
			}{
				{10, []int{10}, 1, 0, 0},
				{10, []int{9, 1}, 2, 0, 0},
				{10, []int{4, 6, 1, 20}, 2, 0, 2},
				{10, []int{11}, 0, 10, 1},
				{10, []int{4, 20}, 1, 6, 14},
				{10, []int{4, 20, 3}, 1, 6, 14 + 3},
				{1, []int{2}, 0, 1, 1},
				{1, []int{1, 100}, 1, 0, 1},
			} {
				what := fmt.Sprintf("%s=%d, UDP %v, super-frames of %v", kind, c.rate, udp, c.sizes)
				l, sender, takes, plain := superLab(t, fmt.Sprintf("1/storm=%s=%d", kind, c.rate))
				for second := 1; second <= 2; second++ {
					var raws, want [][]byte
					for _, n := range c.sizes {
						raws = append(raws, superTo(to, udp, n))
						want = append(want, bustest.Complete(raws[len(raws)-1])...)
					}
					all, complete := len(takes.Frames()), len(plain.Frames())
					bustest.SendVnet(sender, raws...)
					if got := len(takes.Frames()) - all; got != c.whole+c.cut {
						t.Errorf("%s, second %d: %d came to who takes super-frames, want %d", what, second, got, c.whole+c.cut)
					}
					want = want[:min(c.rate, len(want))]
					if got := plain.Frames()[complete:]; !slices.EqualFunc(got, want, bytes.Equal) {
						t.Errorf("%s, second %d: %d frames came to who takes none, want the first %d", what, second, len(got), len(want))
					}
					if got, want := l.Net.Port(1).Stats().Barred[frame.DropStorm], uint64(second*c.dropped); got != want {
						t.Errorf("%s, second %d: %d were dropped, want %d", what, second, got, want)
					}
					l.tick(1)
				}
			}
		}
	}
}
