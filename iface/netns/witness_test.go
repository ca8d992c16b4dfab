package netns_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// A name is a witness as long as it is there; this process is none.
func TestWitnesses(t *testing.T) {
	name, ns := nstest.New(t)
	other, otherNS := nstest.New(t)
	nstest.Delete(other)
	found, _ := netns.Witnesses(ns.ID(), otherNS.ID())
	w := found[ns.ID()]
	if w == nil || w.Namespace() != ns.ID() || !w.Testifies() {
		t.Fatalf("no witness for a namespace that has the name %s: %v", name, found)
	}
	if len(found) != 1 {
		t.Errorf("a namespace that only this process has open has a witness: %v", slices.Collect(maps.Values(found)))
	}
	nstest.Delete(name)
	if w.Testifies() {
		t.Error("a name that was removed is a witness")
	}
	if found, _ := netns.Witnesses(ns.ID()); len(found) != 0 {
		t.Error("a namespace without a name has a witness")
	}
}

// What is looked through gives its descriptors back.
func TestWitnessesLeakNothing(t *testing.T) {
	_, ns := nstest.New(t)
	nstest.NeedRoot(t)
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := count()
	for range 10 {
		netns.Witnesses(ns.ID(), netns.ID{})
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func BenchmarkWitnesses(b *testing.B) {
	_, ns := nstest.New(b)
	processes, _ := os.ReadDir("/proc")
	for b.Loop() {
		netns.Witnesses(ns.ID(), netns.ID{}) // the second has none: all is looked through
	}
	b.ReportMetric(float64(len(slices.DeleteFunc(processes, func(e os.DirEntry) bool { return strings.Trim(e.Name(), "0123456789") != "" }))), "processes")
}
