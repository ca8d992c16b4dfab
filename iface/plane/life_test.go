package plane

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/iface/link"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// victim is the variable that makes the test a process with a port in that namespace.
const victim = "IPNFS_PLANE_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		if err := suffer(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// suffer makes a port, tells the numbers of the kernel's objects, and waits for its end.
func suffer(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ns, err := netns.FromFD(fd)
	if err != nil {
		return err
	}
	p, err := Load()
	if err != nil {
		return err
	}
	if _, err := p.NewPort(ns, "eth0"); err != nil {
		return err
	}
	ns.Close()
	program, err := p.program.Info()
	if err != nil {
		return err
	}
	id, _ := program.ID()
	maps, _ := program.MapIDs()
	if len(maps) != 4 {
		return fmt.Errorf("the program has the maps %v", maps)
	}
	fmt.Println(id, maps[0], maps[1], maps[2], maps[3])
	select {}
}

// A process that is killed leaves nothing.
func TestKilled(t *testing.T) {
	need(t)
	name, ns := nstest.New(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), victim+"=/run/netns/"+name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	var program ebpf.ProgramID
	var maps [4]ebpf.MapID
	if _, err := fmt.Sscan(line, &program, &maps[0], &maps[1], &maps[2], &maps[3]); err != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("it says %q", line)
	}
	if _, err := link.Get(ns, "eth0"); err != nil {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	nstest.Wait(t, "the interface to go", func() bool {
		_, err := link.Get(ns, "eth0")
		return errors.Is(err, unix.ENODEV)
	})
	nstest.Wait(t, "the program to go", func() bool {
		p, err := ebpf.NewProgramFromID(program)
		p.Close()
		return errors.Is(err, os.ErrNotExist)
	})
	for _, id := range maps {
		nstest.Wait(t, "a map to go", func() bool {
			m, err := ebpf.NewMapFromID(id)
			m.Close()
			return errors.Is(err, os.ErrNotExist)
		})
	}
}

// descriptors counts those that are open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Ports leave nothing.
func TestClose(t *testing.T) {
	p := need(t)
	_, ns := nstest.New(t)
	names := func(ns *netns.NS) (list []string) {
		nstest.In(t, ns, func() error {
			links, err := netlink.LinkList()
			for _, l := range links {
				list = append(list, l.Attrs().Name)
			}
			return err
		})
		return list
	}
	before, hosts, open := len(names(p.ns)), len(names(ns)), descriptors(t)
	for range 2 {
		var wg sync.WaitGroup
		for i := range 20 {
			port, err := p.NewPort(ns, fmt.Sprintf("eth%d", i))
			if err != nil {
				t.Fatal(err)
			}
			if got := descriptors(t); got > open+i+1 {
				t.Errorf("%d ports have %d descriptors", i+1, got-open)
			}
			defer wg.Wait()
			wg.Go(func() {
				port.Close()
			})
		}
		wg.Wait()
		if here, there, fds := names(p.ns), names(ns), descriptors(t); len(here) != before || len(there) != hosts || fds != open {
			t.Errorf("there are %v, for hosts %v, and %d more descriptors", here, there, fds-open)
		}
	}
}

// What NewPort is refused leaves nothing.
func TestNewPortFails(t *testing.T) {
	h := newHost(t)
	open := descriptors(t)
	if _, err := h.plane.NewPort(h.ns, "eth0"); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a name twice: %v", err)
	}
	if _, err := h.plane.NewPort(h.ns, "a/b"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a name with a slash: %v", err)
	}
	if got := descriptors(t); got != open {
		t.Errorf("%d descriptors more", got-open)
	}
	if h.plane.occupied(h.port.Slot() + 1) {
		t.Error("devices are left")
	}
}

// Slots are used again, the oldest first, and under other marks.
func TestSlots(t *testing.T) {
	var s slots
	s.init(3)
	for i, want := range []int{1, 2, 0, 1, 2} {
		slot, err := s.take()
		if slot != want || fail.KindOf(err) != map[bool]fail.Kind{true: fail.NoSpace}[want == 0] {
			t.Errorf("slot %d, %v; want %d", slot, err, want)
		}
		if i == 2 {
			s.give(1)
			s.give(2)
		}
	}
	p := need(t)
	was := p.slots.free
	defer func() { p.slots.free = was }()
	p.slots.free = []int{was[0]}
	a := newHost(t)
	mark, slot := a.port.Mark(), a.port.Slot()
	a.know(0, Settings{Network: 1}, false)
	a.port.order.punted.Store(7)
	a.write(a.frame(a.mac))
	a.port.Close()
	b := newHost(t)
	if b.port.Slot() != slot || b.port.Mark() <= mark || b.port.cell.valid.Load() == b.port.Mark() || b.port.order.punted.Load() != 0 {
		t.Errorf("slot %d has mark %d, it was %d with %d", b.port.Slot(), b.port.Mark(), slot, mark)
	}
	if _, sent := b.port.sum(); sent != 0 {
		t.Errorf("it has sent %d", sent)
	}
	b.port.Close()
}

// A device that the kernel has put into the namespace is left alone.
func TestOccupied(t *testing.T) {
	p := need(t)
	slot, err := p.slots.take()
	if err != nil {
		t.Fatal(err)
	}
	p.slots.give(slot)
	for _, index := range []int{pairIndex(slot), tapIndex(slot)} {
		other := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "other", Index: index}}
		nstest.Add(t, p.ns, other)
		h := newHost(t)
		if h.port.Slot() == slot {
			t.Errorf("slot %d is of two", slot)
		}
		if _, err := link.Get(p.ns, "other"); err != nil {
			t.Errorf("the other device: %v", err)
		}
		nstest.In(t, p.ns, func() error { return netlink.LinkDel(other) })
		p.slots.give(slot)
	}
}

// The devices are as they must be, and have nothing to say.
func TestDevices(t *testing.T) {
	for _, each := range []bool{false, true} {
		p := need(t)
		was := p.ipv6
		p.ipv6 = each
		h := newHost(t)
		p.ipv6 = was
		nstest.In(t, p.ns, func() error {
			for _, c := range []struct{ index, mtu int }{{h.port.Index(), ShortMTU}, {h.port.Index() + 1, 65521}} {
				l, err := netlink.LinkByIndex(c.index)
				if err != nil {
					return err
				}
				if l.Attrs().MTU != c.mtu {
					t.Errorf("%s has mtu %d", l.Attrs().Name, l.Attrs().MTU)
				}
				list, err := netlink.AddrList(l, netlink.FAMILY_ALL)
				if err != nil {
					return err
				}
				if len(list) > 0 {
					t.Errorf("%s has the addresses %v", l.Attrs().Name, list)
				}
			}
			return nil
		})
		f, err := link.Get(h.ns, "eth0")
		if err != nil || f.MTU != 1500 || !f.Carrier || f.Kind != "veth" {
			t.Errorf("the host has %+v, %v", f, err)
		}
		h.write(h.frame(h.mac))
		if got := h.receive(long); string(got) != string(h.frame(h.mac)) {
			t.Errorf("the host received % x", got)
		}
		if got := h.punted(); got != nil {
			t.Errorf("the process got % x", got)
		}
	}
}
