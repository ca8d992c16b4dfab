package l2switch

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/frame"
)

// fabric is several switches and the cables between them. Time passes by
// tick; what is on its way meanwhile waits until settle carries it. Each switch
// has a mount of its own, as networks of one tick side by side. So all happens
// on one thread and in one order.
type fabric struct {
	tb       testing.TB
	now      time.Time
	switches []*lab // with a station each, at port 1
	cables   []*cable
	way      []passing
}

// passing is a frame on its way to the other end of a cable.
type passing struct {
	to    *end
	frame []byte
}

// cable joins two ports. What comes out of the one goes into the other.
type cable struct {
	ends [2]*end
	mute bool // it swallows all, and nobody is told
}

// end is what is at a port, such as a tap with a wire behind it.
type end struct {
	fabric *fabric
	cable  *cable
	conn   *bus.Conn
	other  *end
}

// Attach does nothing.
func (*end) Attach(*bus.Conn) {}

// Claim takes all.
func (*end) Claim(_ *frame.Batch, i, j int) (int, uint64) { return j - i, 0 }

// Emit puts frames on their way.
func (e *end) Emit(b *frame.Batch, i, j int, _ uint64) {
	for k := i; k < j && !e.cable.mute; k++ {
		e.fabric.way = append(e.fabric.way, passing{e.other, bytes.Clone(b.Frames[k].Data())})
	}
}

// Wake does nothing: nothing ever queues.
func (*end) Wake() {}

// Gone does nothing.
func (*end) Gone() {}

// newFabric makes n switches. Switch i has the MAC address 02:..:i, so 1 is
// the root of equals. Each has a station, which is no bridge.
func newFabric(tb testing.TB, n int, settings ...string) *fabric {
	tb.Helper()
	f := &fabric{tb: tb, now: time.Now()}
	for i := 1; i <= n; i++ {
		mount := bus.New(bus.DefaultLimits())
		tb.Cleanup(mount.Shutdown)
		net, err := mount.Create(fmt.Sprint("net", i), Name, bus.Access{}, bus.Access{})
		if err != nil {
			tb.Fatal(err)
		}
		l := &lab{Lab: &bustest.Lab{Bus: mount, Net: net}, tb: tb, now: f.now}
		tb.Cleanup(func() {
			if err := bustest.CheckBalance(net.Stats()); err != nil {
				tb.Error(err)
			}
		})
		l.join(bus.JoinOptions{}).mac = macOf(1000 + i)
		l.set("stp=mac=" + macOf(i).String())
		for _, s := range settings {
			l.set(s)
		}
		f.switches = append(f.switches, l)
	}
	return f
}

// at is the n-th switch, from 1.
func (f *fabric) at(n int) *lab { return f.switches[n-1] }

// plug joins two switches by a cable, which may be one and the same.
func (f *fabric) plug(a, b int) *cable {
	f.tb.Helper()
	c := &cable{}
	c.ends = [2]*end{{fabric: f, cable: c}, {fabric: f, cable: c}}
	c.ends[0].other, c.ends[1].other = c.ends[1], c.ends[0]
	f.cables = append(f.cables, c)
	f.connect(a, c.ends[0])
	f.connect(b, c.ends[1])
	f.settle()
	return c
}

// connect attaches an end to a switch, as a tap would be.
func (f *fabric) connect(n int, e *end) {
	f.tb.Helper()
	c, err := f.at(n).Net.Join(e, bus.JoinOptions{Recv: true, Send: true, Info: bus.Info{Kind: "tap"}})
	if err != nil {
		f.tb.Fatal(err)
	}
	e.conn = c
	f.tb.Cleanup(c.Close)
}

// pull takes the cable out of both switches.
func (f *fabric) pull(c *cable) {
	for _, e := range c.ends {
		e.conn.Close()
	}
	f.settle()
}

// carrier says whether there is one, at both ends.
func (c *cable) carrier(on bool) {
	c.mute = !on
	for _, e := range c.ends {
		e.conn.SetLink(on)
	}
}

// ports are the port numbers at the cable's ends.
func (c *cable) ports() (a, b int) {
	return c.ends[0].conn.Port().Number(), c.ends[1].conn.Port().Number()
}

// tooMany is more frames than can be on their way at once without a loop.
const tooMany = 20_000

// settle carries frames until none is on its way, and fails if there is no
// end of them.
func (f *fabric) settle() {
	f.tb.Helper()
	for n := 0; len(f.way) > 0; n++ {
		if n == tooMany {
			f.tb.Fatalf("a storm: %d frames, and no end", n)
		}
		p := f.way[0]
		f.way = f.way[1:]
		if !p.to.conn.Gone() {
			bustest.Send(p.to.conn, p.frame)
		}
	}
}

// tick lets a second pass. After it no broadcast may come twice.
func (f *fabric) tick() {
	f.tb.Helper()
	f.second()
	f.probe()
}

// hello lets a hello time pass, in which no station says anything.
func (f *fabric) hello() {
	f.tb.Helper()
	f.second()
	f.second()
}

func (f *fabric) second() {
	f.tb.Helper()
	f.now = f.now.Add(time.Second)
	for _, l := range f.switches {
		l.Bus.Tick(f.now)
	}
	f.settle()
}

// probe sends a broadcast from each station and tells how many copies came. A
// station that gets more than one copy is in a loop, for a moment even, and
// that fails the test.
func (f *fabric) probe(tags ...uint32) (copies int) {
	f.tb.Helper()
	for i, from := range f.switches {
		from.at(1).say(toAll, fmt.Sprint("probe ", i+1), tags...)
		f.settle()
		for k, to := range f.switches {
			n := len(to.at(1).heard())
			if n > 1 {
				f.tb.Fatalf("%d copies of a broadcast of switch %d came to switch %d\n%s", n, i+1, k+1, f)
			}
			copies += n
		}
	}
	return copies
}

// whole tells whether a broadcast reaches everybody.
func (f *fabric) whole() bool { return f.probe() == len(f.switches)*(len(f.switches)-1) }

// converge lets seconds pass until everybody reaches everybody, at most limit,
// and tells how many it took.
func (f *fabric) converge(limit int) (seconds int) {
	f.tb.Helper()
	for ; !f.whole(); seconds++ {
		if seconds == limit {
			f.tb.Fatalf("after %d seconds not everybody reaches everybody\n%s", limit, f)
		}
		f.tick()
	}
	return seconds
}

// String shows the trees of all switches.
func (f *fabric) String() string {
	var b strings.Builder
	for i, l := range f.switches {
		fmt.Fprintf(&b, "switch %d:\n%s", i+1, indent(l.get("stp")))
	}
	return b.String()
}

// field reads key=value from the line of a port in a tree of a switch.
func (l *lab) field(port, vlan int, key string) string {
	l.tb.Helper()
	for _, line := range strings.Split(l.get(fmt.Sprintf("%d/stp", port)), "\n") {
		if rest, ok := strings.CutPrefix(line, fmt.Sprintf("vlan=%d ", vlan)); ok {
			return fieldOf(rest, key)
		}
	}
	return ""
}

func fieldOf(line, key string) string {
	for _, word := range strings.Fields(line) {
		if value, ok := strings.CutPrefix(word, key+"="); ok {
			return value
		}
	}
	return ""
}

// root reads the root of a tree.
func (l *lab) root(vlan int) string {
	l.tb.Helper()
	for _, line := range strings.Split(l.get("stp"), "\n") {
		if strings.HasPrefix(line, fmt.Sprintf("tree vlan=%d ", vlan)) {
			return fieldOf(line, "root")
		}
	}
	return ""
}

// states counts the ports of cables in a tree by state.
func (f *fabric) states(vlan int) map[string]int {
	states := map[string]int{}
	for _, l := range f.switches {
		for _, number := range l.Net.Ports()[1:] {
			if s := l.field(number, vlan, "state"); s != "" {
				states[s]++
			}
		}
	}
	return states
}
