package bus_test

import (
	"fmt"
	"slices"
	"testing"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
)

// mirrorLab is a network with receivers at the ports 1 to n, where a frame
// goes to the port that its first byte names, 255 is all, and 254 is dropped.
func mirrorLab(t *testing.T, n int) (*bustest.Lab, []*bustest.Taper, []*bus.Conn) {
	var ports []*bus.Port
	s := script{forward: func(_ *script, _ policy.Port, f *frame.Frame, out *policy.Egress) {
		switch to := int(f.Data()[0]); {
		case to == 255:
			out.Flood()
		case to == 254:
			out.Drop(frame.DropVLAN)
		case to >= 1 && to <= len(ports):
			out.Add(ports[to-1])
		}
	}}
	l := s.lab(t)
	var ears []*bustest.Taper
	var conns []*bus.Conn
	for range n {
		ear := bustest.NewTaper(-1)
		conns = append(conns, l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Send: true, Offload: true}))
		ears = append(ears, ear)
		ports = append(ports, conns[len(conns)-1].Port())
	}
	return l, ears, conns
}

func mirrorOf(t *testing.T, l *bustest.Lab, to int, from ...int) {
	t.Helper()
	wantKind(t, "mirror", l.Net.Port(to).SetMirror(from), 0)
}

// Who gets the frame that a port sends, by which ports mirror which.
func TestMirror(t *testing.T) {
	type watch map[int][]int
	for what, c := range map[string]struct {
		watches  watch
		from, to int
		want     []int // ports that get it, each once
		nobody   uint64
		dropped  uint64
	}{
		"nobody watches":                     {watch{}, 1, 2, []int{2}, 0, 0},
		"the sender is watched":              {watch{5: {1}}, 1, 2, []int{2, 5}, 0, 0},
		"the receiver is watched":            {watch{5: {2}}, 1, 2, []int{2, 5}, 0, 0},
		"both are":                           {watch{5: {1, 2}}, 1, 2, []int{2, 5}, 0, 0},
		"others are":                         {watch{5: {3, 4}}, 1, 2, []int{2}, 0, 0},
		"two watch":                          {watch{5: {1}, 6: {2}}, 1, 2, []int{2, 5, 6}, 0, 0},
		"the watcher is meant":               {watch{5: {1}}, 1, 5, []int{5}, 0, 0},
		"the watcher sends":                  {watch{5: {2}}, 5, 2, []int{2}, 0, 0},
		"the watcher sends to whom it sees":  {watch{5: {1}}, 5, 1, []int{1}, 0, 0},
		"a flood":                            {watch{5: {1}}, 1, 255, []int{2, 3, 4, 5, 6}, 0, 0},
		"a flood of the watcher's":           {watch{5: {1}}, 5, 255, []int{1, 2, 3, 4, 6}, 0, 0},
		"dropped, the sender is watched":     {watch{5: {1}}, 1, 254, []int{5}, 0, 1},
		"dropped, others are watched":        {watch{5: {2}}, 1, 254, nil, 0, 1},
		"for nobody, unwatched":              {watch{5: {2}}, 1, 0, nil, 1, 0},
		"to itself, watched":                 {watch{5: {1}}, 1, 1, []int{5}, 0, 0},
		"a watcher is watched":               {watch{5: {1}, 6: {5}}, 1, 2, []int{2, 5}, 0, 0},
		"a watcher is watched, number order": {watch{6: {1}, 5: {6}}, 1, 2, []int{2, 6}, 0, 0},
		"a watcher is watched and meant":     {watch{5: {1}, 6: {5}}, 1, 5, []int{5, 6}, 0, 0},
		"they watch each other":              {watch{5: {6}, 6: {5}}, 5, 6, []int{6}, 0, 0},
		"they watch each other and another":  {watch{5: {6, 1}, 6: {5, 1}}, 1, 2, []int{2, 5, 6}, 0, 0},
		"a port that does not exist":         {watch{5: {99}}, 1, 2, []int{2}, 0, 0},
	} {
		for _, overflow := range []bus.Overflow{bus.DropNew, bus.BlockSender} {
			l, ears, conns := mirrorLab(t, 6)
			set(t, l, func(s *bus.Settings) { s.Overflow = overflow })
			for to, from := range c.watches {
				mirrorOf(t, l, to, from...)
			}
			var want []int
			for range 2 { // alone, and between others
				bustest.SendBatch(conns[c.from-1], []byte{0}, []byte{byte(c.to), 'x'}, []byte{0})
				bustest.Send(conns[c.from-1], []byte{byte(c.to), 'x'})
			}
			var got []int
			for i, ear := range ears {
				frames := slices.DeleteFunc(ear.Frames(), func(f []byte) bool { return len(f) == 1 })
				if len(frames) > 0 {
					got = append(got, i+1)
				}
				if len(frames) != 0 && len(frames) != 4 {
					t.Errorf("%s, %v: port %d got %d frames, 4 were sent", what, overflow, i+1, len(frames))
				}
			}
			want = append(want, c.want...)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%s, %v: ports %v got it, want %v", what, overflow, got, want)
			}
			stats := l.Net.Stats()
			if got := drop(stats, "vlan"); got != 4*c.dropped {
				t.Errorf("%s, %v: %d dropped, want %d", what, overflow, got, 4*c.dropped)
			}
			// Frames for nobody that nobody watches either.
			if watched := slices.Contains(c.watches[5], c.from); !watched && !slices.Contains(c.watches[6], c.from) && stats.Nobody != 4+4*c.nobody {
				t.Errorf("%s, %v: %d were for nobody, want %d", what, overflow, stats.Nobody, 4+4*c.nobody)
			}
			if err := bustest.CheckBalance(stats); err != nil || stats.Frames != 8 {
				t.Errorf("%s, %v: %+v, %v", what, overflow, stats, err)
			}
		}
	}
}

// What is mirrored comes as it was sent, whatever the receivers get.
func TestMirrorForm(t *testing.T) {
	for _, offload := range []bool{true, false} {
		for _, takes := range []int{-1, 0} {
			ear, mirror := bustest.NewTaper(takes), bustest.NewTaper(takes)
			var port *bus.Port
			s := script{forward: func(_ *script, _ policy.Port, _ *frame.Frame, out *policy.Egress) {
				out.AddEdited(port, frame.Edit{Strip: 2, Push: newTag})
			}}
			l := s.lab(t)
			port = l.JoinAs(t, ear, bus.JoinOptions{Recv: true, Offload: true}).Port()
			conn := l.JoinAs(t, mirror, bus.JoinOptions{Recv: true, Offload: offload})
			from := l.Join(t, &bustest.Sink{})
			mirrorOf(t, l, conn.Port().Number(), from.Port().Number())
			raws := mixedBatch()
			bustest.SendVnet(from, raws...)
			for _, one := range []listener{
				{Taper: ear, offload: true, edit: frame.Edit{Strip: 2, Push: newTag}, takes: takes},
				{Taper: mirror, offload: offload, takes: takes},
			} {
				one.Taper.Take(-1)
				one.wantRaws(t, raws, false)
			}
		}
	}
}

func TestSetMirror(t *testing.T) {
	l, ears, conns := mirrorLab(t, 4)
	events := &bustest.Events{}
	wantKind(t, "subscribe", l.Net.Subscribe(events), 0)
	p := conns[3].Port()
	for what, c := range map[string]struct {
		numbers []int
		kind    fail.Kind
	}{
		"itself":    {[]int{1, 4}, fail.Invalid},
		"zero":      {[]int{0}, fail.Range},
		"negative":  {[]int{-1, 2}, fail.Range},
		"too high":  {[]int{1, policy.MaxPorts + 1}, fail.Range},
		"the last":  {[]int{policy.MaxPorts}, 0},
		"unordered": {[]int{3, 1, 3, 2, 1}, 0},
	} {
		before := p.Mirror()
		err := p.SetMirror(c.numbers)
		wantKind(t, what, err, c.kind)
		if c.kind != 0 && !slices.Equal(p.Mirror(), before) {
			t.Errorf("%s: refused, and the mirror is of %v, was of %v", what, p.Mirror(), before)
		}
	}
	numbers := []int{3, 1, 3, 2, 1}
	mirrorOf(t, l, 4, numbers...)
	if got := p.Mirror(); !slices.Equal(got, []int{1, 2, 3}) || numbers[0] != 3 {
		t.Errorf("a mirror of %v is one of %v", numbers, got)
	}
	p.Mirror()[0] = 7
	if got := p.Mirror(); got[0] != 1 {
		t.Errorf("its list can be changed from outside: %v", got)
	}
	if last := events.Lines()[events.Count("mirror")-1]; last != "mirror port=4 of=1,2,3" {
		t.Errorf("the event is %q", last)
	}
	mirrorOf(t, l, 4)
	if last := events.Lines()[events.Count("mirror")-1]; last != "mirror port=4 of=" {
		t.Errorf("the event is %q", last)
	}
	bustest.Send(conns[0], []byte{2})
	if len(ears[3].Frames()) != 0 || len(p.Mirror()) != 0 {
		t.Error("it still mirrors")
	}
}

// A watched port may come later, and go and come; so may the one that watches
// if its number is reserved.
func TestMirrorComesAndGoes(t *testing.T) {
	l, ears, conns := mirrorLab(t, 2)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	mirrorOf(t, l, 7, 1, 3)
	seen := func(what string, ear *bustest.Taper, want int) {
		t.Helper()
		if got := len(ear.Frames()); got != want {
			t.Errorf("%s: %d frames so far, want %d", what, got, want)
		}
	}
	bustest.Send(conns[0], []byte{2})
	if stats := l.Net.Stats(); stats.Offered != 1 || stats.Dropped() != 0 {
		t.Errorf("nobody is at the mirror: %+v", stats)
	}

	seven := bus.JoinOptions{Number: 7, Recv: true}
	first, second := bustest.NewTaper(-1), bustest.NewTaper(-1)
	c := l.JoinAs(t, first, seven)
	bustest.Send(conns[0], []byte{2})
	seen("joined", first, 1)
	late := l.Join(t, &bustest.Sink{}) // port 3, watched before it was
	bustest.Send(late, []byte{2})
	seen("another joined", first, 2)
	l.Leave(late)

	l.Leave(c)
	bustest.Send(conns[0], []byte{2})
	l.JoinAs(t, second, seven)
	bustest.Send(conns[0], []byte{2})
	seen("left", first, 2)
	seen("joined again", second, 1)
	twin := bustest.NewTaper(-1)
	l.JoinAs(t, twin, seven)
	bustest.Send(conns[0], []byte{2})
	seen("two are at the mirror", second, 2)
	seen("two are at the mirror", twin, 1)

	wantKind(t, "remove", l.Net.RemovePort(7), 0)
	bustest.Send(conns[0], []byte{2})
	seen("removed", second, 2)
	if _, err := l.Net.Reserve(7); err != nil {
		t.Fatal(err)
	}
	if got := l.Net.Port(7).Mirror(); len(got) != 0 {
		t.Errorf("a new port mirrors %v", got)
	}
	l.JoinAs(t, bustest.NewTaper(-1), seven)
	bustest.Send(conns[0], []byte{2})
	seen("all of it", ears[1], 8)
	if err := bustest.CheckBalance(l.Net.Stats()); err != nil {
		t.Error(err)
	}
}

// Who only sends at a port that mirrors hears nothing.
func TestMirrorWithoutReceivers(t *testing.T) {
	l, ears, conns := mirrorLab(t, 2)
	c := l.JoinAs(t, &bustest.Sink{}, bus.JoinOptions{Send: true})
	mirrorOf(t, l, c.Port().Number(), 1)
	bustest.Send(conns[0], []byte{2})
	bustest.Send(conns[0], []byte{254})
	if stats := l.Net.Stats(); len(ears[1].Frames()) != 1 || stats.Offered != 1 || drop(stats, "vlan") != 1 {
		t.Errorf("stats are %+v", stats)
	}
}

// Where senders wait they wait for the mirror as for any receiver, and go on
// when it takes a frame, or is one no more.
func TestMirrorBlocks(t *testing.T) {
	for what, do := range map[string]func(l *bustest.Lab, mirror *bustest.Taper) error{
		"it takes":           func(_ *bustest.Lab, mirror *bustest.Taper) error { mirror.Take(1); return nil },
		"it mirrors no more": func(l *bustest.Lab, _ *bustest.Taper) error { return l.Net.Port(3).SetMirror(nil) },
		"it mirrors others":  func(l *bustest.Lab, _ *bustest.Taper) error { return l.Net.Port(3).SetMirror([]int{9}) },
		"it is removed":      func(l *bustest.Lab, _ *bustest.Taper) error { return l.Net.RemovePort(3) },
		"it loses":           func(l *bustest.Lab, _ *bustest.Taper) error { o := bus.DropNew; return l.Net.Port(3).SetOverflow(&o) },
	} {
		l, ears, conns := mirrorLab(t, 2)
		set(t, l, func(s *bus.Settings) { s.Queue, s.Overflow = 1, bus.BlockSender })
		mirror := bustest.NewTaper(0)
		l.JoinAs(t, mirror, bus.JoinOptions{Recv: true})
		mirrorOf(t, l, 3, 1)
		bustest.Send(conns[0], []byte{2, 0})
		p := park(conns[0], []byte{2, 1})
		p.want(t, what+", before", "waits")
		if got := fmt.Sprint(numbers(ears[1].Frames())); got != "[0]" {
			t.Errorf("%s: a frame that waits for the mirror has gone to the receiver: %s", what, got)
		}
		wantKind(t, what, do(l, mirror), 0)
		p.want(t, what, "sent")
		if got := fmt.Sprint(numbers(ears[1].Frames())); got != "[0 1]" {
			t.Errorf("%s: the receiver got %s", what, got)
		}
		p.Cancel()
	}
}
