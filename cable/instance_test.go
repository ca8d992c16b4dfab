package cable

import (
	"strings"
	"testing"

	"ipnfs/bus/bustest"
)

// One cable of a network leads to each other one: the second waits until the first has
// no link, and one that leads back is refused.
func TestClaim(t *testing.T) {
	l, far := newLab(t), newLab(t)
	a, first, end := l.layUp("fake://a")
	_, second, _ := l.layUp("fake://b")
	c, _, _ := far.layUp("fake://c")
	one, two, id := first.plug.Load(), second.plug.Load(), c.plug.ID()
	if id != c.plug.ID() || id == one.ID() || one.ID() != two.ID() {
		t.Error("a network has an ID of its own, the same for all its cables")
	}
	if err := one.Claim(one.ID()); err != errSelf {
		t.Errorf("a cable back to the network: %v", err)
	}
	if err := one.Claim(id); err != nil {
		t.Error(err)
	}
	if err := one.Claim(id); err != nil {
		t.Errorf("again by the same cable: %v", err)
	}
	if err := two.Claim(id); err == nil || !strings.Contains(err.Error(), "by cable "+a.name+" already") {
		t.Errorf("by a second cable: %v", err)
	}
	if err := c.plug.Claim(one.ID()); err != nil {
		t.Errorf("the other network has its own: %v", err)
	}
	end.Try(nil) // the end of the first link
	bustest.WaitFor(t, "the second cable to be free to", func() bool { return two.Claim(id) == nil })
	l.await(a, "down")
}
