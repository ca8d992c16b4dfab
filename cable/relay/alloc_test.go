//go:build !race

package relay

import (
	"testing"

	"golang.org/x/sys/unix"

	"ipnfs/lane/lanetest"
)

func TestNoAllocations(t *testing.T) {
	l := lanetest.Hub(t)
	a, _, in := connect(t, l)
	b, _, _ := connect(t, l)
	burst := a.Wire(lanetest.Frame(1, 0), lanetest.Frame(1, 1), lanetest.Frame(1, 2), lanetest.Frame(1, 3))
	brought := uint64(0)
	lanetest.NoAllocations(t, "from one relay to another", func(frames int) {
		for range frames / 4 {
			for sent := 0; sent < len(burst); {
				n, err := unix.Write(a.Out, burst[sent:])
				if err == nil {
					sent += n
				}
			}
			brought += 4
			lanetest.AwaitFrames(in.Conn().Port(), brought)
			b.Drain()
		}
	})
}
