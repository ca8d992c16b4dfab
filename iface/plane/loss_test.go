package plane

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/link"
	"ipnfs/iface/nstest"
)

// newPair makes two hosts that know each other.
func newPair(tb testing.TB) (a, b *host) {
	tb.Helper()
	a, b = newHost(tb), newHost(tb)
	network := a.plane.NewNetwork()
	tb.Cleanup(func() { a.plane.FreeNetwork(network) })
	a.know(0, Settings{Network: network}, false)
	b.know(0, Settings{Network: network}, false)
	return a, b
}

// What a host does not take that is down is lost, be it forwarded or sent.
func TestLostDown(t *testing.T) {
	a, b := newPair(t)
	known := a.frame(b.mac)
	set := func(change func(netlink.Link) error) { nstest.Change(t, b.ns, "eth0", change) }
	a.send(known)
	b.wantCounts(Counts{Out: 1, OutBytes: 60})
	set(netlink.LinkSetDown)
	for range 10 {
		a.send(known)
	}
	b.write(known)
	a.wantCounts(Counts{In: 11, InBytes: 660})
	b.wantCounts(Counts{Out: 11, OutBytes: 660, Lost: 11})
	set(netlink.LinkSetUp)
	b.waitUp()
	a.send(known)
	b.wantCounts(Counts{Out: 12, OutBytes: 720, Lost: 11})
}

// So is what does not fit, which the kernel decides if the process has said nothing.
func TestLostLong(t *testing.T) {
	a, b := newPair(t)
	nstest.Change(t, a.ns, "eth0", func(l netlink.Link) error { return netlink.LinkSetMTU(l, 9000) })
	a.send(append(a.frame(b.mac), make([]byte, 1600)...))
	b.wantCounts(Counts{Out: 1, OutBytes: 1660, Lost: 1})
	// Longer ones reach the port only if that is told.
	if err := a.port.SetLong(true); err != nil {
		t.Fatal(err)
	}
	a.send(append(a.frame(b.mac), make([]byte, 8900)...))
	b.wantCounts(Counts{Out: 2, OutBytes: 1660 + 8960, Lost: 2})
	b.port.SetLimits(1514, 0)
	a.send(append(a.frame(b.mac), make([]byte, 1600)...))
	nstest.Wait(t, "the frame to be punted", func() bool { return a.punted() != nil })
}

// When the device has gone all that it did not take before is lost.
func TestLostGone(t *testing.T) {
	for name, forget := range map[string]bool{"the kernel tells": false, "the kernel's word is lost": true} {
		t.Run(name, func(t *testing.T) {
			a, b := newPair(t)
			known := a.frame(b.mac)
			for range 10 {
				a.send(known)
			}
			b.write(known)
			b.wantCounts(Counts{Out: 10, OutBytes: 600})
			b.packet.Close()
			nstest.Change(t, b.ns, "eth0", netlink.LinkDel)
			if forget {
				b.plane.news.forget(b.port.Index())
				b.wantCounts(Counts{Out: 10, OutBytes: 600}) // it is noticed
			}
			for range 5 {
				a.send(known)
			}
			b.write(known)
			a.wantCounts(Counts{In: 15, InBytes: 900})
			want := Counts{Out: 15, OutBytes: 900, Lost: 6}
			b.wantCounts(want)
			b.port.Close()
			b.wantCounts(want)
		})
	}
}

// A namespace that ends while frames come leaves the books balanced: what one port has
// in the other has out, and each is taken or lost.
func TestLostUnderLoad(t *testing.T) {
	a, b := newPair(t)
	known := a.frame(b.mac)
	var sent atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := a.packet.Write(known); err == nil {
				sent.Add(1)
			}
		}
	}()
	nstest.Wait(t, "a load", func() bool { return b.port.Counts().Out > 1000 })
	b.packet.Close()
	b.ns.Close()
	nstest.Delete(b.name)
	nstest.Wait(t, "the device to go", func() bool {
		_, err := link.At(b.plane.ns, b.port.Index())
		return errors.Is(err, unix.ENODEV)
	})
	at := b.port.Counts()
	nstest.Wait(t, "a load after it", func() bool { return b.port.Counts().Lost > at.Lost+1000 })
	close(stop)
	<-stopped
	nstest.Wait(t, "all frames to be counted", func() bool {
		in := a.port.Counts()
		return in.In+in.Overrun+a.port.order.punted.Load() == sent.Load()
	})
	in, out := a.port.Counts(), b.port.Counts()
	if in.In != out.Out || in.InBytes != out.OutBytes || in.In != sent.Load() {
		t.Errorf("sent %d, in %+v, out %+v", sent.Load(), in, out)
	}
	if taken := out.Out - out.Lost; taken != b.port.last.taken || taken < 1000 || taken > at.Out {
		t.Errorf("%d were taken, before the end %+v, at last %+v", taken, at, out)
	}
}

// News that nobody had room for are lost, and do not stop others.
func TestNewsLost(t *testing.T) {
	p := need(t)
	var n *news
	nstest.In(t, p.ns, func() (err error) {
		n, err = openNews()
		return err
	})
	defer n.close()
	n.mu.Lock()
	fd := n.end
	n.mu.Unlock()
	for _, c := range []struct {
		room int
		told bool
	}{{1, false}, {1 << 20, true}} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, c.room); err != nil {
			t.Fatal(err)
		}
		h := newHost(t)
		n.forget(h.port.Index())
		h.write(h.frame(h.mac))
		h.port.Close()
		if s, told := n.last(h.port.Index()); told != c.told || told && s.taken != 1 {
			t.Errorf("with %d bytes of room: %v, %+v", c.room, told, s)
		}
	}
}
