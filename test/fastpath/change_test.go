package fastpath

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"ipnfs/test/harness"
)

// change is something that happens while frames flow from the first host to the second.
// The hosts are a, b and c, of which b and c are silent.
type change struct {
	name   string
	before []string // settings
	early  string   // who gets each frame that is sent before it; "": b, and the kernel carries them
	size   int      // of frames, if not minFrame
	do     func(l *lan)
	set    []string // the settings that do it, if do is nil
	to     string   // who gets each frame that is sent when it is done
	some   uint64   // as many others may come to anybody
	drop   string   // what frames that nobody gets count as
	path   string   // what is told of a's path then; "": kernel
	slow   bool     // the kernel does not forward from a to b then
}

// TestChanges checks that when a command has returned not one frame that is sent then
// goes where it may not, and that none is lost that is not counted.
func TestChanges(t *testing.T) {
	m := mount(t)
	for i, c := range changes {
		t.Run(c.name, func(t *testing.T) { c.run(newLAN(t, m, fmt.Sprint("lan", i), 3, c.before...)) })
	}
}

const atLeast = 20_000 // frames before a change, and after

// few is how many are enough under the race detector, as it makes the daemon slow.
func few(n uint64) uint64 {
	if harness.Race {
		return n / 10
	}
	return n
}

func (c *change) run(l *lan) {
	t, a, b := l.t, l.hosts[0], l.hosts[1]
	l.speak(l.hosts...)
	early := c.early
	if early == "" {
		early = "b"
		l.awaitAlone(a, b)
	}
	l.settle()
	counted := l.countFrom()
	f := frame(there, b.mac, a.mac)
	s := a.start(traffic{frames: [][]byte{append(f, make([]byte, max(0, c.size-len(f)))...)}})
	s.await(a, few(atLeast))

	before := s.sent.Load()
	if c.do != nil {
		c.do(l)
	} else {
		l.set(c.set...)
	}
	after := s.next.Load()
	s.await(a, few(atLeast)+after-before)
	line := a.line()
	end := s.end()
	l.settle()

	t.Logf("%d frames before, %d during, %d after", before, after-before, end-after)
	lost := counted.since()
	allow := barred(lost) + harness.Dropped(lost) + l.socketsLost()
	for i, h := range l.hosts[1:3] {
		h.checkOrder(there)
		for _, span := range []struct {
			what       string
			first, end uint64
			to         string
			some       uint64
		}{
			{"before", 0, before, early, 0},
			{"when it was done", after, end, c.to, c.some},
		} {
			name, came, all := "bc"[i:i+1], h.between(there, span.first, span.end), span.end-span.first
			if to := strings.Contains(span.to, name); to && came+allow < all {
				t.Errorf("%d of %d frames that were sent %s came to %s, and %d are counted as lost: %v", came, all, span.what, name, allow, lost)
			} else if !to && came > span.some {
				t.Errorf("%d frames that were sent %s came to %s", came, span.what, name)
			}
		}
	}
	if n := l.nowhere(there, end); n < barred(lost) || n > allow {
		t.Errorf("%d frames came to nobody, and %d to %d are counted: %v", n, barred(lost), allow, lost)
	}
	if c.drop != "" && lost[c.drop] == 0 {
		t.Errorf("none was counted as %s: %v", c.drop, lost)
	}
	want := "path=" + c.path
	if c.path == "" {
		want = "path=kernel"
	}
	if !strings.Contains(line, want) {
		t.Errorf("it shows %q, and not %s", line, want)
	}
	if (c.slow || c.path != "") && l.alone(a, b) {
		t.Error("the kernel forwards still")
	}
}

// macText writes an address as commands and tables have it.
func macText(n int) string { m := address(n); return net.HardwareAddr(m[:]).String() }

var changes = []change{
	{name: "nothing", do: func(*lan) {}, to: "b"},
	{name: "flush", set: []string{"switch/fdb=flush"}, to: "bc"},
	{name: "flush of the port", set: []string{"switch/fdb=flush port=2"}, to: "bc"},
	{name: "flush of the source's port", set: []string{"switch/fdb=flush port=1"}, to: "b"},
	{name: "del", set: []string{"switch/fdb=del " + macText(2)}, to: "bc"},
	{name: "del of the source", set: []string{"switch/fdb=del " + macText(1)}, to: "b"},
	{name: "static entry elsewhere", set: []string{"switch/fdb=add " + macText(2) + " port=3"}, to: "c"},
	{name: "static entry of the source elsewhere", set: []string{"switch/fdb=add " + macText(1) + " port=3"}, to: "b"},
	{name: "static entry where the frames come from", set: []string{"switch/fdb=add " + macText(2) + " port=1"}, to: "", drop: "drop_filtered"},
	{name: "static entry of the same", set: []string{"switch/fdb=add " + macText(2) + " port=2"}, to: "b"},
	{name: "isolated", before: []string{"ports/2/isolated=on"}, set: []string{"ports/1/isolated=on"}, to: "", drop: "drop_isolated"},
	{name: "isolated destination", before: []string{"ports/1/isolated=on"}, set: []string{"ports/2/isolated=on"}, to: "", drop: "drop_isolated"},
	{name: "not isolated any more", before: []string{"ports/2/isolated=on"}, set: []string{"ports/2/isolated=off"}, to: "b"},
	{name: "vlan on", set: []string{"switch/vlan=on"}, to: "bc"},
	{name: "vlan off", before: []string{"switch/vlan=on"}, set: []string{"switch/vlan=off"}, to: "bc"},
	{name: "pvid", before: []string{"switch/vlan=on"}, set: []string{"ports/2/pvid=10"}, to: "c"},
	{name: "pvid of the source", before: []string{"switch/vlan=on"}, set: []string{"ports/1/pvid=10"}, to: "", drop: "drop_vlan"},
	{name: "no pvid of the source", before: []string{"switch/vlan=on"}, set: []string{"ports/1/pvid=0"}, to: "", drop: "drop_vlan"},
	{name: "mirror", set: []string{"ports/3/mirror=1"}, to: "bc", path: "user mirror"},
	{name: "mirror of the destination", set: []string{"ports/3/mirror=2"}, to: "bc", slow: true},
	{name: "no mirror any more", before: []string{"ports/3/mirror=1,2"}, early: "bc", set: []string{"ports/3/mirror=none"}, to: "b"},
	{name: "storm", set: []string{"ports/1/storm=unknown=1 broadcast=1 multicast=1"}, to: "b"},
	{name: "storm, and then unknown", before: []string{"ports/1/storm=unknown=1"}, set: []string{"switch/fdb=flush port=2"}, to: "", some: 20, drop: "drop_storm"},
	{name: "snooping", set: []string{"switch/snooping=on"}, to: "b"},
	{name: "reserved addresses", set: []string{"switch/group_forward=0xfff8"}, to: "b"},
	{name: "ageing", set: []string{"switch/ageing=0"}, to: "b"},
	{name: "damping", set: []string{"switch/damping=10"}, to: "b"},
	{name: "fdb_max", set: []string{"switch/fdb_max=3"}, to: "b"},
	{name: "policy broadcast", set: []string{"policy=broadcast"}, to: "bc", path: "user"},
	{name: "policy switch", set: []string{"policy=switch"}, to: "bc"},
	{name: "policy and back", set: []string{"policy=broadcast", "policy=switch"}, to: "bc"},
	{name: "fastpath off", set: []string{"switch/fastpath=off"}, to: "b", path: "user"},
	{name: "fastpath off and on", set: []string{"switch/fastpath=off", "switch/fastpath=on"}, to: "b"},
	{name: "name, queue, overflow", set: []string{"ports/2/name=x", "ports/2/queue=1", "ports/2/overflow=block"}, to: "b"},
	{name: "smaller mtu", set: []string{"mtu=60"}, to: "b"},
	{name: "mtu below", size: 200, set: []string{"mtu=199"}, to: "", drop: "refused_too_long"},
	{name: "mtu above again", size: 200, set: []string{"mtu=199", "mtu=200"}, to: "b"},
	{name: "reserve a port", do: func(l *lan) { must(l, os.Mkdir(l.path("ports", "9"), 0o755)) }, to: "b"},
	{name: "a host joins", do: func(l *lan) { l.join() }, to: "b"},
	{name: "rename", do: func(l *lan) {
		must(l, os.Rename(l.path(), l.Path(l.name+"x")))
		l.name += "x"
	}, to: "b"},
	{name: "rmdir of the port", do: func(l *lan) {
		l.hosts[1].gone = true
		must(l, os.Remove(l.path("ports", "2")))
	}, to: "c"},
	{name: "taken off", do: func(l *lan) {
		l.hosts[1].gone = true
		l.hosts[1].attach("-eth0")
	}, to: "c"},
	{name: "another one leaves", do: func(l *lan) {
		l.hosts[2].gone = true
		l.hosts[2].attach("-eth0")
	}, to: "b"},
	{name: "link down", do: func(l *lan) {
		b := l.hosts[1]
		b.deaf = true
		b.IP("link set eth0 down")
		harness.Eventually(l.t, "eth0 to be down", func() bool { return harness.Field(b.line(), "state") == "down" })
	}, to: "c"},
}

func must(l *lan, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}
