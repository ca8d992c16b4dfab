package bus_test

import (
	"bytes"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/test/harness"
)

// counter is an endpoint that takes all and keeps nothing.
type counter struct {
	bustest.Sink
	frames int
}

// Claim takes all.
func (*counter) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit counts.
func (c *counter) Emit(_ *frame.Batch, i, j int, _ uint64) { c.frames += j - i }

// Frames are cut, completed and given other tags in memory that is used again.
func TestFormsAllocateNothing(t *testing.T) {
	takes := func() bus.Endpoint { return &counter{} }
	queues := func() bus.Endpoint { return &bustest.Sink{} }
	none := func(int) frame.Edit { return frame.Edit{} }
	each := func(k int) frame.Edit { return edits[k%len(edits)] }
	for what, c := range map[string]struct {
		ends    func() bus.Endpoint
		offload func(k int) bool
		edit    func(k int) frame.Edit
	}{
		"as they are":             {takes, func(int) bool { return true }, none},
		"cut":                     {takes, func(int) bool { return false }, none},
		"some cut":                {takes, func(k int) bool { return k%2 == 0 }, none},
		"other tags":              {takes, func(int) bool { return true }, each},
		"other tags, some cut":    {takes, func(k int) bool { return k%4 < 2 }, each},
		"queued as they are":      {queues, func(int) bool { return true }, none},
		"queued and cut":          {queues, func(int) bool { return false }, none},
		"queued in several forms": {queues, func(k int) bool { return k%4 < 2 }, each},
	} {
		for _, overflow := range []bus.Overflow{bus.DropOld, bus.DropNew} {
			if harness.Race && what[0] == 'q' {
				continue // sync.Pool then forgets at random, on purpose
			}
			var ports []*bus.Port
			s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
				for k, p := range ports {
					out.AddEdited(p, c.edit(k))
				}
			}}
			l := s.lab(t)
			set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 64, overflow })
			for k := range 12 {
				ports = append(ports, l.JoinAs(t, c.ends(), bus.JoinOptions{Recv: true, Offload: c.offload(k)}).Port())
			}
			from := l.Join(t, &bustest.Sink{})
			raws := mixedBatch()
			stream := bustest.Stream(bustest.Complete(raws[0])...)
			var b bus.Batch
			send := func() {
				b.Reset()
				for _, raw := range raws {
					b.AddVnet(raw)
				}
				from.Send(&b)
				b.SetStream(stream, frame.MaxPrefixed)
				from.Send(&b)
				b.Reset()
			}
			for range 10 {
				send()
			}
			if n := testing.AllocsPerRun(200, send); n != 0 {
				t.Errorf("%s, %v: %v allocations", what, overflow, n)
			}
		}
	}
}

// A mirror costs no allocation either, nor does a frame that is dropped.
func TestMirrorsAllocateNothing(t *testing.T) {
	l, _, conns := mirrorLab(t, 2)
	for range 2 {
		c := l.JoinAs(t, &counter{}, bus.JoinOptions{Recv: true})
		mirrorOf(t, l, c.Port().Number(), 1)
	}
	l.Leave(conns[1])
	var b bus.Batch
	frames := bustest.Stream([]byte{3, 1}, []byte{2, 2}, []byte{254, 1}, []byte{254, 2}, []byte{255}, []byte{4}, []byte{0})
	send := func() {
		b.SetStream(frames, frame.MaxPrefixed)
		conns[0].Send(&b)
		b.Reset()
	}
	send()
	if n := testing.AllocsPerRun(200, send); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Splitting a stream, writing a head and copying a frame cost none.
func TestHeadsAllocateNothing(t *testing.T) {
	m := frame.NewMemory(1 << 20)
	stream := bytes.Repeat([]byte{0, 0, 0, 2, 'a', 'b'}, 20)
	head := make([]byte, frame.Headroom)
	var b bus.Batch
	all := func() {
		b.SetStreamIn(frame.Length4, stream, frame.MaxPrefixed)
		for i := range b.Frames {
			b.Frames[i].PutHead(head, frame.Vnet12, 0)
			if !harness.Race { // sync.Pool then forgets at random, on purpose
				f, _ := b.Frames[i].CopyIn(m, frame.VXLAN, 7)
				f.Release()
			}
		}
		b.Reset()
	}
	all()
	if n := testing.AllocsPerRun(200, all); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
