package iface_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// Frames that the interface's MTU does not allow do not get out: of a tap as of
// the kernel's bridge, header, room for a tag, and MTU; of a grabbed one header
// and MTU. An outermost tag does not count. What fits reaches the kernel.
func TestMTU(t *testing.T) {
	l := newLab(t)
	veth, far := nstest.Veth(t, l.ns)
	nstest.Change(t, l.ns, veth, netlink.LinkSetUp)
	nstest.Change(t, l.ns, far, func(k netlink.Link) error { return netlink.LinkSetMTU(k, 9000) })
	nstest.Change(t, l.ns, far, netlink.LinkSetUp)
	tap := nstest.Name()
	l.attach("tap", tap+" up")
	l.attach("grab", veth)
	sender := l.Join(t, &bustest.Recorder{})
	tooLong := func() (n [2]uint64) {
		for i := range n {
			stats := l.Net.Port(i + 1).Stats()
			for _, s := range stats.List() {
				if s.Name == "drop_too_long" {
					n[i] = s.Value
				}
			}
		}
		return n
	}
	send := func(size int, tags ...uint32) {
		frame := make([]byte, size)
		copy(frame, bustest.EthernetHeader(1))
		for i, tag := range tags {
			binary.BigEndian.PutUint32(frame[12+4*i:], tag)
		}
		bustest.Send(sender, frame)
	}
	for i, mtu := range []int{1500, 9000, 68} {
		for _, name := range []string{tap, veth} {
			nstest.Change(t, l.ns, name, func(k netlink.Link) error { return netlink.LinkSetMTU(k, mtu) })
		}
		nstest.Wait(t, "the change to be noticed", func() bool {
			return hasWords(l.list("tap")[0], fmt.Sprintf("mtu=%d", mtu)) && hasWords(l.list("grab")[0], fmt.Sprintf("mtu=%d", mtu))
		})
		before := tooLong()
		nstest.Wait(t, "frames to be dropped", func() bool { // SetMTU comes after the list
			send(14 + 4 + mtu + 1)
			now := tooLong()
			return now[0] > before[0] && now[1] > before[1]
		})
		before = tooLong()
		send(14 + mtu)
		send(14+4+mtu, 0x81000007)
		if now := tooLong(); now != before {
			t.Errorf("mtu %d, step %d: a frame that fits was dropped", mtu, i)
		}
		send(14 + 4 + mtu)
		send(14+8+mtu, 0x88a80007, 0x81000008)
		if now := tooLong(); now[0] != before[0] || now[1] != before[1]+2 {
			t.Errorf("mtu %d, step %d: of two frames that a tap takes, and a packet socket not, %d and %d were dropped", mtu, i, now[0]-before[0], now[1]-before[1])
		}
		stats := l.Net.Port(2).Stats()
		for _, s := range stats.List() {
			if s.Name == "drop_device" && s.Value != 0 {
				t.Errorf("mtu %d: the kernel refused %d frames that were to fit", mtu, s.Value)
			}
		}
	}
}

// What happens to one interface under load does not disturb the others.
func TestUnderLoad(t *testing.T) {
	for _, file := range []string{"tap", "veth"} {
		t.Run(file, func(t *testing.T) { testUnderLoad(t, file) })
	}
}

func testUnderLoad(t *testing.T, file string) {
	l := newSwitch(t)
	var hosts [3]*netns.NS
	var callers [3]bus.Caller
	for i := range hosts {
		_, hosts[i] = nstest.New(t)
		callers[i] = process(t, hosts[i], nil)
	}
	_, away := nstest.New(t)
	for i := range 2 {
		l.want(0, callers[i], file, fmt.Sprintf("eth0 up addr=10.0.0.%d/24", i+1))
	}
	from, to := listen(t, hosts[0], "10.0.0.1:0"), listen(t, hosts[1], "10.0.0.2:0")
	stop := flood(t, hosts[0], "10.0.0.1", "10.0.0.255:9")
	for i := range 8 {
		l.want(0, callers[2], file, "lnk0 up addr=10.0.0.3/24")
		change := func(ns *netns.NS, name string, f func(netlink.Link) error) { nstest.Change(t, ns, name, f) }
		change(hosts[2], "lnk0", netlink.LinkSetDown)
		change(hosts[2], "lnk0", func(k netlink.Link) error { return netlink.LinkSetName(k, "lnk1") })
		change(hosts[2], "lnk1", netlink.LinkSetUp)
		change(hosts[2], "lnk1", func(k netlink.Link) error { return netlink.LinkSetMTU(k, 1400) })
		switch i % 4 {
		case 0:
			change(hosts[2], "lnk1", netlink.LinkDel)
		case 1:
			change(hosts[2], "lnk1", func(k netlink.Link) error { return netlink.LinkSetNsFd(k, away.FD()) })
			change(away, "lnk1", netlink.LinkSetUp)
			change(away, "lnk1", netlink.LinkDel)
		case 2:
			if err := l.Net.RemovePort(3); err != nil {
				t.Error(err)
			}
		case 3:
			nstest.Wait(t, "the new name", func() bool { return detach(l.Net, callers[2], file, "lnk1") == nil })
		}
		if !reaches(t, from, to) {
			t.Fatal("the others are disturbed")
		}
		nstest.Wait(t, "the third port to end", func() bool { return len(l.Net.Ports()) == 2 })
		wantGone(t, hosts[2], "lnk1")
	}
	stop()
}

// flood sends datagrams until it is told to stop.
func flood(t *testing.T, ns *netns.NS, from, to string) (stop func()) {
	t.Helper()
	var c net.Conn
	nstest.In(t, ns, func() error {
		local, err := net.ResolveUDPAddr("udp", from+":0")
		if err != nil {
			return err
		}
		d := net.Dialer{LocalAddr: local}
		c, err = d.Dial("udp", to)
		return err
	})
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				c.Write(make([]byte, 1000))
			}
		}
	})
	return func() {
		close(done)
		all.Wait()
		c.Close()
	}
}
