package netns_test

import (
	"sync/atomic"
	"testing"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// needAll skips where what keeps namespaces alive cannot be told.
func needAll(t *testing.T) {
	t.Helper()
	nstest.NeedRoot(t)
	if !netns.SeesAll() {
		t.Skip("this is a pid namespace that does not see all processes")
	}
}

// Whoever guards a namespace hears when nobody else keeps it alive, and not before, nor
// behind the end.
func TestGuard(t *testing.T) {
	needAll(t)
	name, ns := nstest.New(t)
	var calls, stopped atomic.Int64
	stop := netns.Guard(ns.ID(), func() { calls.Add(1) })
	ended := netns.Guard(ns.ID(), func() { stopped.Add(1) })
	netns.CheckGuards()
	if calls.Load() != 0 {
		t.Error("it is abandoned while it has a name")
	}
	ended()
	ended()
	nstest.Delete(name)
	nstest.Wait(t, "it to be abandoned", func() bool { return calls.Load() > 0 })
	stop()
	before := calls.Load()
	netns.CheckGuards()
	if calls.Load() != before || stopped.Load() != 0 {
		t.Errorf("%d calls behind the end, %d of the other", calls.Load()-before, stopped.Load())
	}
	stop()
}

// A witness that ends is replaced by another, be it one who opened the namespace by a
// name that is not there any more.
func TestGuardByAnother(t *testing.T) {
	needAll(t)
	name, ns := nstest.New(t)
	var calls atomic.Int64
	stop := netns.Guard(ns.ID(), func() { calls.Add(1) })
	defer stop()
	child(t, nil, "exec 7</run/netns/"+name+"; echo ready"+wait)
	nstest.Delete(name)
	for range 3 {
		netns.CheckGuards()
	}
	if calls.Load() != 0 {
		t.Error("it is abandoned while somebody has it open")
	}
}

// Nothing is guarded that is our own, or that nobody else keeps alive from the
// beginning.
func TestNothingToGuard(t *testing.T) {
	needAll(t)
	home, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	name, ns := nstest.New(t)
	nstest.Delete(name)
	for _, id := range []netns.ID{home.ID(), ns.ID(), {}} {
		stop := netns.Guard(id, func() { t.Errorf("%v is abandoned", id) })
		for range 3 {
			netns.CheckGuards()
		}
		stop()
	}
}
