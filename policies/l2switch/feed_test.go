package l2switch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/policies/ether/fdb"
	"ipnfs/policies/ether/vlan"
)

// follow lets a mirror follow the switch.
func (l *lab) follow() *bustest.Mirror {
	l.tb.Helper()
	m, err := bustest.Follow(l.Net)
	if err != nil {
		l.tb.Fatal(err)
	}
	m.Catch()
	return m
}

// agree checks that a mirror that has caught up decides what Forward does, of all
// known unicast between the stations, and nothing else. It returns how much of
// that there is.
func (l *lab) agree(m *bustest.Mirror, what string, stations ...mac) (fast int) {
	l.tb.Helper()
	s := l.Net.Policy().(*Switch)
	var out policy.Egress
	for in := range s.ports.all {
		for _, tags := range [][]uint32{nil, {ctag(10)}, {ctag(20, 5<<pcpShift)}, {ctag(0, 3<<pcpShift)}, {stag(10)}} {
			for _, src := range stations {
				for _, dst := range stations {
					data := makeFrame(dst, src, "x", tags...)
					to, edit, ok := m.Decide(in.number, data)
					t, here := vlan.Tag{}, true
					if s.mode.Load().vlans {
						t, here = in.config.Load().Classify(data)
					}
					at, known := s.fdb.Lookup(fdb.MakeKey(t.VLAN, src))
					if !here || !known || at != in.number { // Forward would learn
						if ok {
							l.tb.Errorf("%s: the mirror sends %x of port %d, which nobody knows there, to %d", what, data, in.number, to)
						}
						continue
					}
					_, there := s.fdb.Lookup(fdb.MakeKey(t.VLAN, dst))
					f := frame.NewFrame(data)
					out.Reset()
					s.Forward(in.bus, &f, &out)
					if want := there && len(out.Ports()) == 1; want != ok || ok && (out.Ports()[0].Number() != to || out.Edit(0) != edit) {
						l.tb.Errorf("%s: %x of port %d: Forward sends to %d ports, known %v, dropped %d; the mirror to %d with %+v, %v",
							what, data, in.number, len(out.Ports()), there, out.Dropped(), to, edit, ok)
					}
					if ok {
						fast++
					}
				}
			}
		}
	}
	return fast
}

// What takes a right is known to a follower who has not caught up, when the
// command returns. Then he catches up, and decides as the switch does.
func TestRevokedAtOnce(t *testing.T) {
	rooted := func(root uint64, flags byte) func(l *lab) {
		return func(l *lab) { l.at(3).send(rstBPDU(root<<48|1, flagDesignated|flags)) }
	}
	bridged := []string{"stp=rstp", "1/stp=edge=off", "2/stp=edge=off", "3/stp=root_guard=off edge=off"}
	vlans := []string{"vlan=on"}
	for _, c := range []struct {
		do     string // a command, or what else happens
		before []string
		tags   []uint32
		event  func(l *lab)
	}{
		{"1/isolated=on", nil, nil, nil},
		{"fastpath=off", nil, nil, nil},
		{"ageing=2", nil, nil, nil},
		{"fdb=flush", nil, nil, nil},
		{"fdb=flush port=2", nil, nil, nil},
		{"fdb=del " + macOf(1).String(), nil, nil, nil},
		{"fdb=del " + macOf(2).String(), nil, nil, nil},
		{"fdb=add " + macOf(2).String() + " port=3", nil, nil, nil},
		{"vlan=on", nil, nil, nil},
		{"2/pvid=10", vlans, nil, nil},
		{"2/tpid=802.1ad", vlans, nil, nil},
		{"2/vlans=10", vlans, nil, nil},
		{"fdb=flush vlan=1", vlans, nil, nil},
		{"fdb=flush vlan=1 port=1", vlans, nil, nil},
		{"vlan=off", vlans, nil, nil},
		{"vlans=del 10", []string{"vlan=on", "vlans=add 10", "1/vlans=all", "2/vlans=all"}, []uint32{ctag(10)}, nil},
		{"stp=rstp", nil, nil, nil},
		{"stp=per-vlan", vlans, nil, nil},
		{"stp=off", []string{"stp=rstp"}, nil, nil},
		{"stp=off", []string{"vlan=on", "stp=per-vlan"}, nil, nil},
		{"link down", nil, nil, func(l *lab) { l.at(2).conn.SetLink(false) }},
		{"leave", nil, nil, func(l *lab) { l.at(2).conn.Close() }},
		{"rmdir", nil, nil, func(l *lab) { _ = l.Net.RemovePort(2) }},
		{"guard", []string{"stp=rstp", "2/stp=guard=on"}, nil, func(l *lab) { l.at(2).send(rstBPDU(0x1000<<48|1, flagDesignated)) }},
		{"topology change", bridged, nil, rooted(0x1000, flagTC)},
		{"end of a tree", []string{"vlan=on", "stp=per-vlan", "1/vlans=all", "2/vlans=all", "3/pvid=10"}, []uint32{ctag(10)},
			func(l *lab) { l.at(3).conn.Close() }},
	} {
		l := newLab(t, Name, 3)
		l.set("2/isolated=on")
		l.set(c.before...)
		m := l.follow()
		speak := func() {
			for _, s := range l.stations {
				if !s.conn.Gone() && s.number() != 3 {
					s.say(toAll, "x", c.tags...)
				}
			}
			m.Catch()
		}
		if slices.Equal(c.before, bridged) { // there are other bridges, and one is the root
			for range 40 {
				l.at(1).send(rstBPDU(0xf000<<48|1, flagDesignated))
				l.at(2).send(rstBPDU(0xf000<<48|2, flagDesignated))
				rooted(0x1000, 0)(l)
				l.tick(1)
			}
		}
		speak()
		there, back := makeFrame(macOf(2), macOf(1), "x", c.tags...), makeFrame(macOf(1), macOf(2), "x", c.tags...)
		still := func() string {
			_, _, one := m.Decide(1, there)
			_, _, two := m.Decide(2, back)
			return fmt.Sprintf("there %v, back %v", one, two)
		}
		if got := still(); got != "there true, back true" {
			t.Errorf("%s: before it the mirror sends %s", c.do, got)
		}
		if c.event != nil {
			c.event(l)
		} else {
			l.set(c.do)
		}
		if got := still(); got != "there false, back false" {
			t.Errorf("%s: the mirror still sends, %s", c.do, got)
		}
		m.Catch()
		if c.do == "fastpath=off" {
			l.set("fastpath=on")
			m.Catch()
		}
		l.agree(m, c.do, macOf(1), macOf(2), macOf(3))
		l.join(bus.JoinOptions{})
		speak()
		l.agree(m, c.do+", and then a new port", macOf(1), macOf(2), macOf(3), macOf(4))
	}
}

// What a port comes to be allowed is asked anew: it had learned before.
func TestFollowedToForwarding(t *testing.T) {
	l := newLab(t, Name, 2)
	l.set("1/stp=edge=off", "stp=rstp")
	m := l.follow()
	for range 40 {
		l.at(1).send(rstBPDU(0xf000<<48|1, flagDesignated)) // another bridge, which is not the root
		l.tick(1)
		if l.field(1, 0, "state") == "learning" {
			l.at(1).say(toAll, "x")
			l.at(2).say(toAll, "x")
		}
		m.Catch()
		l.agree(m, l.field(1, 0, "state"), macOf(1), macOf(2))
	}
	if _, _, ok := m.Decide(1, makeFrame(macOf(2), macOf(1), "x")); !ok {
		t.Error("the mirror sends nothing in the end")
	}
}

// A shorter time holds before the next Tick removes what is too old.
func TestFollowedAgeing(t *testing.T) {
	l := newLab(t, Name, 2)
	m := l.follow()
	l.at(1).say(toAll, "x")
	l.tick(5)
	l.at(2).say(toAll, "x")
	m.Catch()
	l.set("ageing=2")
	m.Catch()
	l.agree(m, "ageing", macOf(1), macOf(2))
}

// TestFollowerDecides lets everything happen at once and at random while a mirror follows.
// Whenever it is quiet, it decides what Forward decides.
func TestFollowerDecides(t *testing.T) {
	const ports, rounds, ops = 4, 30, 25
	r := rand.New(rand.NewPCG(1, 2))
	l := newLab(t, Name, 0)
	for range ports {
		l.joinSilent()
	}
	guest := func() *station {
		l.joinSilent()
		s := l.stations[ports]
		l.stations = slices.Delete(l.stations, ports, ports+1)
		return s
	}
	last := guest()
	m := l.follow()
	var macs []mac
	for i := range ports + 4 {
		macs = append(macs, macOf(i+1))
	}
	anyTags := func(pick func(int) int) []uint32 {
		return [][]uint32{nil, nil, {ctag(10)}, {ctag(20)}, {ctag(0)}, {stag(10)}}[pick(6)]
	}
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	change := func() {
		port, address := 1+r.IntN(ports+1), macs[r.IntN(len(macs))]
		vlan := one("", " vlan=1", " vlan=10")
		switch p := r.IntN(20); p {
		case 0, 1:
			_ = l.try(fmt.Sprintf("%d/pvid", port), one("0", "1", "1", "10"))
		case 2, 3:
			_ = l.try(fmt.Sprintf("%d/vlans", port), one("none", "10", "10,20", "all"))
		case 4:
			_ = l.try(fmt.Sprintf("%d/tpid", port), one("0x8100", "0x8100", "0x88a8"))
		case 5, 6:
			_ = l.try(fmt.Sprintf("%d/isolated", port), one("on", "off"))
		case 7:
			_ = l.try("vlan", one("on", "on", "off"))
		case 8:
			_ = l.try("stp", one("off", "rstp", "per-vlan"))
		case 9:
			_ = l.try("fdb", "flush"+one("", fmt.Sprint(" port=", port))+vlan)
		case 10:
			_ = l.try("fdb", fmt.Sprintf("add %v port=%d%s", address, port, vlan))
		case 11:
			_ = l.try("fdb", fmt.Sprintf("del %v%s", address, vlan))
		case 12:
			_ = l.try("vlans", one("add 10", "add 20", "del 20"))
		case 13:
			_ = l.try("ageing", one("1", "2", "300"))
		case 14:
			_ = l.try("fdb_max", one("3", "1000"))
		case 15:
			_ = l.try("damping", one("0", "0", "2"))
		case 16:
			l.at(1 + r.IntN(ports)).conn.SetLink(r.IntN(4) > 0)
		case 17:
			last.conn.Close()
			last = guest()
		default:
			l.tick(1 + r.IntN(3))
		}
		_ = bustest.Send(last.conn, makeFrame(address, macs[r.IntN(len(macs))], "x", anyTags(r.IntN)...))
	}
	fast := 0
	for round := range rounds {
		quiet := make(chan struct{})
		var senders, pump sync.WaitGroup
		for _, s := range l.stations {
			senders.Go(func() {
				for range 300 {
					to := macs[rand.IntN(len(macs))]
					if rand.IntN(5) == 0 {
						to = toAll
					}
					from := s.mac
					if rand.IntN(20) == 0 {
						from = macs[rand.IntN(len(macs))] // a station moves
					}
					bustest.Send(s.conn, makeFrame(to, from, "x", anyTags(rand.IntN)...))
				}
			})
		}
		pump.Go(func() {
			for {
				select {
				case <-m.Wakes():
					m.Catch()
				case <-quiet:
					return
				}
			}
		})
		for range ops {
			change()
		}
		senders.Wait()
		close(quiet)
		pump.Wait()
		m.Catch()
		if fast += l.agree(m, fmt.Sprint("round ", round), macs...); t.Failed() {
			return
		}
	}
	if fast < rounds {
		t.Errorf("only %d frames were for the mirror in all rounds", fast)
	}
}

// A station whose frames pass elsewhere neither ages out nor moves under damping, and its
// age is the true one.
func TestUsedElsewhere(t *testing.T) {
	l := newLab(t, Name+" ageing=10 damping=3", 3)
	m := l.follow()
	l.at(1).say(toAll, "x")
	l.at(2).say(toAll, "x")
	l.tick(8)
	m.Use(0, macOf(1), 1, l.now)
	m.Use(0, macOf(2), 1, l.now) // it is not there
	l.want("fdb", entry(macOf(1), 0, 1, 0)+entry(macOf(2), 0, 2, 8))
	l.tick(8)
	l.want("fdb", entry(macOf(1), 0, 1, 8))
	m.Use(0, macOf(1), 1, l.now.Add(time.Hour)) // which is now
	l.at(3).send(makeFrame(toAll, macOf(1), "x"))
	l.want("fdb", entry(macOf(1), 0, 1, 0))
	m.Use(0, macOf(1), 1, l.now)
	l.tick(4)
	l.at(3).send(makeFrame(toAll, macOf(1), "x"))
	l.want("fdb", entry(macOf(1), 0, 3, 0))
}

// A follower does nothing while he is not to, and begins again.
func TestApart(t *testing.T) {
	l := newLab(t, Name, 2)
	m := l.follow()
	l.at(1).say(toAll, "x")
	l.at(2).say(toAll, "x")
	l.set("fastpath=off")
	m.Catch()
	data := makeFrame(macOf(2), macOf(1), "x")
	if _, _, ok := m.Decide(1, data); ok {
		t.Error("off: the mirror sends")
	}
	l.set("fastpath=on")
	m.Catch()
	if _, _, ok := m.Decide(1, data); !ok {
		t.Error("on again: the mirror sends nothing")
	}
}

// A policy that is replaced has nothing to follow, and says so; what the follower
// held is given back.
func TestFollowEnds(t *testing.T) {
	l := newLab(t, Name, 2)
	m := l.follow()
	l.at(1).say(macOf(2), "x")
	l.at(2).say(macOf(1), "x")
	m.Catch()
	if _, err := bustest.Follow(l.Net); fail.KindOf(err) != fail.Busy {
		t.Errorf("a second follower: %v", err)
	}
	if err := l.Net.SetPolicy(Name); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := m.Decide(1, makeFrame(macOf(2), macOf(1), "x")); ok || !m.Feed().Ended() {
		t.Errorf("after another policy came: ended %v, still sends %v", m.Feed().Ended(), ok)
	}
	l.follow().Feed().Close()
}
