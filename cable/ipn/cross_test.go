package ipn

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/lane/lanetest"
	"ipnfs/test/harness"
)

// joined is a half that a suite joins, with the other in a network of its own.
type joined struct {
	*half
	far *half
}

func (j *joined) Attach(c *bus.Conn) {
	j.half.Attach(c)
	j.half.far.Store(j.far)
	j.far.far.Store(j.half)
}

func TestConforms(t *testing.T) {
	bustest.TestEndpoint(t, func(tb testing.TB) *bustest.Fixture {
		l := bustest.NewLab(tb, hub)
		if err := l.Net.Change(func(s *bus.Settings) { s.Overflow = bus.BlockSender }); err != nil {
			tb.Fatal(err)
		}
		nothing := func() {}
		far := &half{gone: nothing, resize: func(int) {}}
		conn := l.JoinAs(tb, far, bus.JoinOptions{Recv: true, Send: true, Offload: true, Hops: true})
		p := &bustest.Puller{}
		c := l.Join(tb, p)
		p.Pull(1 << 20)
		return &bustest.Fixture{
			Endpoint: &joined{&half{gone: nothing, resize: func(int) {}}, far},
			Options:  bus.JoinOptions{Recv: true, Send: true, Offload: true, Hops: true},
			Received: func() [][]byte { return p.Frames() },
			Bring:    func(f []byte) { bustest.Send(c, f) },
			Stall: func(on bool) {
				if on {
					p.Pull(-1 << 20)
				} else {
					p.Pull(1 << 20)
				}
			},
			Close: func() {
				h := far.far.Load()
				h.far.Store(nil)
				far.far.Store(nil)
				l.Leave(conn)
				h.conn.Close()
			},
		}
	})
}

// Nothing is allocated for a frame, over three networks.
func TestNoAllocations(t *testing.T) {
	if harness.Race {
		t.Skip("the race detector allocates")
	}
	_, n := networks(t, hub, "a", "b", "c")
	lay(t, n[0], "ipn://b group=x")
	lay(t, n[1], "ipn://c group=y")
	await(t, n[0], "state=up")
	await(t, n[1], "state=up")
	p := &bustest.Puller{Discard: true}
	join(t, n[2], p)
	p.Pull(1 << 30)
	c := join(t, n[0], &bustest.Puller{Discard: true})
	var b bus.Batch
	one := frameOf(1, 1)
	lanetest.NoAllocations(t, "three networks", func(frames int) {
		for range frames {
			b.SetFrame(one)
			c.Send(&b)
			b.Reset()
		}
	})
	if got := n[2].Stats().Received; got != 12000 {
		t.Errorf("%d frames came", got)
	}
}

// Where the other network makes senders wait, this one's setting decides, when its queue
// is full; and all that waited comes, in order.
func TestBlocks(t *testing.T) {
	for _, near := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
		t.Run(near.String(), func(t *testing.T) { blocks(t, near) })
	}
}

func blocks(t *testing.T, near bus.Overflow) {
	_, n := networks(t, hub, "a", "b")
	set(t, n[0], func(s *bus.Settings) { s.Queue, s.Overflow = 50, near })
	set(t, n[1], func(s *bus.Settings) { s.Queue, s.Overflow = 10, bus.BlockSender })
	s := &bustest.Sink{}
	join(t, n[1], s)
	c := join(t, n[0], &bustest.Puller{Discard: true})
	lay(t, n[0], "ipn://b")
	await(t, n[0], "state=up")
	sent := 0
	for ; sent < 200 && bustest.Send(c, frameOf(1, sent)); sent++ {
	}
	if lost := count(n[0], "drop_full"); near == bus.BlockSender && (sent == 200 || lost > 0) || near == bus.DropNew && (sent < 200 || lost == 0) {
		t.Errorf("%v: %d went, %d were lost", near, sent, lost)
	}
	var got [][]byte
	bustest.WaitFor(t, "what waits", func() bool {
		got = append(got, s.TakeAll()...)
		return len(got) == sent-int(count(n[0], "drop_full"))
	})
	if err := bustest.CheckOrder(got); err != nil {
		t.Errorf("%v: %v", near, err)
	}
}

// ring lays cables so that n networks form a ring, each way in a group of its own.
func ring(t *testing.T, policy string, count int, change func(*bus.Settings)) (all []*bus.Network) {
	t.Helper()
	var names []string
	for i := range count {
		names = append(names, fmt.Sprint("r", i))
	}
	_, all = networks(t, policy, names...)
	for i, n := range all {
		set(t, n, change)
		lay(t, n, fmt.Sprintf("ipn://r%d group=g%d", (i+1)%count, i))
	}
	for _, n := range all {
		await(t, n, "state=up")
	}
	return all
}

// settled waits until no frame moves any more.
func settled(t *testing.T, all []*bus.Network) {
	t.Helper()
	bustest.WaitFor(t, "the frames to end", func() bool {
		sum := func() (frames, queued uint64) {
			for _, n := range all {
				s := n.Stats()
				frames, queued = frames+s.Frames, queued+s.Queued
			}
			return frames, queued
		}
		before, _ := sum()
		time.Sleep(20 * time.Millisecond)
		after, queued := sum()
		return before == after && queued == 0
	})
}

// A ring ends, whatever happens when a queue is full, and no sender is made to do more
// than one Send may cost.
func TestRing(t *testing.T) {
	for _, overflow := range []bus.Overflow{bus.DropNew, bus.DropOld, bus.BlockSender} {
		t.Run(overflow.String(), func(t *testing.T) { ends(t, overflow) })
	}
}

func ends(t *testing.T, overflow bus.Overflow) {
	all := ring(t, hub, 3, func(s *bus.Settings) { s.Queue, s.Overflow = 4, overflow })
	r := &bustest.Recorder{}
	join(t, all[1], r)
	c := join(t, all[0], &bustest.Recorder{})
	for i := range 200 {
		var b bus.Batch
		b.SetStream(bustest.Stream(frameOf(1, i), frameOf(2, i)), frame.MaxPrefixed)
		c.Send(&b)
		if most := 2*bus.OnwardBudget + 100; b.Made > most {
			t.Fatalf("%d copies, at most %d", b.Made, most)
		}
		b.Reset()
	}
	settled(t, all)
	loops := uint64(0)
	for _, n := range all {
		loops += count(n, "drop_loop")
	}
	if len(r.Frames()) == 0 || loops == 0 {
		t.Errorf("%v: %d came, %d were dropped for the loop", overflow, len(r.Frames()), loops)
	}
}

// The spanning tree opens a ring, and each frame comes once.
func TestRingWithTree(t *testing.T) {
	all := ring(t, "switch", 3, func(*bus.Settings) {})
	var got []*bustest.Recorder
	var conns []*bus.Conn
	for _, n := range all {
		got = append(got, &bustest.Recorder{})
		conns = append(conns, join(t, n, got[len(got)-1]))
		if err := n.UsePolicy(func(p policy.Policy) error {
			for _, table := range p.(policy.Tabler).Tables() {
				if table.Name == "stp" {
					return table.Write("rstp hello=1")
				}
			}
			return errors.New("there is no stp")
		}); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	bustest.WaitFor(t, "each frame to come once", func() bool {
		for range 20 {
			now = now.Add(time.Second)
			all[0].Bus().Tick(now)
			settled(t, all)
		}
		before := []int{len(got[0].Frames()), len(got[1].Frames()), len(got[2].Frames())}
		bustest.Send(conns[0], frameOf(1, 1))
		settled(t, all)
		return len(got[0].Frames()) == before[0] && len(got[1].Frames()) == before[1]+1 && len(got[2].Frames()) == before[2]+1
	})
}

// A mesh in which each frame would come many times ends as well.
func TestMesh(t *testing.T) {
	var names []string
	for i := range 6 {
		names = append(names, fmt.Sprint("m", i))
	}
	_, all := networks(t, hub, names...)
	for i, n := range all {
		for k := i + 1; k < len(all); k++ {
			lay(t, n, fmt.Sprintf("ipn://m%d group=g%d-%d", k, i, k))
		}
	}
	for _, n := range all[:5] {
		await(t, n, "state=up")
		if l := bus.AttacherOf("cable").List(n); strings.Contains(l, "down") {
			t.Fatal(l)
		}
	}
	c := join(t, all[0], &bustest.Recorder{})
	began := time.Now()
	var b bus.Batch
	for range 20 {
		b.SetFrame(frameOf(1, 1))
		c.Send(&b)
		if most := 2 * bus.OnwardBudget; b.Made > most {
			t.Errorf("%d copies", b.Made)
		}
		b.Reset()
	}
	t.Logf("20 frames took their sender %v", time.Since(began))
	settled(t, all)
}

// A full mesh without groups is none: each frame comes once.
func TestMeshOfOneGroup(t *testing.T) {
	_, all := networks(t, hub, "a", "b", "c")
	lay(t, all[0], "ipn://b")
	lay(t, all[1], "ipn://c")
	lay(t, all[2], "ipn://a")
	var got []*bustest.Recorder
	for _, n := range all {
		await(t, n, "state=up")
		got = append(got, &bustest.Recorder{})
		join(t, n, got[len(got)-1])
	}
	c := join(t, all[0], &bustest.Recorder{})
	bustest.Send(c, frameOf(1, 1))
	for i, r := range got {
		if len(r.Frames()) != 1 {
			t.Errorf("%d frames came in network %d", len(r.Frames()), i)
		}
	}
}
