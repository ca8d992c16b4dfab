package ipn

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// What a cable costs a batch of frames, beside one network.
func BenchmarkSend(b *testing.B) {
	for _, joined := range []bool{false, true} {
		name := "one network"
		if joined {
			name = "two networks"
		}
		b.Run(name, func(b *testing.B) {
			l, far := bustest.NewLab(b, hub), bustest.NewLab(b, hub)
			c, p := l.Join(b, &bustest.Puller{Discard: true}), &bustest.Puller{Discard: true}
			if joined {
				x, y := &half{}, &half{}
				for h, lab := range map[*half]*bustest.Lab{x: l, y: far} {
					lab.JoinAs(b, h, bus.JoinOptions{Recv: true, Send: true, Offload: true, Hops: true})
				}
				x.far.Store(y)
				y.far.Store(x)
				l = far
			}
			l.Join(b, p)
			p.Pull(1 << 40)
			var frames [][]byte
			for i := range 32 {
				frames = append(frames, frameOf(1, i))
			}
			text := bustest.Stream(frames...)
			var batch bus.Batch
			b.ReportAllocs()
			for b.Loop() {
				batch.Reset()
				batch.SetStream(text, frame.MaxPrefixed)
				c.Send(&batch)
			}
		})
	}
}
