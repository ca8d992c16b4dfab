package nats

import (
	"testing"

	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// brought is how many frames a member's cable has brought.
func (m *member) brought() uint64 { s := m.port.Stats(); return s.Frames }

// What is for a known station comes to its node alone; what is for others to all.
func TestSwitch(t *testing.T) {
	list := group(t, "switch", newServers(t, 2, ""), 3)
	a, b, c := list[0], list[1], list[2]
	bustest.WaitFor(t, "all stations to be known", func() bool { return a.word("stations") == "2" && c.word("stations") == "2" })
	at := b.brought()
	a.send(t, station(c.index), 500, 100)
	bustest.WaitFor(t, "the frames", func() bool { n, _ := c.counter.from(a.index); return n >= 500 })
	if n := b.brought() - at; n > 100 { // some are still on their way from before
		t.Errorf("%d frames came to another", n)
	}
	a.send(t, station(77), 100, 100)
	bustest.WaitFor(t, "frames for nobody", func() bool { return b.brought() >= at+100 && c.brought() >= 600 })

	// A station that moves is known at its new place once it was heard there.
	c.index, c.sent = a.index, 1<<20
	c.send(t, everybody, 1, 60)
	bustest.WaitFor(t, "the station to be known at the new place", func() bool {
		return b.d.table.at(to(station(a.index))) == c.d.subject(c.d.id)
	})
	for _, m := range list {
		if m.word("lost") != "0" || m.word("twice") != "0" {
			t.Errorf("the line is %s", m.line())
		}
	}

	// Another policy learns nothing, and sends to all.
	if err := a.Net.SetPolicy("broadcast"); err != nil {
		t.Fatal(err)
	}
	at = b.brought()
	a.send(t, station(c.index), 50, 100)
	bustest.WaitFor(t, "the frames at all", func() bool { return b.brought() >= at+50 })
	a.d.tick()
	if a.word("stations") != "0" {
		t.Error("stations are known to a network that learns none")
	}
	if err := a.Net.SetPolicy("switch"); err != nil {
		t.Fatal(err)
	}
	a.d.tick()
	c.send(t, everybody, 1, 60)
	bustest.WaitFor(t, "a station to be learned again", func() bool { return a.word("stations") == "1" })
}

// A frame tells in how many cables it was.
func TestHops(t *testing.T) {
	l := newOutbox(frame.NewMemory(1<<20), 1<<20, -1)
	to := &node{}
	for hops := range uint8(frame.MaxHops + 1) {
		f := frame.NewFrame([]byte("frame"))
		f.SetHops(hops)
		l.mu.Lock()
		got := l.addLocked(to, &f)
		l.mu.Unlock()
		if want := hops < frame.MaxHops; (got == taken) != want {
			t.Errorf("%d cables: %v", hops, got)
		}
	}
	m := l.next()
	if m.frames != frame.MaxHops || m.buf[headerLen] != 1 || m.buf[len(m.buf)-9] != frame.MaxHops {
		t.Errorf("% x", m.buf[headerLen:])
	}
	l.done(m)
}
