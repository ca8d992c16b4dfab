package l2switch

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/policies/broadcast"
)

// during lets each station send n frames, while the others of the functions
// are called over and over.
func (l *lab) during(n int, frame func(s *station, seq int) []byte, meanwhile ...func(i int) error) {
	l.tb.Helper()
	var senders, others sync.WaitGroup
	var done atomic.Bool
	for _, s := range l.stations {
		senders.Go(func() {
			for seq := range n {
				if !bustest.Send(s.conn, frame(s, seq)) {
					l.tb.Errorf("frame %d of port %d was not accepted", seq, s.number())
					return
				}
			}
		})
	}
	for _, f := range meanwhile {
		others.Go(func() {
			for i := 0; !done.Load(); i++ {
				if err := f(i); err != nil {
					l.tb.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	done.Store(true)
	others.Wait()
}

// marked is a frame whose order and bytes bustest can check.
func marked(to mac, s *station, seq int) []byte {
	return bustest.Mark(makeFrame(to, s.mac, ""), s.number(), seq, seq%100)
}

// Another policy, or another switch, on a live network: nobody is
// disconnected, and what was accepted arrives, once and in order.
func TestLiveChangeOfPolicy(t *testing.T) {
	const n = 1000
	specs := []string{broadcast.Name, Name, broadcast.Name, Name + " vlan=on", Name + " ageing=60 fdb_max=3", Name + " snooping=on"}
	for what, to := range map[string]func(s *station) mac{
		"broadcast": func(*station) mac { return toAll },
		"multicast": func(*station) mac { return toGroup },
		"unicast":   func(s *station) mac { return macOf(s.number()%4 + 1) },
		"unknown":   func(*station) mac { return nobody },
	} {
		t.Run(what, func(t *testing.T) {
			l := newLab(t, broadcast.Name, 4)
			l.during(n, func(s *station, seq int) []byte { return marked(to(s), s, seq) },
				func(i int) error { return l.Net.SetPolicy(specs[i%len(specs)]) },
				func(i int) error { l.Bus.Tick(l.now.Add(time.Duration(i) * time.Second)); return nil })
			for _, s := range l.stations {
				if s.conn.Gone() {
					t.Errorf("port %d was disconnected", s.number())
				}
				if err := bustest.CheckOrder(s.Frames(), s.number()); err != nil {
					t.Errorf("port %d: %v", s.number(), err)
				}
				want := map[int]int{}
				for _, from := range l.stations {
					if from != s && (what != "unicast" || to(from) == s.mac) {
						want[from.number()] = n
					}
				}
				got := map[int]int{}
				for _, f := range s.Frames() {
					sender, _, err := bustest.ReadMark(f)
					if err != nil {
						t.Fatal(err)
					}
					got[sender]++
				}
				for sender, n := range want {
					if got[sender] != n {
						t.Errorf("port %d got %d of %d frames of port %d", s.number(), got[sender], n, sender)
					}
				}
			}
			if got := l.Net.Stats().Frames; got != 4*n {
				t.Errorf("the network counted %d frames, want %d", got, 4*n)
			}
			if got := l.Net.Ports(); !slices.Equal(got, []int{1, 2, 3, 4}) {
				t.Errorf("the ports are %v", got)
			}
		})
	}
}

// A switch that is put in force anew begins anew, with its arguments.
func TestSettingsAfterChangeOfPolicy(t *testing.T) {
	l := newLab(t, Name, 2)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	l.set("vlan=on", "1/pvid=20", "1/isolated=on", "7/pvid=30", "stp=rstp", "vlans=add 9", "ageing=5")
	l.at(1).say(toAll, "x")
	for _, spec := range []string{broadcast.Name, Name + " ageing=60 vlan=on"} {
		if err := l.Net.SetPolicy(spec); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"ageing": "60", "vlan": "on", "1/pvid": "1", "1/isolated": "off", "7/pvid": "1", "fdb": "",
		"vlans": "1 name=\"\" untagged=1,2 tagged=none\n",
	} {
		l.want(name, want)
	}
	l.heard()
	l.at(1).say(toAll, "all is as at first")
	l.wantHeard("a broadcast", "all is as at first", 2)
	l.tick(1)
	if err := l.Net.SetPolicy(Name + " colour=red"); fail.KindOf(err) != fail.Invalid {
		t.Errorf("a bad argument: %v", err)
	}
	l.want("ageing", "60") // the old one is in force
}

// All settings change while frames flow: no race, no panic, and no frame that
// is not accounted for (the lab checks that).
func TestLiveSettings(t *testing.T) {
	l := newLab(t, Name, 5)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	words := [][]string{
		{"vlan=on", "stp=per-vlan", "stp=rstp", "stp=per-vlan", "stp=off", "vlan=off", "stp=rstp", "stp=off"},
		{"1/pvid=20", "2/vlans=all", "3/tpid=802.1ad", "1/pvid=1", "2/vlans=none", "3/tpid=802.1q", "7/pvid=5", "4/vlans=20,1", "4/vlans=none"},
		{"1/isolated=on", "2/isolated=on", "3/storm=broadcast=5 unknown=5", "1/isolated=off", "2/isolated=off", "3/storm=off"},
		{"1/stp=cost=5 edge=off", "1/stp=cost=20000 edge=on", "2/stp=guard=on", "2/stp=guard=off", "stp=priority=0", "stp=priority=32768"},
		{"fdb=flush", "fdb=flush port=1", "fdb=add 02:00:00:00:00:77 port=2", "fdb=del 02:00:00:00:00:77", "fdb_max=1", "fdb_max=65536", "ageing=1", "ageing=300", "damping=1", "damping=0"},
		{"snooping=on", "snooping=off", "vlans=add 20 name=x", "vlans=add 30", "vlans=del 30", "groups=flush"},
	}
	var changes []func(int) error
	for _, list := range words {
		changes = append(changes, func(i int) error {
			name, text := cut(list[i%len(list)])
			if err := l.try(name, text); err != nil && fail.KindOf(err) == 0 {
				return fmt.Errorf("echo %s > %s: %w", text, name, err)
			}
			return nil
		})
	}
	changes = append(changes,
		func(i int) error { l.Bus.Tick(l.now.Add(time.Duration(i) * time.Second)); return nil },
		func(int) error { snapshot(l.Net); return nil },
		func(i int) error { // guests, at a port that is reserved and at any
			c, err := l.Net.Join(&bustest.Recorder{}, bus.JoinOptions{Number: 7 * (i % 2), Recv: true, Send: true, Info: bus.Info{Kind: "tap"}})
			if err != nil {
				return err
			}
			bustest.Send(c, makeFrame(toAll, macOf(50+i), "guest"))
			c.Close()
			return nil
		})
	var events bustest.Events
	if err := l.Net.Subscribe(&events); err != nil {
		t.Fatal(err)
	}
	l.during(2000, func(s *station, seq int) []byte {
		to := []mac{toAll, toGroup, macOf(1 + seq%6), bridgeGroup(0)}[seq%4]
		if seq%97 == 0 {
			return rstBPDU(uint64(seq), flagDesignated|flagTC)
		}
		return makeFrame(to, macOf(seq%300), "x", [][]uint32{nil, {ctag(20)}, {stag(20), ctag(1)}}[seq%3]...)
	}, changes...)
}
