package fastpath

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/iface/plane"
)

const (
	ctag = 0x8100 << 16
	stag = 0x88a8 << 16
)

// manyTags are how frames come.
var manyTags = [][]uint32{nil, {ctag | 10}, {ctag | 20 | 5<<13}, {ctag | 3<<13}, {stag | 10}, {stag | 20, ctag | 10}}

// agree checks that what the plane forwards of all frames between some stations, the policy
// sends to that port, with that edit, from a source that it knows there. all: the plane
// forwards all known unicast between its open ports. The follower is frozen. It returns how
// many frames the plane forwards.
func (l *lab) agree(what string, all bool, stations ...mac) (fast int) {
	l.tb.Helper()
	f := l.follower()
	p := l.Net.Policy()
	var out policy.Egress
	bySlot := map[*fakePort]*host{}
	for _, h := range l.hosts {
		bySlot[h.gate] = h
	}
	for _, in := range l.hosts {
		now, here := f.feed.Port(in.number())
		for _, tags := range manyTags {
			for _, src := range stations {
				for _, dst := range stations {
					data := makeFrame(dst, src, tags...)
					to, edit := in.gate.decide(data)
					vlan, _, _, ok := classify(&plane.Settings{VLANs: now.VLANs, PVID: now.PVID, TPID: now.TPID}, data)
					at, known := f.feed.Station(vlan, src)
					if !here || !ok || !known || at.Port != in.number() { // the policy would learn
						if to != nil {
							l.tb.Errorf("%s: the plane forwards %x of port %d, where the policy does not know the source", what, data, in.number())
						}
						continue
					}
					one := frame.NewFrame(data)
					out.Reset()
					p.Forward(in.conn.Port(), &one, &out)
					switch {
					case to != nil:
						fast++
						if got := out.Ports(); len(got) != 1 || got[0].Number() != bySlot[to].number() || out.Edit(0) != edit || out.Dropped() != 0 {
							l.tb.Errorf("%s: the plane forwards %x from port %d to %d with %+v; the policy to %d ports, dropped %v, edit %+v",
								what, data, in.number(), bySlot[to].number(), edit, len(got), out.Dropped(), out.Edit(0))
						}
					case all && len(out.Ports()) == 1 && in.Path() == "":
						_, there := f.feed.Station(vlan, dst)
						for _, h := range l.hosts {
							if there && h.number() == out.Ports()[0].Number() && h.Path() == "" {
								l.tb.Errorf("%s: the plane does not forward %x from port %d to %d", what, data, in.number(), h.number())
							}
						}
					}
					if l.tb.Failed() {
						l.tb.FailNow()
					}
				}
			}
		}
	}
	return fast
}

// change does something at random, of which nothing is given that is not told at once. It
// returns what.
func (l *lab) change(r *rand.Rand, macs []mac) string {
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	port, vlan := 1+r.IntN(len(l.hosts)), one("", " vlan=1", " vlan=10")
	address := fmt.Sprintf("%x", macs[r.IntN(len(macs))])
	address = fmt.Sprintf("%s:%s:%s:%s:%s:%s", address[:2], address[2:4], address[4:6], address[6:8], address[8:10], address[10:])
	var do string
	switch r.IntN(16) {
	case 0, 1:
		do = fmt.Sprintf("%d/pvid=%s", port, one("0", "1", "1", "10"))
	case 2, 3:
		do = fmt.Sprintf("%d/vlans=%s", port, one("none", "10", "10,20", "all"))
	case 4:
		do = fmt.Sprintf("%d/tpid=%s", port, one("0x8100", "0x8100", "0x88a8"))
	case 5, 6:
		do = fmt.Sprintf("%d/isolated=%s", port, one("on", "off"))
	case 7:
		do = "vlan=" + one("on", "on", "off")
	case 8:
		do = "stp=" + one("off", "off", "rstp", "per-vlan")
	case 9:
		do = "fdb=flush" + one("", fmt.Sprint(" port=", port)) + vlan
	case 10:
		do = fmt.Sprintf("fdb=add %s port=%d%s", address, port, vlan)
	case 11:
		do = "fdb=del " + address + vlan
	case 12:
		do = "vlans=" + one("add 10", "add 20", "del 20")
	case 13:
		do = "fastpath=" + one("on", "on", "off")
	case 14:
		up := r.IntN(3) > 0
		l.at(port).conn.SetLink(up)
		return fmt.Sprintf("link of %d %v", port, up)
	case 15:
		var to []int
		if r.IntN(3) == 0 {
			to = []int{1 + port%len(l.hosts)}
		}
		_ = l.at(port).conn.Port().SetMirror(to)
		return fmt.Sprintf("mirror of %v to %d", to, port)
	}
	_ = l.try(do) // some are refused
	return do
}

// Whatever is set and learned: at each moment the plane forwards only what the policy
// would send to that port in that form, though the follower may not have caught up; and when
// it has, it forwards all that is known.
func TestModel(t *testing.T) {
	fast := 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			l := newLab(t, "switch", 4)
			file := l.Join(t, &bustest.Sink{})
			l.settle()
			defer l.freeze()()
			var macs []mac
			for i := range 6 {
				macs = append(macs, macOf(i+1))
			}
			for step := range 120 {
				what := fmt.Sprint("step ", step, ": ")
				caught := r.IntN(3) == 0
				switch p := r.IntN(10); {
				case p < 5: // a station speaks where it is
					i := r.IntN(len(l.hosts))
					caught = caught || slices.ContainsFunc(l.follower().feed.Stations(0), func(s policy.Station) bool {
						return s.MAC == macs[i] && s.Port != l.at(i+1).number()
					})
					l.at(i+1).send(toAll, macs[i], manyTags[r.IntN(len(manyTags))]...)
					what += fmt.Sprint(i+1, " speaks")
				case p < 6: // or moves, which takes no right of a port
					from := append([]*bus.Conn{file}, l.at(1).conn, l.at(2).conn, l.at(3).conn, l.at(4).conn)[r.IntN(5)]
					bustest.Send(from, makeFrame(toAll, macs[r.IntN(len(macs))], manyTags[r.IntN(len(manyTags))]...))
					caught = true
					what += "somebody moves"
				case p < 7:
					l.tick(1 + r.IntN(4))
					caught = true
					what += "time"
				default:
					what += l.change(r, macs)
				}
				if caught {
					l.catch()
				}
				fast += l.agree(what, caught, macs...)
			}
		})
	}
	if fast < 1000 {
		t.Errorf("only %d frames went by in all", fast)
	}
}

// All at once: hosts speak and move, settings change, ports come and go, while the follower
// follows. Whenever it is quiet, the plane forwards what the policy says.
func TestLive(t *testing.T) {
	const rounds = 12
	l := newLab(t, "switch damping=1", 4)
	r := rand.New(rand.NewPCG(1, 2))
	var macs []mac
	for i := range 6 {
		macs = append(macs, macOf(i+1))
	}
	to := append(slices.Clone(macs), toAll)
	fast := 0
	for round := range rounds {
		var senders sync.WaitGroup
		for i, h := range l.hosts {
			senders.Go(func() {
				for range 200 {
					from := macs[i]
					if rand.IntN(20) == 0 {
						from = macs[rand.IntN(len(macs))]
					}
					data := makeFrame(to[rand.IntN(len(to))], from, manyTags[rand.IntN(len(manyTags))]...)
					if out, _ := h.gate.decide(data); out == nil {
						bustest.Send(h.conn, data)
					}
				}
			})
		}
		for range 25 {
			l.change(r, macs)
			switch r.IntN(8) {
			case 0:
				_ = l.try("fdb_max=" + []string{"3", "1000"}[r.IntN(2)])
			case 1:
				_ = l.try("ageing=" + []string{"1", "300"}[r.IntN(2)])
			case 2:
				l.tick(1 + r.IntN(3))
			}
		}
		senders.Wait()
		l.speak() // a change that came after all that was sent may have made it forgotten
		bustest.WaitFor(t, "the follower to follow", l.follows)
		func() {
			defer l.freeze()()
			l.catch()
			fast += l.agree(fmt.Sprint("round ", round), true, macs...)
		}()
		last := len(l.hosts)
		l.hosts[last-1].leave()
		l.hosts = l.hosts[:last-1]
		l.join(bus.JoinOptions{})
		if round%4 == 3 {
			if err := l.Net.SetPolicy([]string{"broadcast", "switch"}[round/4%2]); err != nil {
				t.Fatal(err)
			}
			if err := l.Net.SetPolicy("switch damping=1"); err != nil {
				t.Fatal(err)
			}
			for _, h := range l.hosts {
				_ = h.conn.Port().SetMirror(nil)
			}
			l.settle()
		}
	}
	if fast < rounds {
		t.Errorf("only %d frames were for the plane in all rounds", fast)
	}
}
