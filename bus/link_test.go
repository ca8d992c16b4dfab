package bus_test

import (
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/policy"
)

// linker is a script that hears of links.
type linker struct{ script }

func (k *linker) Link(p policy.Port) { k.note("link %d up %v", p.Number(), k.env.LinkUp(p)) }

// A policy hears when frames begin or cease to pass an endpoint, and only
// then.
func TestLink(t *testing.T) {
	k := &linker{}
	l := bustest.NewLab(t, register(t, k))
	a := l.Join(t, &bustest.Sink{})
	if _, err := l.Net.Reserve(2); err != nil {
		t.Fatal(err)
	}
	two := bus.JoinOptions{Number: 2, Recv: true, Send: true}
	b, c := l.JoinAs(t, &bustest.Sink{}, two), l.JoinAs(t, &bustest.Sink{}, two)
	k.noted()

	a.SetLink(true)
	k.wantNotes(t, "it is up")
	a.SetLink(false)
	k.wantNotes(t, "down", "link 1 up false")
	a.SetLink(false)
	k.wantNotes(t, "down again")
	a.SetLink(true)
	k.wantNotes(t, "up", "link 1 up true")

	// A port with several has a link while one of them has.
	b.SetLink(false)
	k.wantNotes(t, "one of two is down", "link 2 up true")
	c.SetLink(false)
	k.wantNotes(t, "both are", "link 2 up false")
	b.SetLink(true)
	k.wantNotes(t, "one is up", "link 2 up true")

	l.Leave(a)
	k.wantNotes(t, "left", "leave 1")
	a.SetLink(false)
	k.wantNotes(t, "who has left")
}
