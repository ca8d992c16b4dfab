package link_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// heard remembers what a Listener was told.
type heard struct {
	mu    sync.Mutex
	facts []link.Facts
	left  []bool
}

func (h *heard) Changed(f link.Facts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts = append(h.facts, f)
}

func (h *heard) Left(moved bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left = append(h.left, moved)
}

// wait waits until the facts told last satisfy want.
func (h *heard) wait(t *testing.T, what string, want func(link.Facts) bool) {
	t.Helper()
	nstest.Wait(t, what, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.facts) > 0 && want(h.facts[len(h.facts)-1])
	})
}

func (h *heard) waitLeft(t *testing.T, moved bool) {
	t.Helper()
	nstest.Wait(t, fmt.Sprintf("left, moved %v", moved), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.left) > 0
	})
	if h.left[0] != moved {
		t.Errorf("moved is %v", h.left[0])
	}
}

func observe(t *testing.T, ns *netns.NS, name string) (*heard, *link.Watch) {
	t.Helper()
	f, err := link.Get(ns, name)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	w, first, err := link.Observe(ns, f.Index, h)
	if err != nil {
		t.Fatal(err)
	}
	if first.Name != name || first.Index != f.Index {
		t.Errorf("observing %s told of %+v", name, first)
	}
	t.Cleanup(w.Close)
	return h, w
}

func TestObserve(t *testing.T) {
	_, ns := nstest.New(t)
	a, b := nstest.Veth(t, ns)
	h, _ := observe(t, ns, a)
	nstest.Change(t, ns, a, netlink.LinkSetUp)
	h.wait(t, "up, no carrier", func(f link.Facts) bool { return f.Up && !f.Carrier })
	nstest.Change(t, ns, b, netlink.LinkSetUp)
	h.wait(t, "carrier", func(f link.Facts) bool { return f.Up && f.Carrier })
	nstest.Change(t, ns, a, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1400) })
	h.wait(t, "mtu", func(f link.Facts) bool { return f.MTU == 1400 })
	nstest.Change(t, ns, a, netlink.LinkSetDown)
	h.wait(t, "down", func(f link.Facts) bool { return !f.Up && !f.Carrier })
	renamed := nstest.Name()
	nstest.Change(t, ns, a, func(l netlink.Link) error { return netlink.LinkSetName(l, renamed) })
	h.wait(t, "renamed", func(f link.Facts) bool { return f.Name == renamed })
	nstest.Change(t, ns, renamed, netlink.LinkDel)
	h.waitLeft(t, false)
}

func TestObserveMove(t *testing.T) {
	_, ns := nstest.New(t)
	_, other := nstest.New(t)
	a, _ := nstest.Veth(t, ns)
	h, _ := observe(t, ns, a)
	nstest.Change(t, ns, a, func(l netlink.Link) error { return netlink.LinkSetNsFd(l, other.FD()) })
	h.waitLeft(t, true)
}

// A bridge tells that a port left it by the same kind of message.
func TestObserveBridge(t *testing.T) {
	_, ns := nstest.New(t)
	a, _ := nstest.Veth(t, ns)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: nstest.Name()}}
	nstest.Add(t, ns, bridge)
	h, _ := observe(t, ns, a)
	nstest.Change(t, ns, a, func(l netlink.Link) error { return netlink.LinkSetMaster(l, bridge) })
	h.wait(t, "master", func(f link.Facts) bool { return f.Master == bridge.Index })
	nstest.Change(t, ns, a, netlink.LinkSetNoMaster)
	h.wait(t, "no master", func(f link.Facts) bool { return f.Master == 0 })
	if len(h.left) != 0 {
		t.Error("leaving the bridge was taken for leaving the namespace")
	}
}

// Watching does not keep a namespace alive, and its end is noticed.
func TestObserveNamespaceEnds(t *testing.T) {
	name, ns := nstest.New(t)
	h, _ := observe(t, ns, "lo")
	nstest.Delete(name)
	ns.Close()
	h.waitLeft(t, false)
}

func TestObserveNothing(t *testing.T) {
	_, ns := nstest.New(t)
	if _, _, err := link.Observe(ns, 4711, &heard{}); !errors.Is(err, unix.ENODEV) {
		t.Errorf("observing an interface that is not there: %v", err)
	}
	if _, err := link.Get(ns, "lnknone"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("asking for one that is not there: %v", err)
	}
}

// Many watches in many namespaces share one socket; all hear their own.
func TestObserveMany(t *testing.T) {
	type one struct {
		ns    *netns.NS
		name  string
		heard *heard
	}
	var all []one
	for range 10 {
		_, ns := nstest.New(t)
		a, b := nstest.Veth(t, ns)
		for _, name := range []string{a, b} {
			h, _ := observe(t, ns, name)
			all = append(all, one{ns, name, h})
		}
	}
	for i, o := range all {
		nstest.Change(t, o.ns, o.name, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1000+i) })
	}
	for i, o := range all {
		o.heard.wait(t, o.name, func(f link.Facts) bool { return f.MTU == 1000+i && f.Name == o.name })
	}
}

// When messages are lost the facts are asked for anew.
func TestObserveOverrun(t *testing.T) {
	_, ns := nstest.New(t)
	a, b := nstest.Veth(t, ns)
	blocked := &blocker{enter: make(chan struct{}), leave: make(chan struct{})}
	f, err := link.Get(ns, b)
	if err != nil {
		t.Fatal(err)
	}
	w, _, err := link.Observe(ns, f.Index, blocked)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	h, _ := observe(t, ns, a)
	nstest.Change(t, ns, b, func(l netlink.Link) error { return netlink.LinkSetMTU(l, 1400) })
	<-blocked.enter
	nstest.Change(t, ns, a, func(l netlink.Link) error {
		for i := range 1000 { // more than the socket's buffer takes
			if err := netlink.LinkSetMTU(l, 1000+i%2); err != nil {
				return err
			}
		}
		return netlink.LinkSetMTU(l, 1234)
	})
	close(blocked.leave)
	h.wait(t, "the last mtu", func(f link.Facts) bool { return f.MTU == 1234 })
	if len(h.facts) >= 1000 {
		t.Error("no message was lost: this test tested nothing")
	}
}

// blocker is a Listener that takes its time, once.
type blocker struct {
	once         sync.Once
	enter, leave chan struct{}
}

func (b *blocker) Changed(link.Facts) {
	b.once.Do(func() {
		close(b.enter)
		<-b.leave
	})
}

func (b *blocker) Left(bool) {}
