package iface_test

import (
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/iface"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// Two hosts, each with a tap made by one command, talk at once.
func TestTap(t *testing.T) {
	l := newLab(t)
	_, other := nstest.New(t)
	second := process(t, other, nil)
	name := nstest.Name()
	line := l.attach("tap", name+" addr=10.0.0.1/24 addr=fd00::1/64 up")
	f := facts(t, l.ns, name)
	want := fmt.Sprintf("%s port=1 state=up netns=%s mac=%v mtu=1500", name, l.host, f.MAC)
	if line != want {
		t.Errorf("tap shows %q, want %q", line, want)
	}
	l.want(0, second, "tap", name+" addr=10.0.0.2/24 up") // the same name, elsewhere
	if !reaches(t, listen(t, l.ns, "10.0.0.1:0"), listen(t, other, "10.0.0.2:0")) {
		t.Error("nothing reaches the other host")
	}
	l.detach("tap", name) // in the caller's namespace
	wantGone(t, l.ns, name)
	facts(t, other, name)
	if !hasWords(l.list("tap")[0], name, "port=2") {
		t.Errorf("tap shows %q", l.list("tap"))
	}
	info := l.Net.Port(2).Info().Conns[0]
	if info.Kind != "tap" || info.Detail != name || info.PID != second.PID || info.Since.IsZero() || info.Rights() != "rw" {
		t.Errorf("its port shows %+v", info)
	}
}

// What the options say is so.
func TestTapOptions(t *testing.T) {
	l := newLab(t)
	otherName, other := nstest.New(t)
	inOther := process(t, other, nil)
	for _, c := range []struct {
		options string
		ns      *netns.NS
		shows   string
		want    func(link.Facts) bool
	}{
		{"", l.ns, "state=down mtu=1500", func(f link.Facts) bool {
			return !f.Tun.Persist && !f.Tun.MultiQueue && f.Tun.Owner == link.Nobody
		}},
		{"up", l.ns, "state=up", func(f link.Facts) bool { return f.Carrier }},
		{"mac=02:00:00:00:00:07 mtu=9000", l.ns, "mac=02:00:00:00:00:07 mtu=9000", func(f link.Facts) bool {
			return f.MTU == 9000 && f.MAC[5] == 7
		}},
		{"mtu=65521", l.ns, "mtu=65521", func(f link.Facts) bool { return f.MTU == 65521 }},
		{"netns=" + otherName, other, "netns=" + otherName, nil},
		{"netns=/run/netns/" + otherName, other, "netns=" + otherName, nil},
		{"netns=" + strconv.Itoa(int(inOther.PID)), other, "netns=" + otherName, nil},
		{fmt.Sprintf("netns=/proc/%d/ns/net", inOther.PID), other, "netns=" + otherName, nil},
		{"owner=1234 group=2345", l.ns, "", func(f link.Facts) bool { return f.Tun.Owner == 1234 && f.Tun.Group == 2345 }},
		{"owner=root group=root", l.ns, "", func(f link.Facts) bool { return f.Tun.Owner == 0 && f.Tun.Group == 0 }},
		{"queues=1", l.ns, "", func(f link.Facts) bool { return !f.Tun.MultiQueue }},
		{"queues=8", l.ns, "queues=8", func(f link.Facts) bool { return f.Tun.MultiQueue && f.Tun.Queues == 8 }},
	} {
		name := nstest.Name()
		line := l.attach("tap", name+" "+c.options)
		f := facts(t, c.ns, name)
		if c.want != nil && !c.want(f) {
			t.Errorf("%q made %+v", c.options, f)
		}
		if !hasWords(line, strings.Fields(c.shows)...) {
			t.Errorf("%q is shown as %q", c.options, line)
		}
		l.detach("tap", name)
		if _, err := link.Get(c.ns, name); err == nil {
			t.Errorf("%q: it did not disappear", c.options)
		}
	}
}

// A refusal changes nothing.
func TestTapRefused(t *testing.T) {
	l := newLab(t)
	veth, _ := nstest.Veth(t, l.ns)
	single, taken := nstest.Name(), nstest.Name()
	nstest.Tap(t, l.ns, single, nstest.Tun{})
	nstest.Tap(t, l.ns, taken, nstest.Tun{Flags: unix.IFF_MULTI_QUEUE})
	before := facts(t, l.ns, single)
	hold(t, l.ns, taken)
	unknown := outside(l.root)
	for _, c := range []struct {
		by      bus.Caller
		command string
		kind    fail.Kind
	}{
		{l.root, "", fail.Invalid},
		{l.root, "lnk nonsense", fail.Invalid},
		{l.root, "lnk%d", fail.Invalid},
		{l.root, "lnkabcdefghijklm", fail.NameTooLong},
		{l.root, "lnk mtu=67", fail.Range},
		{l.root, "lnk mtu=65522", fail.Range},
		{l.root, "lnk queues=9", fail.Range},
		{l.root, "lnk owner=lnknobody", fail.Unknown},
		{l.root, "lnk netns=lnknone", fail.Unknown},
		{l.root, "lnk netns=/etc/passwd", fail.Invalid},
		{l.root, "lo", fail.Exists},
		{l.root, veth, fail.Exists},
		{l.root, taken, fail.Busy},
		{l.root, single + " queues=2", fail.Invalid},
		{unknown, "lnk", fail.Denied},
		{unknown, "lnk netns=/run/netns/" + l.host, fail.Denied},
		{unknown, "lnk netns=" + l.host, fail.Denied},
		{unknown, single, fail.Denied},
	} {
		l.want(c.kind, c.by, "tap", c.command)
	}
	if got := facts(t, l.ns, single); !reflect.DeepEqual(got, before) {
		t.Errorf("refusals left %+v of %+v", got, before)
	}
	if _, err := link.Get(l.ns, "lnk"); err == nil {
		t.Error("a refusal left a device")
	}
	if got := l.list("tap"); got[0] != "" || len(l.Net.Ports()) != 0 {
		t.Errorf("refusals left %q, ports %v", got, l.Net.Ports())
	}
}

// What was done before the failing step is undone: here there is no port left.
func TestTapUndone(t *testing.T) {
	l := newLab(t)
	name := nstest.Name()
	nstest.Tap(t, l.ns, name, nstest.Tun{})
	before := facts(t, l.ns, name)
	if err := l.Net.Change(func(s *bus.Settings) { s.MaxPorts = 1 }); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Net.Reserve(1); err != nil {
		t.Fatal(err)
	}
	const options = " mac=02:00:00:00:00:07 mtu=1400 addr=10.0.0.1/24 up owner=1 persist"
	l.want(fail.NoPort, l.root, "tap", name+options)
	if got := facts(t, l.ns, name); !reflect.DeepEqual(got, before) {
		t.Errorf("the refusal left %+v of %+v", got, before)
	}
	made := nstest.Name()
	l.want(fail.NoPort, l.root, "tap", made+options)
	l.want(fail.NoPort, l.root, "tap", made+options+" queues=2")
	if _, err := link.Get(l.ns, made); err == nil {
		t.Error("the refusal left a device")
	}
}

// hold attaches a queue to a tap, as another program would.
func hold(t *testing.T, ns *netns.NS, name string) (fd int) {
	t.Helper()
	nstest.In(t, ns, func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		t.Cleanup(func() { unix.Close(fd) })
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		flags := uint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if f := facts(t, ns, name); f.Tun.MultiQueue {
			flags |= unix.IFF_MULTI_QUEUE
		}
		ifr.SetUint16(flags)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	})
	return fd
}

// A persistent tap is taken as it is, and left so, without offloads that its
// next user may not know.
func TestTapPersistent(t *testing.T) {
	for _, flags := range []uint16{0, unix.IFF_MULTI_QUEUE} {
		l := newLab(t)
		name := nstest.Name()
		nstest.Tap(t, l.ns, name, nstest.Tun{Flags: flags})
		before := features(t, l.ns, name)
		line := l.attach("tap", name+" up addr=10.0.0.1/24")
		if !hasWords(line, "state=up", "persist") {
			t.Errorf("tap shows %q", line)
		}
		if got := features(t, l.ns, name); got == before {
			t.Error("no offload is in use")
		}
		l.want(fail.Busy, l.root, "tap", name)
		l.detach("tap", name)
		if f := facts(t, l.ns, name); !f.Up || f.Tun.Queues != 0 || !f.Tun.Persist {
			t.Errorf("it was left as %+v", f)
		}
		if got := features(t, l.ns, name); got != before {
			t.Errorf("it was left with the features %q, had %q", got, before)
		}
		l.attach("tap", name)
		l.detach("tap", name)
	}
}

// features tells what the stack may leave to a device, by ethtool's calls.
func features(t *testing.T, ns *netns.NS, name string) (f string) {
	t.Helper()
	nstest.In(t, ns, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, get := range []uint32{unix.ETHTOOL_GTXCSUM, unix.ETHTOOL_GTSO} {
			value, err := ethtool(fd, name, get)
			if err != nil {
				return err
			}
			f += fmt.Sprint(value, " ")
		}
		return nil
	})
	return f
}

// persist makes a device that stays; a later attach takes it.
func TestTapPersist(t *testing.T) {
	l := newLab(t)
	for _, options := range []string{"", " queues=3"} {
		name := nstest.Name()
		line := l.attach("tap", name+" persist owner=1234"+options)
		if !hasWords(line, "persist") {
			t.Errorf("tap shows %q", line)
		}
		l.detach("tap", name)
		if f := facts(t, l.ns, name); !f.Tun.Persist || f.Tun.Owner != 1234 || f.Tun.Queues != 0 {
			t.Errorf("it was left as %+v", f)
		}
		l.attach("tap", name+options)
		l.detach("tap", name)
		facts(t, l.ns, name)
	}
}

// A tap is attached once, and again at once when its port has gone.
func TestTapOnce(t *testing.T) {
	l, m := newLab(t), bustest.NewLab(t, "broadcast")
	name := nstest.Name()
	for range 10 {
		l.attach("tap", name)
		err := attach(m.Net, l.root, "tap", name)
		if fail.KindOf(err) != fail.Busy || !strings.Contains(err.Error(), "network lab") {
			t.Fatalf("attached twice: %v", err)
		}
		if err := attach(m.Net, l.root, "grab", name); fail.KindOf(err) != fail.Busy {
			t.Fatalf("attached and grabbed: %v", err)
		}
		if err := l.Net.RemovePort(1); err != nil {
			t.Fatal(err)
		}
		if got := l.list("tap"); got[0] != "" {
			t.Errorf("without a port it shows %q", got)
		}
	}
	if err := detach(l.Net, l.root, "tap", name); fail.KindOf(err) != fail.Unknown {
		t.Errorf("detaching what is not attached: %v", err)
	}
	wantGone(t, l.ns, name)
}

// When the network ends its taps disappear, and what stays is left as it was.
func TestTapNetworkEnds(t *testing.T) {
	l := newLab(t)
	names := []string{nstest.Name(), nstest.Name()}
	for _, name := range names {
		l.attach("tap", name)
	}
	persistent := nstest.Name()
	nstest.Tap(t, l.ns, persistent, nstest.Tun{})
	before := features(t, l.ns, persistent)
	l.attach("tap", persistent)
	l.Bus.Shutdown()
	iface.Wait()
	for _, name := range names {
		if _, err := link.Get(l.ns, name); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if got := features(t, l.ns, persistent); got != before {
		t.Errorf("the persistent tap was left with the features %q, had %q", got, before)
	}
	l.wantList("tap")
	l.want(fail.Gone, l.root, "tap", names[0])
	if _, err := link.Get(l.ns, names[0]); err == nil {
		t.Error("attaching to a network that has ended left a device")
	}
}

// 64 hosts, and commands for all of them at once.
func TestTap64(t *testing.T) {
	const n = 64
	l := newLab(t)
	var hosts [n]*netns.NS
	var callers [n]bus.Caller
	for i := range n {
		_, hosts[i] = nstest.New(t)
		callers[i] = process(t, hosts[i], nil)
	}
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			command := fmt.Sprintf("eth0 addr=10.0.0.%d/24 up", i+1)
			if err := attach(l.Net, callers[i], "tap", command); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := len(l.list("tap")); got != n || len(l.Net.Ports()) != n {
		t.Fatalf("%d taps are listed, ports are %v", got, l.Net.Ports())
	}
	first := listen(t, hosts[0], "10.0.0.1:0")
	for i := 1; i < n; i++ {
		if !reaches(t, listen(t, hosts[i], fmt.Sprintf("10.0.0.%d:0", i+1)), first) {
			t.Errorf("host %d does not reach the first one", i)
		}
	}
	for i := range n {
		all.Go(func() {
			if err := detach(l.Net, callers[i], "tap", "eth0"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	l.wantList("tap")
}

// If the caller is in no namespace of those, the name alone says too little.
func TestDetachAmbiguous(t *testing.T) {
	l := newLab(t)
	name := nstest.Name()
	for range 2 {
		_, ns := nstest.New(t)
		l.want(0, process(t, ns, nil), "tap", name)
	}
	if err := detach(l.Net, l.root, "tap", name); fail.KindOf(err) != fail.Invalid {
		t.Errorf("detaching one of two: %v", err)
	}
}

// Nothing is left open.
func TestTapDescriptors(t *testing.T) {
	l := newLab(t)
	cycle := func() {
		name := nstest.Name()
		l.attach("tap", name+" up queues=2")
		l.want(fail.Exists, l.root, "tap", "lo")
		l.want(fail.Busy, l.root, "tap", name)
		l.detach("tap", name)
	}
	cycle() // opens what stays
	before := descriptors(t)
	for range 5 {
		cycle()
	}
	nstest.Wait(t, "all descriptors to be closed", func() bool { return descriptors(t) <= before })
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// What happens to a tap is told, and the list follows.
func TestTapEvents(t *testing.T) {
	l := newLab(t)
	_, other := nstest.New(t)
	events := &bustest.Events{}
	if err := l.Net.Subscribe(events); err != nil {
		t.Fatal(err)
	}
	name, renamed := nstest.Name(), nstest.Name()
	l.attach("tap", name+" up")
	change := func(ns *netns.NS, name string, f func(netlink.Link) error) { nstest.Change(t, ns, name, f) }

	change(l.ns, name, netlink.LinkSetDown)
	l.wantList("tap", name, "state=down")
	change(l.ns, name, netlink.LinkSetUp)
	l.wantList("tap", name, "state=up")
	change(l.ns, name, func(k netlink.Link) error { return netlink.LinkSetMTU(k, 1400) })
	l.wantList("tap", name, "mtu=1400")
	change(l.ns, name, func(k netlink.Link) error { return netlink.LinkSetName(k, renamed) })
	l.wantList("tap", renamed, "port=1")
	change(l.ns, renamed, func(k netlink.Link) error { return netlink.LinkSetNsFd(k, other.FD()) })
	otherName := netns.Names()[other.ID()]
	l.wantList("tap", renamed, "netns="+otherName, "state=down")
	change(other, renamed, netlink.LinkSetUp)
	l.wantList("tap", renamed, "state=up") // it is watched there
	change(other, renamed, func(k netlink.Link) error { return netlink.LinkSetNsFd(k, l.ns.FD()) })
	l.wantList("tap", renamed, "netns="+l.host)
	change(l.ns, renamed, netlink.LinkDel)
	l.wantList("tap")
	nstest.Wait(t, "the port to end", func() bool { return len(l.Net.Ports()) == 0 })
	nstest.Wait(t, "the last event", func() bool { return events.Count("link-gone") == 1 })

	var got []string
	for _, line := range events.Lines() {
		if strings.HasPrefix(line, "link-") {
			got = append(got, line)
		}
	}
	want := []string{
		"link-down name=" + name + " port=1 state=down",
		"link-up name=" + name + " port=1",
		"link-mtu name=" + name + " port=1 mtu=1400",
		"link-renamed name=" + renamed + " port=1 from=" + name,
		"link-down name=" + renamed + " port=1 state=down",
		"link-moved name=" + renamed + " port=1 netns=" + otherName,
		"link-up name=" + renamed + " port=1",
		"link-down name=" + renamed + " port=1 state=down",
		"link-moved name=" + renamed + " port=1 netns=" + l.host,
		"link-gone name=" + renamed + " port=1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A tap does not keep its namespace alive: ip netns del ends both, and the
// port.
func TestTapNamespaceEnds(t *testing.T) {
	l := newLab(t)
	name, ns := nstest.New(t)
	l.attach("tap", "lnk0 up addr=10.0.0.1/24 netns="+name)
	l.attach("tap", "lnk1 netns="+name)
	nstest.Delete(name)
	ns.Close()
	l.wantList("tap")
	nstest.Wait(t, "the ports to end", func() bool { return len(l.Net.Ports()) == 0 })
}
