package iface_test

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// newVeths is a lab whose network is a switch, on a machine that forwards for it.
func newVeths(t *testing.T) *lab {
	t.Helper()
	l := newSwitch(t)
	if !slices.Contains(bus.Features(), "veth") {
		t.Skip("this kernel does not forward for veth")
	}
	return l
}

// Two hosts, each with an interface made by one command, talk at once.
func TestVeth(t *testing.T) {
	l := newVeths(t)
	_, other := nstest.New(t)
	second := process(t, other, nil)
	name := nstest.Name()
	l.attach("veth", name+" addr=10.0.0.1/24 addr=fd00::1/64 up")
	l.wantList("veth", "state=up")
	f := facts(t, l.ns, name)
	want := fmt.Sprintf("%s port=1 state=up netns=%s mac=%v mtu=1500 path=kernel", name, l.host, f.MAC)
	if line := l.list("veth")[0]; line != want || f.Kind != "veth" {
		t.Errorf("veth shows %q of %+v, want %q", line, f, want)
	}
	l.want(0, second, "veth", name+" addr=10.0.0.2/24 up") // the same name, elsewhere
	if !reaches(t, listen(t, l.ns, "10.0.0.1:0"), listen(t, other, "10.0.0.2:0")) {
		t.Error("nothing reaches the other host")
	}
	l.detach("veth", name) // in the caller's namespace
	wantGone(t, l.ns, name)
	facts(t, other, name)
	if !hasWords(l.list("veth")[0], name, "port=2") {
		t.Errorf("veth shows %q", l.list("veth"))
	}
	info := l.Net.Port(2).Info().Conns[0]
	if info.Kind != "veth" || info.Detail != name || info.PID != second.PID || info.Since.IsZero() || info.Rights() != "rw" {
		t.Errorf("its port shows %+v", info)
	}
}

// What the options say is so.
func TestVethOptions(t *testing.T) {
	l := newVeths(t)
	otherName, other := nstest.New(t)
	inOther := process(t, other, nil)
	for _, c := range []struct {
		options string
		ns      *netns.NS
		shows   string
	}{
		{"", l.ns, "state=down mtu=1500"},
		{"mac=02:00:00:00:00:07 mtu=9000", l.ns, "mac=02:00:00:00:00:07 mtu=9000"},
		{"mtu=65521", l.ns, "mtu=65521"},
		{"netns=" + otherName, other, "netns=" + otherName},
		{"netns=" + strconv.Itoa(int(inOther.PID)), other, "netns=" + otherName},
	} {
		name := nstest.Name()
		line := l.attach("veth", name+" "+c.options)
		if f := facts(t, c.ns, name); !hasWords(line, append(strings.Fields(c.shows), "mac="+f.MAC.String(), fmt.Sprintf("mtu=%d", f.MTU))...) {
			t.Errorf("%q is shown as %q, and is %+v", c.options, line, f)
		}
		l.detach("veth", name)
		if _, err := link.Get(c.ns, name); err == nil {
			t.Errorf("%q: it did not disappear", c.options)
		}
	}
}

// A refusal changes nothing.
func TestVethRefused(t *testing.T) {
	l := newVeths(t)
	other, _ := nstest.Veth(t, l.ns)
	tap, taken := nstest.Name(), nstest.Name()
	nstest.Tap(t, l.ns, tap, nstest.Tun{})
	l.attach("tap", taken)
	unknown := outside(l.root)
	for _, c := range []struct {
		by      bus.Caller
		command string
		kind    fail.Kind
		tells   string
	}{
		{l.root, "", fail.Invalid, ""},
		{l.root, "lnk nonsense", fail.Invalid, "netns="},
		{l.root, "lnk persist", fail.Invalid, "an option of tap"},
		{l.root, "lnkabcdefghijklm", fail.NameTooLong, "15"},
		{l.root, "lnk mtu=65522", fail.Range, ""},
		{l.root, "lnk netns=lnknone", fail.Unknown, ""},
		{l.root, "lo", fail.Exists, "another name"},
		{l.root, other, fail.Exists, "grab it"},
		{l.root, tap, fail.Exists, "echo " + tap + " >tap"},
		{l.root, taken, fail.Busy, "as tap of network lab"},
		{l.root, "lnk mtu=1000 addr=fd00::1/64", fail.Invalid, "1280"}, // by the kernel, of what is made
		{unknown, "lnk", fail.Denied, "takes root"},
		{userIn(t, l, user), "lnk", fail.Denied, "takes root"},
	} {
		l.want(c.kind, c.by, "veth", c.command)
		if err := attach(l.Net, c.by, "veth", c.command); err == nil || !strings.Contains(err.Error(), c.tells) {
			t.Errorf("%q: %v does not tell %q", c.command, err, c.tells)
		}
	}
	if err := l.Net.Change(func(s *bus.Settings) { s.MaxPorts = 1 }); err != nil {
		t.Fatal(err)
	}
	l.want(fail.NoPort, l.root, "veth", "lnk addr=10.0.0.1/24 up")
	if _, err := link.Get(l.ns, "lnk"); err == nil {
		t.Error("a refusal left a device")
	}
	if got := l.list("veth"); got[0] != "" || len(l.Net.Ports()) != 1 {
		t.Errorf("refusals left %q, ports %v", got, l.Net.Ports())
	}
}

// An interface is attached once, and its name is free when its port has gone.
func TestVethOnce(t *testing.T) {
	l, m := newVeths(t), bustest.NewLab(t, "broadcast")
	name := nstest.Name()
	for range 5 {
		l.attach("veth", name)
		for _, file := range []string{"veth", "tap", "grab"} {
			err := attach(m.Net, l.root, file, name)
			if kind := fail.KindOf(err); kind != fail.Busy && (file != "tap" || kind != fail.Exists) {
				t.Fatalf("attached twice, by %s: %v", file, err)
			}
		}
		if err := l.Net.RemovePort(1); err != nil {
			t.Fatal(err)
		}
		if got := l.list("veth"); got[0] != "" {
			t.Errorf("without a port it shows %q", got)
		}
	}
	if err := detach(l.Net, l.root, "veth", name); fail.KindOf(err) != fail.Unknown {
		t.Errorf("detaching what is not attached: %v", err)
	}
	wantGone(t, l.ns, name)
}

// When the network ends its interfaces disappear.
func TestVethNetworkEnds(t *testing.T) {
	l := newVeths(t)
	names := []string{nstest.Name(), nstest.Name()}
	for _, name := range names {
		l.attach("veth", name+" up")
	}
	for _, number := range l.Net.Ports() {
		if err := l.Net.RemovePort(number); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names {
		wantGone(t, l.ns, name)
	}
}

// What happens to the host's end is told, and the list follows, also to where nobody
// sees it, and back.
func TestVethEvents(t *testing.T) {
	l := newVeths(t)
	otherName, other := nstest.New(t)
	hiddenName, hidden := nstest.New(t)
	nstest.Delete(hiddenName)
	events := &bustest.Events{}
	if err := l.Net.Subscribe(events); err != nil {
		t.Fatal(err)
	}
	name, renamed := nstest.Name(), nstest.Name()
	l.attach("veth", name+" up")
	l.wantList("veth", name, "state=up")
	change := func(ns *netns.NS, name string, f func(netlink.Link) error) { nstest.Change(t, ns, name, f) }
	moves := func(from, to *netns.NS) {
		change(from, renamed, func(k netlink.Link) error { return netlink.LinkSetNsFd(k, to.FD()) })
	}

	change(l.ns, name, netlink.LinkSetDown)
	l.wantList("veth", name, "state=down")
	change(l.ns, name, func(k netlink.Link) error { return netlink.LinkSetMTU(k, 1400) })
	l.wantList("veth", name, "mtu=1400")
	change(l.ns, name, func(k netlink.Link) error { return netlink.LinkSetName(k, renamed) })
	l.wantList("veth", renamed, "port=1")
	moves(l.ns, other)
	l.wantList("veth", renamed, "netns="+otherName, "state=down")
	change(other, renamed, netlink.LinkSetUp)
	l.wantList("veth", renamed, "state=up") // it is watched there
	moves(other, hidden)
	l.wantList("veth", renamed, "netns=unknown", "state=moved")
	change(hidden, renamed, netlink.LinkSetUp) // so that its carrier tells when it leaves
	moves(hidden, l.ns)
	l.wantList("veth", renamed, "netns="+l.host, "state=down")
	change(l.ns, renamed, netlink.LinkDel)
	l.wantList("veth")
	nstest.Wait(t, "the port to end", func() bool { return len(l.Net.Ports()) == 0 })
	nstest.Wait(t, "the last event", func() bool { return events.Count("link-gone") == 1 })

	var got []string
	for _, line := range events.Lines() {
		if word, _, _ := strings.Cut(line, " "); strings.HasPrefix(word, "link-m") || word == "link-renamed" || word == "link-gone" {
			got = append(got, line)
		}
	}
	want := []string{
		"link-mtu name=" + name + " port=1 mtu=1400",
		"link-renamed name=" + renamed + " port=1 from=" + name,
		"link-moved name=" + renamed + " port=1 netns=" + otherName,
		"link-moved name=" + renamed + " port=1 netns=unknown",
		"link-moved name=" + renamed + " port=1 netns=" + l.host,
		"link-gone name=" + renamed + " port=1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// An interface does not keep its namespace alive: ip netns del ends both, and the port.
// The same if it was moved to where nobody sees it.
func TestVethNamespaceEnds(t *testing.T) {
	l := newVeths(t)
	name, ns := nstest.New(t)
	hiddenName, hidden := nstest.New(t)
	nstest.Delete(hiddenName)
	l.attach("veth", "lnk0 up addr=10.0.0.1/24 netns="+name)
	l.attach("veth", "lnk1 netns="+name)
	nstest.Change(t, ns, "lnk1", func(k netlink.Link) error { return netlink.LinkSetNsFd(k, hidden.FD()) })
	nstest.Wait(t, "lnk1 to be out of sight", func() bool { return strings.Contains(bus.AttacherOf("veth").List(l.Net), "netns=unknown") })
	nstest.Delete(name)
	ns.Close()
	l.wantList("veth", "lnk1")
	hidden.Close()
	l.wantList("veth")
	nstest.Wait(t, "the ports to end", func() bool { return len(l.Net.Ports()) == 0 })
}

// Many come and go at once, while others look, in all ways that an interface can go.
func TestVethMany(t *testing.T) {
	l := newVeths(t)
	const count = 24
	var all sync.WaitGroup
	for i := range count {
		number, name := i+1, fmt.Sprintf("lnk%d", i)
		deleted := func() error {
			return l.ns.Do(func() error {
				k, err := netlink.LinkByName(name)
				if err != nil {
					return err
				}
				return netlink.LinkDel(k)
			})
		}
		all.Go(func() {
			err := attach(l.Net, l.root, "veth", fmt.Sprintf("%s port=%d up", name, number))
			if err == nil {
				l.list("veth")
				switch i % 4 {
				case 0:
					err = detach(l.Net, l.root, "veth", name)
				case 1:
					err = deleted()
				case 2:
					err = l.Net.RemovePort(number)
				case 3: // at once, and who is first is first
					all.Go(func() { _ = deleted() })
					_ = l.Net.RemovePort(number)
				}
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	l.wantList("veth")
	nstest.Wait(t, "the ports to end", func() bool { return len(l.Net.Ports()) == 0 })
	for i := range count {
		wantGone(t, l.ns, fmt.Sprintf("lnk%d", i))
	}
}

// Long frames cross if the host's end has such an MTU, from the first on or later; and a
// host may have an XDP program at its end if not.
func TestVethMTU(t *testing.T) {
	l := newVeths(t)
	_, other := nstest.New(t)
	second := process(t, other, nil)
	l.attach("veth", "eth0 mtu=9000 addr=10.0.0.1/24 up")
	l.want(0, second, "veth", "eth0 addr=10.0.0.2/24 up")
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()}, License: "BSD",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	xdp := func() error {
		return other.Do(func() error {
			k, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			at, err := ebpflink.AttachXDP(ebpflink.XDPOptions{Program: pass, Interface: k.Attrs().Index, Flags: ebpflink.XDPDriverMode})
			if err != nil {
				return err
			}
			return at.Close()
		})
	}
	if err := xdp(); err != nil {
		t.Errorf("no XDP program can be there: %v", err)
	}
	from, to := listen(t, l.ns, "10.0.0.1:0"), listen(t, other, "10.0.0.2:0")
	if !reaches(t, from, to) {
		t.Error("nothing reaches the other host")
	}
	const long = 8000
	crosses := func() bool {
		buf := make([]byte, 2*long)
		for _, c := range [][2]net.PacketConn{{from, to}, {to, from}} {
			if _, err := c[0].WriteTo(make([]byte, long), c[1].LocalAddr()); err != nil {
				return false
			}
			c[1].SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if n, _, err := c[1].ReadFrom(buf); err != nil || n != long {
				return false
			}
		}
		return true
	}
	nstest.Change(t, other, "eth0", func(k netlink.Link) error { return netlink.LinkSetMTU(k, 9000) })
	nstest.Wait(t, "long frames to cross", crosses)
	nstest.Change(t, other, "eth0", func(k netlink.Link) error { return netlink.LinkSetMTU(k, 1500) })
	nstest.Wait(t, "an XDP program to be allowed", func() bool { return xdp() == nil })
}

// Nothing is left open.
func TestVethDescriptors(t *testing.T) {
	l := newVeths(t)
	cycle := func() {
		name := nstest.Name()
		l.attach("veth", name+" up")
		l.want(fail.Exists, l.root, "veth", "lo")
		l.want(fail.Busy, l.root, "veth", name)
		l.want(fail.Invalid, l.root, "veth", "lnk mtu=1000 addr=fd00::1/64")
		l.detach("veth", name)
	}
	cycle() // opens what stays
	before := descriptors(t)
	for range 5 {
		cycle()
	}
	nstest.Wait(t, "all descriptors to be closed", func() bool { return descriptors(t) <= before })
}

// A daemon that may load no program into the kernel, as in a user namespace, makes a tap,
// and tells so.
func TestVethWithoutPlane(t *testing.T) {
	l := newLab(t)
	cmd := command(t, "veth lnk0 mtu=1400 addr=10.0.0.1/24 up")
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{"unshare", "--user", "--map-root-user", "--net"}, cmd.Args...)
	cmd.Path = unshare
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	nstest.In(t, l.ns, cmd.Start)
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the process says %q, %v", lines.Text(), lines.Err())
	}
	if _, err := fmt.Fprintln(in, "veth"); err != nil || !lines.Scan() {
		t.Fatal(err, lines.Err())
	}
	if got := lines.Text(); !hasWords(got, "lnk0", "port=1", "state=up", "mtu=1400", "path=user") || strings.HasSuffix(got, "path=user") {
		t.Errorf("veth shows %q", got)
	}
	ns, err := netns.OfThread(uint32(cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if f := facts(t, ns, "lnk0"); f.Kind != "tun" || f.Tun.Persist {
		t.Errorf("it is %+v", f)
	}
}
