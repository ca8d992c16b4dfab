package ipn

import (
	"slices"
	"sync/atomic"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
)

// Frames come out in the other network, whole and in order, both ways.
func TestPasses(t *testing.T) {
	_, n := networks(t, hub, "a", "b")
	ra, rb := &bustest.Recorder{}, &bustest.Recorder{}
	ca, cb := join(t, n[0], ra), join(t, n[1], rb)
	lay(t, n[0], "ipn://b")
	await(t, n[0], "ipn0 ", "state=up", "peer=ipn://b", "ipn://b")
	for i := range 100 {
		bustest.Send(ca, frameOf(1, i))
		bustest.Send(cb, frameOf(2, i))
	}
	for r, sender := range map[*bustest.Recorder]int{rb: 1, ra: 2} {
		for i, f := range r.Frames() {
			if !slices.Equal(f, frameOf(sender, i)) {
				t.Fatalf("frame %d is another", i)
			}
		}
		if len(r.Frames()) != 100 {
			t.Errorf("%d frames came", len(r.Frames()))
		}
	}
	info := n[1].Port(2).Info()
	if c := info.Conns[0]; c.Kind != "ipn" || c.Detail != "ipn://a" {
		t.Errorf("the port in b is %+v", c)
	}
}

// What the other network says decides, at each link anew.
func TestRights(t *testing.T) {
	_, n := networks(t, hub, "a", "b")
	rights := func(dir, door uint32) {
		n[1].ChangeDirAccess(func(a *bus.Access) { a.Mode = dir })
		n[1].ChangeDoorAccess(func(a *bus.Access) { a.Mode = door })
	}
	ra, rb := &bustest.Recorder{}, &bustest.Recorder{}
	ca, cb := join(t, n[0], ra), join(t, n[1], rb)
	for _, c := range []struct {
		dir, door uint32
		state     string
		out, in   int
	}{
		{0o755, 0o706, "state=up", 1, 1},
		{0o755, 0o704, "state=up", 0, 1},
		{0o755, 0o702, "state=up", 1, 0},
		{0o755, 0o701, "neither r nor w", 0, 0},
		{0o754, 0o706, "no x on b", 0, 0},
	} {
		rights(c.dir, c.door)
		out, in := len(rb.Frames()), len(ra.Frames())
		if err := bus.AttacherOf("cable").Attach(n[0], caller(7), "ipn://b"); err != nil {
			t.Fatal(err)
		}
		await(t, n[0], c.state)
		bustest.Send(ca, frameOf(1, 0))
		bustest.Send(cb, frameOf(2, 0))
		if out, in = len(rb.Frames())-out, len(ra.Frames())-in; out != c.out || in != c.in {
			t.Errorf("%o, %o: %d went out, %d came in", c.dir, c.door, out, in)
		}
		if c.out != c.in && count(n[1], "drop_filtered")+count(n[1], "drop_nobody") == 0 {
			t.Errorf("%o: what does not pass is not counted", c.door)
		}
		rights(0, 0) // what is open stays open
		if c.out == 1 {
			if bustest.Send(ca, frameOf(1, 0)); len(rb.Frames()) == out {
				t.Error("a link that was up is none any more")
			}
		}
		if err := bus.AttacherOf("cable").Detach(n[0], caller(7), "ipn0"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefused(t *testing.T) {
	_, n := networks(t, hub, "a", "b")
	for _, command := range []string{"ipn://a", "ipn://.x", "ipn://x/y", "ipn://b?x=1"} {
		if err := bus.AttacherOf("cable").Attach(n[0], caller(0), command); fail.KindOf(err) != fail.Invalid {
			t.Errorf("%s: %v", command, err)
		}
	}
	lay(t, n[0], "ipn://b")
	lay(t, n[1], "ipn://a")
	await(t, n[1], `reason="another ipn cable joins b and a"`)
	if err := bus.AttacherOf("cable").Detach(n[0], caller(0), "ipn0"); err != nil {
		t.Fatal(err)
	}
	await(t, n[1], "state=up")
}

// The network need not exist, and may end, be renamed and be made again.
func TestComesAndGoes(t *testing.T) {
	b, n := networks(t, hub, "a")
	lay(t, n[0], "ipn://b")
	await(t, n[0], "state=down", `reason="there is no network b"`)
	for range 2 {
		if _, err := b.Create("b", hub, bus.Access{Mode: 0o755}, bus.Access{Mode: 0o777}); err != nil {
			t.Fatal(err)
		}
		await(t, n[0], "state=up")
		if err := b.Network("b").RemovePort(1); err != nil {
			t.Fatal(err)
		}
		await(t, n[0], "state=down", `reason="the port in b was removed"`)
		await(t, n[0], "state=up")
		if err := b.Rename("b", "c"); err != nil {
			t.Fatal(err)
		}
		await(t, n[0], "state=up")
		b.Network("c").End()
		await(t, n[0], "state=down", `reason="there is no network b"`)
	}
	if err := n[0].RemovePort(1); err != nil {
		t.Fatal(err)
	}
	bustest.WaitFor(t, "the cable to be gone", func() bool { return bus.AttacherOf("cable").List(n[0]) == "" })
}

// A frame that is too long for the other network stays where it is, and is counted.
func TestTooLong(t *testing.T) {
	_, n := networks(t, hub, "a", "b")
	set(t, n[1], func(s *bus.Settings) { s.MTU = 100 })
	r := &bustest.Recorder{}
	join(t, n[1], r)
	c := join(t, n[0], &bustest.Sink{})
	lay(t, n[0], "ipn://b")
	await(t, n[0], "state=up", "mtu=100")
	for i, want := range []int{0, 1} {
		bustest.Send(c, make([]byte, 200))
		if got := len(r.Frames()); got != want || count(n[0], "drop_too_long") != 1 {
			t.Errorf("mtu %d: %d came, %d were too long", n[1].MTU(), got, count(n[0], "drop_too_long"))
		}
		if i == 0 {
			set(t, n[1], func(s *bus.Settings) { s.MTU = 200 })
		}
	}
	await(t, n[0], "mtu=200")
}

// Senders, and either network coming and going, at once.
func TestUnderLoad(t *testing.T) {
	b, n := networks(t, hub, "a")
	stop := atomic.Bool{}
	done := make(chan struct{})
	c := join(t, n[0], &bustest.Sink{})
	go func() {
		defer close(done)
		for i := 0; !stop.Load(); i++ {
			bustest.SendBatch(c, frameOf(1, i), frameOf(1, i+1))
		}
	}()
	for range 5 {
		far, err := b.Create("b", hub, bus.Access{Mode: 0o755}, bus.Access{Mode: 0o777})
		if err != nil {
			t.Fatal(err)
		}
		join(t, far, &bustest.Sink{})
		lay(t, n[0], "ipn://b name=x")
		await(t, n[0], "state=up")
		bustest.WaitFor(t, "frames", func() bool { return far.Stats().Frames > 100 })
		far.End()
		if err := bus.AttacherOf("cable").Detach(n[0], caller(0), "x"); err != nil {
			t.Fatal(err)
		}
		if err := bustest.CheckBalance(far.Stats()); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	<-done
}
