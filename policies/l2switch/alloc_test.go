package l2switch

import (
	"encoding/binary"
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// modes are the ways in which a switch can be set up that a frame's path
// depends on: settings of the switch and, with a number in front, of ports.
var modes = []struct {
	name     string
	settings []string
}{
	{"plain", nil},
	{"vlan", []string{"vlan=on", "2/vlans=10", "3/vlans=10", "3/tpid=802.1ad", "4/pvid=10"}},
	{"isolation", []string{"1/isolated=on", "2/isolated=on"}},
	{"storm", []string{"1/storm=broadcast=1 multicast=1 unknown=1"}},
	{"snooping", []string{"snooping=on"}},
	{"rstp", []string{"stp=rstp"}},
	{"per-vlan", []string{"vlan=on", "2/vlans=10", "3/vlans=10", "stp=per-vlan"}},
	{"damping", []string{"damping=10"}},
	{"full", []string{"fdb_max=1"}},
	{"all", []string{"vlan=on", "snooping=on", "1/isolated=on", "2/storm=broadcast=3", "2/vlans=10", "3/vlans=10", "stp=per-vlan"}},
}

// newMode makes a lab of four stations in a mode, at which addresses 1 to 4
// have been learned.
func newMode(tb testing.TB, settings []string) *lab {
	tb.Helper()
	l := newLab(tb, Name, 4)
	l.set(settings...)
	for _, s := range l.stations {
		s.say(toAll, "learn me")
		s.say(toAll, "learn me", ctag(10))
	}
	return l
}

// Forward allocates nothing for data frames, in no mode.
func TestForwardAllocatesNothing(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			l := newMode(t, m.settings)
			current := l.Net.Policy()
			var out policy.Egress
			for what, to := range map[string]mac{"known": macOf(3), "own port": macOf(2), "unknown": nobody, "broadcast": toAll, "multicast": toGroup, "IPv6": {0x33, 0x33, 0, 1, 2, 3}} {
				for _, tags := range [][]uint32{nil, {ctag(0)}, {ctag(10)}, {ctag(30)}, {ctag(4095)}, {stag(10), ctag(5)}} {
					f := frame.NewFrame(makeFrame(to, macOf(2), "body", tags...))
					in := l.at(2).conn.Port()
					if n := testing.AllocsPerRun(100, func() {
						out.Reset()
						current.Forward(in, &f, &out)
					}); n != 0 {
						t.Errorf("%s, tags %x: %v allocations", what, tags, n)
					}
				}
			}
		})
	}
}

// Nor for what moves, is refused or is malformed.
func TestLearningAllocatesNothing(t *testing.T) {
	l := newMode(t, []string{"snooping=on"})
	l.at(1).send(generalQuery(1))
	current := l.Net.Policy()
	var out policy.Egress
	var f frame.Frame
	forward := func(from *station, data []byte) {
		f = frame.NewFrame(data)
		out.Reset()
		current.Forward(from.conn.Port(), &f, &out)
	}
	moving := makeFrame(toAll, macOf(1), "x")
	malformed := [][]byte{{}, {1}, moving[:13], makeFrame(toAll, toAll, "x"), makeFrame(toAll, mac{}, "x"), makeFrame(bridgeGroup(14), macOf(1), "x")}
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		i++
		forward(l.at(1+i%4), moving)
		for _, f := range malformed {
			forward(l.at(1), f)
		}
	}); n != 0 {
		t.Errorf("%v allocations for addresses that move and malformed frames", n)
	}
	l.set("fdb_max=4")
	if n := testing.AllocsPerRun(100, func() {
		i++
		binary.BigEndian.PutUint32(moving[8:], uint32(1000+i))
		forward(l.at(1), moving)
	}); n != 0 {
		t.Errorf("%v allocations for addresses that are refused", n)
	}
}

// From frame to frame Send allocates nothing either, whatever the tags become.
func TestSendAllocatesNothing(t *testing.T) {
	for _, m := range modes {
		l := newLab(t, Name, 0)
		for range 4 {
			l.joinSilent()
		}
		l.set(m.settings...)
		in := l.stations[1].conn
		var batch bus.Batch
		for _, f := range [][]byte{makeFrame(toAll, macOf(2), "x"), makeFrame(toAll, macOf(2), "x", ctag(10)), makeFrame(nobody, macOf(2), "x")} {
			if n := testing.AllocsPerRun(100, func() {
				batch.SetFrame(f)
				in.Send(&batch)
			}); n != 0 {
				t.Errorf("%s: %v allocations to send %s", m.name, n, fmt.Sprintf("%x", f))
			}
		}
		batch.Reset()
	}
}
