package bus_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// step is a text for a setting: what it shows then and what is its own, or how
// it is refused.
type step struct {
	name, text, shows, own string
	kind                   fail.Kind
}

// take sets each text, and then what the setting shows.
func take[T any](t *testing.T, of T, settings []bus.Setting[T], steps []step) {
	t.Helper()
	set := map[string]bool{}
	for _, c := range steps {
		for _, s := range settings {
			if s.Name != c.name {
				continue
			}
			set[s.Name] = true
			wantKind(t, c.name+" "+c.text, s.Set(of, c.text), c.kind)
			own := s.Get
			if s.Own != nil {
				own = s.Own
			}
			if s.Get(of) != c.shows || own(of) != c.own {
				t.Errorf("%s %q: it shows %q, of its own %q; want %q, %q", c.name, c.text, s.Get(of), own(of), c.shows, c.own)
			}
			if text := own(of); text != "" {
				wantKind(t, c.name+": its own", s.Set(of, text), 0)
			}
		}
	}
	if len(set) != len(settings) {
		t.Errorf("only %v are known", set)
	}
}

func TestNetworkSettings(t *testing.T) {
	l := bustest.NewLab(t, directed)
	take(t, l.Net, bus.NetworkSettings, []step{
		{"mtu", "1500", "1500", "1500", 0},
		{"mtu", "59", "1500", "1500", fail.Range},
		{"mtu", "+1400", "1500", "1500", fail.Invalid},
		{"queue", "7", "7", "7", 0},
		{"queue", "65537", "7", "7", fail.Range},
		{"overflow", "block", "block", "block", 0},
		{"overflow", "Block", "block", "block", fail.Invalid},
		{"maxports", "10", "10", "10", 0},
		{"maxports", "", "10", "10", fail.Invalid},
		{"persist", "0", "0", "0", 0},
		{"persist", "2", "0", "0", fail.Invalid},
		{"persist", "1", "1", "1", 0},
		{"linktype", "raw", "raw", "raw", 0},
		{"linktype", "token-ring", "raw", "raw", fail.Invalid},
	})
}

// A port has of its own what was set, and not what it has from its network.
func TestPortSettings(t *testing.T) {
	l := bustest.NewLab(t, directed)
	p, err := l.Net.Reserve(3)
	if err != nil {
		t.Fatal(err)
	}
	take(t, p, bus.PortSettings, []step{
		{"name", "", "", "", 0},
		{"name", "a printer", "a printer", "a printer", 0},
		{"queue", "0", "256", "", fail.Range},
		{"queue", "many", "256", "", fail.Invalid},
		{"queue", "256", "256", "256", 0},
		{"queue", "network", "256", "", 0},
		{"overflow", "network", "drop-new", "", 0},
		{"overflow", "drop-new", "drop-new", "drop-new", 0},
		{"overflow", "some", "drop-new", "drop-new", fail.Invalid},
		{"mirror", "2, 1\t2", "1 2", "1 2", 0},
		{"mirror", "3", "1 2", "1 2", fail.Invalid}, // itself
		{"mirror", "65537", "1 2", "1 2", fail.Range},
		{"mirror", "1-2", "1 2", "1 2", fail.Invalid},
		{"mirror", "none 1", "1 2", "1 2", fail.Invalid},
		{"mirror", "none", "", "", 0},
		{"mirror", "4", "4", "4", 0},
		{"mirror", "", "", "", 0},
	})
}
