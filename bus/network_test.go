package bus_test

import (
	"fmt"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

func newBus(t *testing.T, l bus.Limits) *bus.Bus {
	b := bus.New(l)
	t.Cleanup(func() {
		b.Shutdown()
		if n := len(b.Networks()); n != 0 {
			t.Errorf("%d networks are left after Shutdown", n)
		}
	})
	return b
}

func create(b *bus.Bus, name string) error {
	_, err := b.Create(name, directed, bus.Access{Mode: 0o755}, bus.Access{Mode: 0o744})
	return err
}

func TestCreate(t *testing.T) {
	b := newBus(t, bus.Limits{Ports: 10, Networks: 3, Memory: 1 << 20})
	wantKind(t, "b", create(b, "b"), 0)
	wantKind(t, "a", create(b, "a"), 0)
	wantKind(t, "a again", create(b, "a"), fail.Exists)
	wantKind(t, "bad name", create(b, "x y"), fail.Invalid)
	_, err := b.Create("c", "no-such-policy", bus.Access{}, bus.Access{})
	wantKind(t, "bad policy", err, fail.Unknown)
	wantKind(t, "c", create(b, "c"), 0)
	wantKind(t, "over the limit", create(b, "d"), fail.NoSpace)
	if got := fmt.Sprint(netNames(b)); got != "[a b c]" {
		t.Errorf("networks are %s", got)
	}
	wantKind(t, "remove", b.Remove("b"), 0)
	wantKind(t, "d", create(b, "d"), 0)
	n := b.Network("d")
	if dir, door := n.Access(); dir.Mode != 0o755 || door.Mode != 0o744 {
		t.Errorf("rights are %o and %o", dir.Mode, door.Mode)
	}
	if b.NetworkByID(n.ID()) != n || n.Name() != "d" || n.PolicySpec() != directed {
		t.Errorf("network d is not found by its id, or is %s with policy %s", n.Name(), n.PolicySpec())
	}
}

func netNames(b *bus.Bus) (names []string) {
	for _, n := range b.Networks() {
		names = append(names, n.Name())
	}
	return names
}

// An id must not come back soon, as a node id may still be known.
func TestIDs(t *testing.T) {
	b := newBus(t, bus.DefaultLimits())
	seen := map[uint32]bool{}
	for i := range 1000 {
		wantKind(t, "create", create(b, "n"), 0)
		id := b.Network("n").ID()
		if id == 0 || id >= 1<<24 || seen[id] {
			t.Fatalf("round %d: id %d is 0, too large or was used before", i, id)
		}
		seen[id] = true
		wantKind(t, "remove", b.Remove("n"), 0)
		if b.NetworkByID(id) != nil {
			t.Fatalf("id %d is still known", id)
		}
	}
}

func TestRename(t *testing.T) {
	b := newBus(t, bus.DefaultLimits())
	for _, name := range []string{"a", "b"} {
		wantKind(t, name, create(b, name), 0)
	}
	n := b.Network("a")
	e := &bustest.Events{}
	wantKind(t, "subscribe", n.Subscribe(e), 0)
	wantKind(t, "unknown", b.Rename("x", "y"), fail.Unknown)
	wantKind(t, "taken", b.Rename("a", "b"), fail.Exists)
	wantKind(t, "bad", b.Rename("a", ".b"), fail.Invalid)
	wantKind(t, "itself", b.Rename("a", "a"), 0)
	wantKind(t, "free", b.Rename("a", "c"), 0)
	if b.Network("a") != nil || b.Network("c") != n || n.Name() != "c" || b.NetworkByID(n.ID()) != n {
		t.Error("a was renamed to c, and is not found so")
	}
	if got := fmt.Sprint(e.Lines()); got != "[renamed from=a to=c]" {
		t.Errorf("events: %s", got)
	}
}

func TestRemove(t *testing.T) {
	l := bustest.NewLab(t, directed)
	wantKind(t, "unknown", l.Bus.Remove("x"), fail.Unknown)
	c := l.Join(t, &bustest.Sink{})
	wantKind(t, "with a port", l.Bus.Remove("lab"), fail.Busy)
	l.Leave(c)
	if _, err := l.Net.Reserve(9); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "with a reserved port", l.Bus.Remove("lab"), fail.Busy)
	wantKind(t, "rmdir ports/9", l.Net.RemovePort(9), 0)
	e := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(e), 0)
	wantKind(t, "empty", l.Bus.Remove("lab"), 0)
	if e.Count("network-ended") != 1 || e.GoneCalls() != 1 {
		t.Errorf("events %q, gone %d times", e.Lines(), e.GoneCalls())
	}
	_, err := l.Net.Join(&bustest.Sink{}, both)
	wantKind(t, "join what has ended", err, fail.Gone)
	_, err = l.Net.Reserve(1)
	wantKind(t, "reserve on what has ended", err, fail.Gone)
	wantKind(t, "subscribe to what has ended", l.Net.Subscribe(e), fail.Gone)
}

func TestPersist(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Persist = false })
	if l.Bus.Network("lab") == nil {
		t.Fatal("a network that nobody has joined yet has ended")
	}
	a, b := l.Join(t, &bustest.Sink{}), l.Join(t, &bustest.Sink{})
	l.Leave(a)
	if l.Bus.Network("lab") == nil {
		t.Fatal("the network ended before its last port")
	}
	l.Leave(b)
	if l.Bus.Network("lab") != nil {
		t.Error("the network outlived its last port")
	}
}

func TestPersistRemovedPort(t *testing.T) {
	l := bustest.NewLab(t, directed)
	set(t, l, func(s *bus.Settings) { s.Persist = false })
	c := l.Join(t, &bustest.Sink{})
	wantKind(t, "remove", l.Net.RemovePort(c.Port().Number()), 0)
	if l.Bus.Network("lab") != nil {
		t.Error("the network outlived its last port, which was removed")
	}
}

func TestAccess(t *testing.T) {
	l := bustest.NewLab(t, directed)
	p, err := l.Net.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	door := bus.Access{Mode: 0o620, UID: 1, GID: 2}
	l.Net.ChangeDoorAccess(func(a *bus.Access) { *a = door })
	l.Net.ChangeDirAccess(func(a *bus.Access) { *a = bus.Access{Mode: 0o700} })
	if dir, got := l.Net.Access(); got != door || dir.Mode != 0o700 {
		t.Errorf("rights are %+v and %+v", dir, got)
	}
	if p.Access() != door {
		t.Errorf("a port without rights of its own has %+v", p.Access())
	}
	own := bus.Access{Mode: 0o600, UID: 5}
	p.ChangeAccess(func(a *bus.Access) { *a = own })
	l.Net.ChangeDoorAccess(func(a *bus.Access) { *a = bus.Access{Mode: 0o666} })
	if p.Access() != own {
		t.Errorf("the port's own rights are %+v, want %+v", p.Access(), own)
	}
}

func TestTickReachesPolicies(t *testing.T) {
	l := bustest.NewLab(t, directed)
	for range 3 {
		l.Bus.Tick(epoch)
	}
	if got := knob(t, l.Net.Policy(), "ticks").Get(); got != "3" {
		t.Errorf("3 ticks, and the policy counted %s", got)
	}
}
