package bus_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// BenchmarkForms sends a batch to four receivers that look at each frame:
// frames of a stream, and those of a device, as they are and in other forms.
func BenchmarkForms(b *testing.B) {
	small := bustest.Complete(bustest.Super{Payload: 100, Tags: []uint32{outerTag, innerTag}}.Raw())[0]
	var frames, raws [][]byte
	for range 64 {
		frames = append(frames, small)
		raws = append(raws, bustest.Super{Payload: 100, Tags: []uint32{outerTag, innerTag}}.Raw())
	}
	stream := bustest.Stream(frames...)
	for _, c := range []struct {
		what    string
		device  bool
		offload bool
		edit    frame.Edit
	}{
		{"stream", false, false, frame.Edit{}},
		{"stream, other tag", false, false, frame.Edit{Strip: 1, Push: newTag}},
		{"device", true, true, frame.Edit{}},
		{"device, other tag", true, true, frame.Edit{Strip: 1, Push: newTag}},
		{"device, completed", true, false, frame.Edit{}},
	} {
		b.Run(c.what, func(b *testing.B) {
			var ports []*bus.Port
			s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
				for _, p := range ports {
					out.AddEdited(p, c.edit)
				}
			}}
			l := s.lab(b)
			for range 4 {
				ports = append(ports, l.JoinAs(b, &looker{}, bus.JoinOptions{Recv: true, Offload: c.offload}).Port())
			}
			from := l.Join(b, &bustest.Sink{})
			var batch bus.Batch
			b.ReportAllocs()
			for b.Loop() {
				if c.device {
					batch.Reset()
					for _, raw := range raws {
						batch.AddVnet(raw)
					}
				} else {
					batch.SetStream(stream, frame.MaxPrefixed)
				}
				from.Send(&batch)
			}
			batch.Reset()
		})
	}
}

// looker is an endpoint that takes all and looks at each frame as a device
// and a stream do.
type looker struct {
	counter
	bytes int
}

// Emit looks.
func (l *looker) Emit(b *frame.Batch, i, j int, _ uint64) {
	for k := i; k < j; k++ {
		f := &b.Frames[k]
		if raw, ok := f.Prefixed(); ok {
			l.bytes += len(raw)
		} else if raw, ok := f.Vnet(); ok {
			l.bytes += len(raw)
		} else {
			l.bytes += len(f.Data())
		}
	}
}

// BenchmarkSetStream splits a stream of small frames.
func BenchmarkSetStream(b *testing.B) {
	var frames [][]byte
	for range 512 {
		frames = append(frames, make([]byte, 60))
	}
	stream := bustest.Stream(frames...)
	var batch bus.Batch
	b.ReportAllocs()
	for b.Loop() {
		batch.SetStream(stream, frame.MaxPrefixed)
	}
}
