package seq

import (
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/bustest"
	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
	"ipnfs/lane/lanetest"
)

// openTap makes an interface st0 in a namespace.
func openTap(tb testing.TB, ns *netns.NS, flags int) (fd int) {
	tb.Helper()
	nstest.In(tb, ns, func() (err error) {
		if fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
		ifr, err := unix.NewIfreq("st0")
		if err != nil {
			return err
		}
		ifr.SetUint16(uint16(flags))
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr)
	})
	return fd
}

// station is who talks on st0, which it sets up.
func station(tb testing.TB, ns *netns.NS) (fd int) {
	tb.Helper()
	nstest.In(tb, ns, func() error {
		l, err := netlink.LinkByName("st0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
		const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: l.Attrs().Index})
	})
	tb.Cleanup(func() { unix.Close(fd) })
	return fd
}

// A tap's descriptor makes the tap the port, the connection is its life line, and what
// its owner does to the descriptor that he kept hurts nobody.
func TestTap(t *testing.T) {
	nstest.NeedRoot(t)
	for what, end := range map[string]func(l *bustest.Lab, g *guest){
		"peer hangs up": func(_ *bustest.Lab, g *guest) { g.hangUp(t) },
		"rmdir":         func(l *bustest.Lab, _ *guest) { _ = l.Net.RemovePort(2) },
	} {
		t.Run(what, func(t *testing.T) {
			_, ns := nstest.New(t)
			l := lanetest.Hub(t)
			got := &bustest.Recorder{}
			from := l.Join(t, got)
			before := len(lanetest.OpenFiles(t))
			fd := openTap(t, ns, needed)
			g := connect(t, l)
			sendRights(t, g, []byte("tap"), fd)
			if err := <-g.served; err != nil {
				t.Fatal(err)
			}
			// It may block now, as far as he can make it.
			if err := unix.SetNonblock(fd, false); err != nil {
				t.Fatal(err)
			}
			g.Bring(t, lanetest.Frame(1, 0)) // is ignored
			if info := l.Net.Port(2).Info(); len(info.Conns) != 1 || info.Conns[0].Info.Kind != "seq" || info.Conns[0].Info.Detail != "st0" {
				t.Errorf("the port is %+v", info)
			}
			far := station(t, ns)
			frame := bustest.Mark(bustest.EthernetHeader(7), 7, 7, 100)
			if _, err := unix.Write(far, frame); err != nil {
				t.Fatal(err)
			}
			bustest.WaitFor(t, "a frame of the host", func() bool {
				for _, f := range got.Frames() {
					if string(f) == string(frame) {
						return true
					}
				}
				return false
			})
			bustest.Send(from, lanetest.Frame(3, 1))
			bustest.WaitFor(t, "a frame of the network", func() bool {
				buf := make([]byte, 4096)
				n, err := unix.Read(far, buf)
				return err == nil && string(buf[:n]) == string(lanetest.Frame(3, 1))
			})
			for _, f := range got.Frames() {
				if string(f) == string(lanetest.Frame(1, 0)) {
					t.Error("a message behind the tap came as a frame")
				}
			}
			end(l, g)
			bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 })
			if !g.Closed() || l.Net.Port(2) != nil {
				t.Error("the port or the connection is still there")
			}
			unix.Close(fd)
			unix.Close(far)
			unix.Close(g.FD)
			g.FD = -1
			lanetest.WantOpen(t, before)
		})
	}
}

// What is no tap that fits is refused, and the tap stays its owner's.
func TestTapRefused(t *testing.T) {
	nstest.NeedRoot(t)
	none := func(*bus.Visitor) {}
	for what, c := range map[string]struct {
		flags  int
		visit  func(v *bus.Visitor)
		reason string
	}{
		"tun":        {unix.IFF_TUN | unix.IFF_NO_PI, none, "IFF_TAP"},
		"no header":  {unix.IFF_TAP | unix.IFF_NO_PI, none, "IFF_VNET_HDR"},
		"with info":  {unix.IFF_TAP | unix.IFF_VNET_HDR, none, "IFF_NO_PI"},
		"napi":       {needed | unix.IFF_NAPI, none, "0x10"},
		"no sending": {needed, func(v *bus.Visitor) { v.Send = false }, "one of both"},
		"no hearing": {needed, func(v *bus.Visitor) { v.Recv = false }, "one of both"},
	} {
		t.Run(what, func(t *testing.T) {
			_, ns := nstest.New(t)
			l := lanetest.Hub(t)
			fd := openTap(t, ns, c.flags)
			defer unix.Close(fd)
			g := connect(t, l, c.visit)
			sendRights(t, g, nil, fd)
			if err := <-g.served; err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("error %v, want one with %q", err, c.reason)
			}
			bustest.WaitFor(t, "the port to end", func() bool { return g.left.Load() == 1 && g.Closed() })
		})
	}
}
