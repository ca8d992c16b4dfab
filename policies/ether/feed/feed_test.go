package feed

import (
	"testing"
	"time"

	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
)

// purse is a Memory of a size in bytes.
type purse struct{ left int }

func (p *purse) Charge(n int) bool {
	if n > p.left {
		return false
	}
	p.left -= n
	return true
}

func (p *purse) Refund(n int) { p.left += n }

// calls counts what a follower is told.
type calls struct{ revoked, woken int }

func (c *calls) Revoke(int, uint16) { c.revoked++ }
func (c *calls) Wake()              { c.woken++ }
func (c *calls) Used(_ uint16, _ [6]byte, port int) (time.Time, bool) {
	return time.Unix(int64(port), 0), true
}

// start makes a feed with a follower that has caught up.
func start(t *testing.T) (*Feed, *calls, policy.Feed, *purse) {
	t.Helper()
	e, c, mem := &Feed{}, &calls{}, &purse{left: size}
	to, err := e.Follow(c, nil, mem)
	if err != nil {
		t.Fatal(err)
	}
	if n, resync := to.Next(nil); n != 0 || !resync {
		t.Errorf("at first: %d changes, resync %v", n, resync)
	}
	to.Next(nil)
	return e, c, to, mem
}

// Changes come in order, by as many as there is room for; and one Wake for all.
func TestNext(t *testing.T) {
	e, c, to, _ := start(t)
	for i := range 5 {
		e.Changed(uint16(i), [6]byte{2})
	}
	e.PortChanged(7)
	var list [4]policy.Change
	var got []policy.Change
	for {
		n, resync := to.Next(list[:])
		if resync {
			t.Error("resync, and nothing was lost")
		}
		if n == 0 {
			break
		}
		got = append(got, list[:n]...)
	}
	if len(got) != 6 || got[4] != (policy.Change{VLAN: 4, MAC: [6]byte{2}}) || got[5] != (policy.Change{Port: 7}) || c.woken != 1 {
		t.Errorf("%v, woken %d times", got, c.woken)
	}
	e.Changed(1, [6]byte{})
	if c.woken != 2 {
		t.Errorf("woken %d times", c.woken)
	}
}

// Who falls behind gets the mark in place of what waited, and goes on from there.
func TestResync(t *testing.T) {
	for name, fall := range map[string]func(*Feed){
		"addresses": func(e *Feed) {
			for i := range length + 1 {
				e.Changed(uint16(i), [6]byte{})
			}
		},
		"ports": func(e *Feed) {
			for i := range maxPorts + 1 {
				e.PortChanged(1 + i)
			}
		},
		"all ports": func(e *Feed) { e.Revoke(0, policy.AnyVLAN) },
		"all":       func(e *Feed) { e.Resync() },
	} {
		e, _, to, _ := start(t)
		e.Changed(9, [6]byte{9})
		fall(e)
		e.Changed(10, [6]byte{9})
		var list [2]policy.Change
		if n, resync := to.Next(list[:]); n != 0 || !resync {
			t.Errorf("%s: %d changes, resync %v", name, n, resync)
		}
		e.PortChanged(3)
		if n, resync := to.Next(list[:]); n != 1 || resync || list[0].Port != 3 {
			t.Errorf("%s: afterwards %d changes, %v, resync %v", name, n, list, resync)
		}
	}
}

// The follower hears at once of what is forbidden, and comes to it later.
func TestRevoke(t *testing.T) {
	e, c, to, _ := start(t)
	e.Revoke(3, 5)
	var list [2]policy.Change
	if n, resync := to.Next(list[:]); c.revoked != 1 || n != 1 || resync || list[0] != (policy.Change{Port: 3}) {
		t.Errorf("revoked %d, %d changes %v, resync %v", c.revoked, n, list, resync)
	}
}

// One at a time, what he takes is charged, and he may go; or the policy does.
func TestFollow(t *testing.T) {
	e, c, to, mem := start(t)
	if _, err := e.Follow(c, nil, mem); fail.KindOf(err) != fail.Busy {
		t.Errorf("a second one: %v", err)
	}
	to.Close()
	to.Close()
	e.Changed(1, [6]byte{})
	e.Revoke(1, 1)
	if mem.left != size || c.revoked != 0 || c.woken != 0 || !to.Ended() {
		t.Errorf("after Close: %d bytes, %+v", mem.left, c)
	}
	mem.left--
	if _, err := e.Follow(c, nil, mem); fail.KindOf(err) != fail.NoSpace {
		t.Errorf("without memory: %v", err)
	}
	mem.left++
	if _, ok := e.Used(1, [6]byte{2}, 3); ok || e.Followed() {
		t.Errorf("after Close: followed %v, used %v", e.Followed(), ok)
	}
	to, err := e.Follow(c, nil, mem)
	if when, ok := e.Used(1, [6]byte{2}, 3); !ok || when.Unix() != 3 || !e.Followed() {
		t.Errorf("the second one: followed %v, used %v, %v", e.Followed(), ok, when)
	}
	if err != nil || to.Ended() {
		t.Fatalf("after the first has gone: %v", err)
	}
	e.End()
	e.End()
	if mem.left != size || c.revoked != 1 || !to.Ended() {
		t.Errorf("after End: %d bytes, %+v", mem.left, c)
	}
}

// late is a follower that looks at everything the moment it is told to forget it.
type late struct {
	calls
	look func()
}

func (l *late) Revoke(int, uint16) { l.look() }

// known is a Source whose table outlives the switch.
type known struct{}

func (known) Station(uint16, [6]byte) (s policy.Station, ok bool) { return s, true }
func (known) Stations(int) []policy.Station                       { return make([]policy.Station, 1) }
func (known) Ports() []policy.FeedPort                            { return make([]policy.FeedPort, 1) }
func (known) Port(int) (p policy.FeedPort, ok bool)               { return p, true }

// Who notes a mark after End's Revoke, and asks with it, hears of nothing that the switch
// has forwarded: he would forward it for another policy.
func TestEndedKnowsNothing(t *testing.T) {
	e, f := &Feed{}, &late{}
	to, err := e.Follow(f, known{}, &purse{left: size})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (answers int) {
		_, station := to.Station(1, [6]byte{2})
		_, port := to.Port(1)
		for _, yes := range []bool{station, port, len(to.Stations(0)) > 0, len(to.Ports()) > 0} {
			if yes {
				answers++
			}
		}
		return answers
	}
	if n := ask(); n != 4 {
		t.Errorf("before: %d answers of 4", n)
	}
	looked := false
	f.look = func() {
		if looked = true; !to.Ended() || ask() != 0 {
			t.Errorf("as it ends: %d answers, ended %v", ask(), to.Ended())
		}
	}
	if e.End(); !looked {
		t.Error("nothing was revoked")
	}
}

// Without a follower nothing happens, and with one nothing is allocated.
func TestNoAllocation(t *testing.T) {
	all := func(e *Feed) {
		e.Changed(1, [6]byte{})
		e.PortChanged(1)
		e.Revoke(1, 1)
		e.Resync()
	}
	followed, _, _, _ := start(t)
	for name, e := range map[string]*Feed{"nobody": {}, "somebody": followed} {
		if n := testing.AllocsPerRun(100, func() { all(e) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
