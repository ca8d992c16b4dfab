package iface_test

import (
	"bytes"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	bpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// wire is a host that is connected by a veth pair with one of l's interfaces.
type wire struct {
	near, far string
	peer      *netns.NS
	stack     net.PacketConn // of the host that has near
	sender    net.PacketConn // of the host that has far
}

func newWire(t *testing.T, l *lab) *wire {
	t.Helper()
	w := &wire{}
	_, w.peer = nstest.New(t)
	w.near, w.far = nstest.Veth(t, l.ns)
	nstest.Change(t, l.ns, w.far, func(k netlink.Link) error { return netlink.LinkSetNsFd(k, w.peer.FD()) })
	for addr, end := range map[string]struct {
		ns   *netns.NS
		name string
	}{"10.0.0.1/24": {l.ns, w.near}, "10.0.0.2/24": {w.peer, w.far}} {
		nstest.Change(t, end.ns, end.name, func(k netlink.Link) error {
			a, err := netlink.ParseAddr(addr)
			if err == nil {
				err = netlink.AddrAdd(k, a)
			}
			if err == nil {
				err = netlink.LinkSetUp(k)
			}
			return err
		})
	}
	w.stack = listen(t, l.ns, "10.0.0.1:0")
	w.sender = listen(t, w.peer, "10.0.0.2:0")
	if !reaches(t, w.sender, w.stack) { // and both know each other's MAC
		t.Fatal("the wire does not work")
	}
	return w
}

// send sends a datagram over the wire and waits until who has joined the
// network saw it.
func (w *wire) send(t *testing.T, seen *bustest.Recorder) (text string) {
	t.Helper()
	text = nstest.Name()
	nstest.Wait(t, "the network to see the frame", func() bool {
		if _, err := w.sender.WriteTo([]byte(text), w.stack.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		return saw(seen, text)
	})
	return text
}

func saw(r *bustest.Recorder, text string) bool {
	for _, f := range r.Frames() {
		if bytes.Contains(f, []byte(text)) {
			return true
		}
	}
	return false
}

// gets tells whether a datagram with that text came to the host's stack.
func (w *wire) gets(text string) bool {
	buf := make([]byte, 100)
	for {
		w.stack.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _, err := w.stack.ReadFrom(buf)
		if err != nil {
			return false
		}
		if string(buf[:n]) == text {
			return true
		}
	}
}

// programs tells how many programs wait at an interface's ingress.
func programs(t *testing.T, ns *netns.NS, name string) (n int) {
	t.Helper()
	index := facts(t, ns, name).Index
	nstest.In(t, ns, func() error {
		found, err := bpflink.QueryPrograms(bpflink.QueryOptions{Target: index, Attach: ebpf.AttachTCXIngress})
		if err == nil {
			n = len(found.Programs)
		}
		return err
	})
	return n
}

func promiscuous(t *testing.T, ns *netns.NS, name string) (n int) {
	t.Helper()
	nstest.Change(t, ns, name, func(k netlink.Link) error { n = k.Attrs().Promisc; return nil })
	return n
}

// besideOf is the name of the pair's end beside a grabbed interface.
func besideOf(t *testing.T, ns *netns.NS, name string) string {
	t.Helper()
	if beside := "ipnfs-" + name; len(beside) < unix.IFNAMSIZ {
		return beside
	}
	return fmt.Sprintf("ipnfs-%d", facts(t, ns, name).Index)
}

func TestGrab(t *testing.T) {
	l := newLab(t)
	w := newWire(t, l)
	seen := &bustest.Recorder{}
	l.Join(t, seen)
	line := l.attach("grab", w.near)
	want := fmt.Sprintf("%s port=2 state=up netns=%s mac=%v mtu=1500 path=user \"policy broadcast forwards by no table\"", w.near, l.host, facts(t, l.ns, w.near).MAC)
	if line != want {
		t.Errorf("grab shows %q, want %q", line, want)
	}
	if promiscuous(t, l.ns, w.near) != 1 || programs(t, l.ns, w.near) != 2 {
		t.Error("it is not promiscuous, or lacks a program")
	}
	beside := besideOf(t, l.ns, w.near)
	facts(t, l.ns, beside)
	if w.gets(w.send(t, seen)) {
		t.Error("the host still sees the frames")
	}

	// What the network sends goes out, and what the host sends is not taken.
	_, third := nstest.New(t)
	l.want(0, process(t, third, nil), "tap", "lnk0 up addr=10.0.0.3/24")
	if !reaches(t, listen(t, third, "10.0.0.3:0"), w.sender) {
		t.Error("what the network sends does not go out")
	}
	text := nstest.Name()
	if _, err := w.stack.WriteTo([]byte(text), w.sender.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	w.send(t, seen)
	if saw(seen, text) {
		t.Error("the network saw what the host sent")
	}

	l.detach("grab", w.near)
	if promiscuous(t, l.ns, w.near) != 0 || programs(t, l.ns, w.near) != 0 {
		t.Error("it is still promiscuous, or has a program")
	}
	wantGone(t, l.ns, beside)
	if !reaches(t, w.sender, w.stack) {
		t.Error("the host does not see its frames again")
	}
}

func TestGrabCopy(t *testing.T) {
	l := newLab(t)
	w := newWire(t, l)
	seen := &bustest.Recorder{}
	l.Join(t, seen)
	if line := l.attach("grab", w.near+" copy netns="+l.host); !hasWords(line, "copy") {
		t.Errorf("grab shows %q", line)
	}
	if programs(t, l.ns, w.near) != 0 {
		t.Error("it has a program")
	}
	text := w.send(t, seen)
	nstest.Wait(t, "the host to see the frames", func() bool { return w.gets(text) })
}

func TestGrabRefused(t *testing.T) {
	l := newLab(t)
	veth, other := nstest.Veth(t, l.ns)
	third, fourth := nstest.Veth(t, l.ns)
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: nstest.Name()}}
	nstest.Add(t, l.ns, bridge)
	nstest.Change(t, l.ns, third, func(k netlink.Link) error { return netlink.LinkSetMaster(k, bridge) })
	nstest.Add(t, l.ns, &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: "lnktun"}, Mode: netlink.TUNTAP_MODE_TUN})
	elsewhere := bustest.NewLab(t, "broadcast")
	if err := attach(elsewhere.Net, l.root, "grab", veth); err != nil {
		t.Fatal(err)
	}
	shared := daemonWith(t, l, "grab "+fourth)
	for command, kind := range map[string]fail.Kind{
		"":                    fail.Invalid,
		other + " mtu=1400":   fail.Invalid,
		other + " copy=1":     fail.Invalid,
		other + " copy copy":  fail.Invalid,
		other + " netns=lnkx": fail.Unknown,
		"lnknone":             fail.Unknown,
		"lo":                  fail.Invalid,
		"lo copy":             fail.Invalid,
		"lnktun":              fail.Invalid,
		third:                 fail.Busy,
		veth:                  fail.Busy,
		veth + " copy":        fail.Busy,
		fourth:                fail.Busy, // by the other process
		fourth + " copy":      fail.Busy,
	} {
		l.want(kind, l.root, "grab", command)
	}
	if err := attach(l.Net, l.root, "grab", "lo"); !strings.Contains(err.Error(), "loopback") {
		t.Errorf("lo: %v", err)
	}
	if len(l.Net.Ports()) != 0 || l.list("grab")[0] != "" {
		t.Errorf("refusals left ports %v, %q", l.Net.Ports(), l.list("grab"))
	}
	if promiscuous(t, l.ns, other) != 0 || programs(t, l.ns, other) != 0 {
		t.Error("a refusal left traces")
	}
	kill(t, shared)
	nstest.Wait(t, "the other's program to go", func() bool { return programs(t, l.ns, fourth) == 0 })
	l.attach("grab", fourth)

	// There is no port left.
	if err := l.Net.Change(func(s *bus.Settings) { s.MaxPorts = 1 }); err != nil {
		t.Fatal(err)
	}
	l.want(fail.NoPort, l.root, "grab", other)
	if promiscuous(t, l.ns, other) != 0 || programs(t, l.ns, other) != 0 {
		t.Error("a refusal left traces")
	}
}

// A program is not taken for a grab for its name alone.
func TestGrabBesideNamesake(t *testing.T) {
	l := newLab(t)
	w := newWire(t, l)
	index := facts(t, l.ns, w.near).Index
	nstest.In(t, l.ns, func() error {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "ipnfs_grab", Type: ebpf.SchedCLS, License: "BSD",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, -1), asm.Return()}, // TCX_NEXT
		})
		if err != nil {
			return err
		}
		defer p.Close()
		namesake, err := bpflink.AttachTCX(bpflink.TCXOptions{Interface: index, Program: p, Attach: ebpf.AttachTCXIngress})
		if err == nil {
			t.Cleanup(func() { namesake.Close() })
		}
		return err
	})
	seen := &bustest.Recorder{}
	l.Join(t, seen)
	l.attach("grab", w.near)
	if w.gets(w.send(t, seen)) {
		t.Error("the host still sees the frames")
	}
	l.detach("grab", w.near)
	l.attach("grab", w.near+" copy")
}

// An interface stays up or down as it is, also when it changes or goes.
func TestGrabEvents(t *testing.T) {
	l := newLab(t)
	_, other := nstest.New(t)
	events := &bustest.Events{}
	if err := l.Net.Subscribe(events); err != nil {
		t.Fatal(err)
	}
	near, far := nstest.Veth(t, l.ns)
	name := nstest.Name()
	l.attach("grab", near)
	l.wantList("grab", near, "state=down")
	nstest.Change(t, l.ns, near, netlink.LinkSetUp)
	l.wantList("grab", near, "state=no-carrier")
	nstest.Change(t, l.ns, far, netlink.LinkSetUp)
	l.wantList("grab", near, "state=up")
	nstest.Change(t, l.ns, far, netlink.LinkSetDown)
	l.wantList("grab", near, "state=no-carrier")
	nstest.Change(t, l.ns, near, netlink.LinkSetDown)
	l.wantList("grab", near, "state=down")
	nstest.Change(t, l.ns, near, func(k netlink.Link) error { return netlink.LinkSetName(k, name) })
	l.wantList("grab", name)
	nstest.Change(t, l.ns, name, func(k netlink.Link) error { return netlink.LinkSetMTU(k, 9000) })
	l.wantList("grab", name, "mtu=9000")
	nstest.Change(t, l.ns, name, func(k netlink.Link) error { return netlink.LinkSetNsFd(k, other.FD()) })
	l.wantList("grab")
	nstest.Wait(t, "the port to end", func() bool { return len(l.Net.Ports()) == 0 })
	nstest.Wait(t, "the program to go", func() bool { return programs(t, other, name) == 0 })
	l.attach("grab", far)
	nstest.Change(t, l.ns, far, netlink.LinkDel)
	l.wantList("grab")
	nstest.Wait(t, "the last event", func() bool { return events.Count("link-gone") == 1 })

	var got []string
	for _, line := range events.Lines() {
		if strings.HasPrefix(line, "link-") {
			got = append(got, line)
		}
	}
	want := []string{
		"link-up name=" + near + " port=1",
		"link-down name=" + near + " port=1 state=no-carrier",
		"link-down name=" + near + " port=1 state=down",
		"link-renamed name=" + name + " port=1 from=" + near,
		"link-mtu name=" + name + " port=1 mtu=9000",
		"link-moved name=" + name + " port=1",
		"link-gone name=" + far + " port=1",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Taps, veths and what is grabbed end with the process, however that ends.
func TestKilled(t *testing.T) {
	l := newLab(t)
	w := newWire(t, l)
	d := daemonWith(t, l, "tap lnk0 up addr=10.1.0.1/24", "tap lnk1 queues=2", "veth lnk2 up addr=10.2.0.1/24", "grab "+w.near)
	facts(t, l.ns, "lnk0")
	facts(t, l.ns, "lnk1")
	if programs(t, l.ns, w.near) != 2 {
		t.Error("it is not grabbed")
	}
	facts(t, l.ns, "lnk2")
	kill(t, d)
	for _, name := range []string{"lnk0", "lnk1", "lnk2"} {
		wantGone(t, l.ns, name)
	}
	wantGone(t, l.ns, besideOf(t, l.ns, w.near))
	nstest.Wait(t, "the grab to end", func() bool {
		return programs(t, l.ns, w.near) == 0 && promiscuous(t, l.ns, w.near) == 0
	})
	if !reaches(t, w.sender, w.stack) {
		t.Error("the host does not see its frames again")
	}
}

// A process that is killed at any moment of attaching leaves nothing.
func TestKilledWhileAttaching(t *testing.T) {
	l := newLab(t)
	for i := range 30 {
		name := nstest.Name()
		cmd := command(t, []string{"tap ", "veth "}[i%2]+name+" up")
		nstest.In(t, l.ns, cmd.Start)
		time.Sleep(time.Duration(i) * 2 * time.Millisecond) // any moment
		cmd.Process.Kill()
		cmd.Wait()
		wantGone(t, l.ns, name)
	}
}
