package policy_test

import (
	"testing"

	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// port is one of no network.
type port int

func (p port) Number() int { return int(p) }
func (port) Life() uint16  { return 1 }

// What two frames are told makes them go the same way or not.
func TestEgress(t *testing.T) {
	tag := frame.Edit{Push: 0x81000007}
	cases := map[string]struct {
		tell    func(e *policy.Egress)
		flooded bool
		ports   int
		dropped frame.Drop
	}{
		"nothing":             {func(*policy.Egress) {}, false, 0, 0},
		"flood":               {func(e *policy.Egress) { e.Flood() }, true, 0, 0},
		"add":                 {func(e *policy.Egress) { e.Add(port(1)) }, false, 1, 0},
		"add another":         {func(e *policy.Egress) { e.Add(port(2)) }, false, 1, 0},
		"add two":             {func(e *policy.Egress) { e.Add(port(1)); e.Add(port(2)) }, false, 2, 0},
		"add edited":          {func(e *policy.Egress) { e.Add(port(1)); e.AddEdited(port(2), tag) }, false, 2, 0},
		"drop":                {func(e *policy.Egress) { e.Drop(frame.DropSTP) }, false, 0, frame.DropSTP},
		"drop, and copy":      {func(e *policy.Egress) { e.Drop(frame.DropVLAN); e.Copy(port(1)) }, false, 1, frame.DropVLAN},
		"drop, and add three": {func(e *policy.Egress) { e.Drop(frame.DropSTP); e.Add(port(1)); e.Add(port(2)); e.Add(port(3)) }, false, 3, 0},
		"add four, and drop": {func(e *policy.Egress) {
			for p := range 4 {
				e.Add(port(p))
			}
			e.Drop(frame.DropSTP)
		}, false, 4, 0},
	}
	for name, c := range cases {
		var e policy.Egress
		for _, round := range []string{"new", "reset"} {
			c.tell(&e)
			if e.Flooded() != c.flooded || len(e.Ports()) != c.ports || e.Dropped() != c.dropped {
				t.Errorf("%s, %s: flooded %v, ports %v, dropped %d", name, round, e.Flooded(), e.Ports(), e.Dropped())
			}
			for other, o := range cases {
				var of policy.Egress
				o.tell(&of)
				if got := e.Equal(&of); got != (name == other) {
					t.Errorf("%s, %s: equal to %q: %v", name, round, other, got)
				}
			}
			e.Split()
			e.Reset()
			if e.Flooded() || len(e.Ports()) != 0 || e.Dropped() != 0 || e.Splits() || e.Edit(1) != (frame.Edit{}) {
				t.Errorf("%s: not empty after Reset", name)
			}
		}
	}
}
