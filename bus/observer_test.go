package bus_test

import (
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// An observer sees all frames, with where they came from and went, or why not.
func TestObserver(t *testing.T) {
	var ports []*bus.Port
	s := &script{forward: func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		switch f.Data()[0] {
		case 'a':
			out.Flood()
		case 'd':
			out.Drop(frame.DropVLAN)
		case 'n':
		default:
			out.Add(ports[1])
			out.Add(ports[2])
		}
	}}
	l := s.lab(t)
	set(t, l, func(s *bus.Settings) { s.Queue = 2 })
	var sinks []*bustest.Sink
	for range 3 {
		sink := &bustest.Sink{}
		ports = append(ports, l.Join(t, sink).Port())
		sinks = append(sinks, sink)
	}
	var w bustest.Watcher
	say(sinks[0], "before")
	stop := l.Net.Observe(&w)
	want := func(what string, lines ...string) {
		t.Helper()
		if got := w.Lines(); !slices.Equal(got, lines) {
			t.Errorf("%s: %q, want %q", what, got, lines)
		}
	}
	say(sinks[0], "all a2 drop nobody")
	want("ways", "lost 2 full a2", "lost 3 full a2", "1>all all", "1>all a2", "1!vlan drop", "1> nobody")
	for _, sink := range sinks {
		sink.TakeAll()
	}
	stage(t, sinks[0], bus.Filter, &bustest.Gate{In: without('x')})
	stage(t, sinks[2], bus.Filter, &bustest.Gate{Out: without('y')})
	say(sinks[0], "x y")
	want("stages", "1!filtered x", "lost 3 filtered y", "1>2,3 y")
	set(t, l, func(s *bus.Settings) { s.Overflow = bus.DropOld })
	say(sinks[0], "one two")
	want("displaced", "lost 2 displaced y", "1>2,3 one", "1>2,3 two")
	s.env.Send(ports[0], []byte("hello"))
	wantKind(t, "settle", l.Net.UsePolicy(func(policy.Policy) error { return nil }), 0)
	want("the policy's own", "policy>1 hello")
	stop()
	say(sinks[0], "after")
	want("stopped")
}
