package cable

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/iface/nstest"
)

// line joins namespaces as an ethernet would: what one sends the others get, unless
// the line is told otherwise.
type line struct {
	ends []*end
	cut  atomic.Bool
	loss atomic.Int64 // of a hundred packets
	late atomic.Int64 // of a hundred packets, so many come 5 ms later than others
}

// end is an interface eth0 at the line.
type end struct {
	name string // of its namespace
	ns   *netns.NS
	addr netip.Addr
	tap  *os.File
}

// newLine makes n namespaces at a line, until the test ends.
func newLine(t *testing.T, n int) *line {
	t.Helper()
	l := &line{}
	for i := range n {
		name, ns := nstest.New(t)
		e := &end{name: name, ns: ns, addr: netip.AddrFrom4([4]byte{10, 99, 0, byte(1 + i)})}
		nstest.In(t, ns, e.open)
		l.ends = append(l.ends, e)
	}
	var carrying sync.WaitGroup
	for _, e := range l.ends {
		carrying.Go(func() { l.carry(e) })
	}
	t.Cleanup(func() {
		for _, e := range l.ends {
			e.tap.Close()
		}
		carrying.Wait()
	})
	return l
}

// open makes the interface in the namespace of the thread.
func (e *end) open() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	ifr, err := unix.NewIfreq("eth0")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		return err
	}
	e.tap = os.NewFile(uintptr(fd), "tap")
	for _, name := range []string{"lo", "eth0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if name == "eth0" {
			addr, err := netlink.ParseAddr(fmt.Sprintf("%v/24", e.addr))
			if err != nil {
				return err
			}
			if err := netlink.AddrAdd(link, addr); err != nil {
				return err
			}
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	return nil
}

// carry takes what e sends to the others, until the tap is closed.
func (l *line) carry(e *end) {
	buf := make([]byte, 1<<16)
	for {
		n, err := e.tap.Read(buf)
		if err != nil {
			return
		}
		if l.cut.Load() || rand.Int64N(100) < l.loss.Load() {
			continue
		}
		packet := buf[:n]
		if rand.Int64N(100) < l.late.Load() {
			packet := slices.Clone(packet)
			time.AfterFunc(5*time.Millisecond, func() { l.deliver(e, packet) })
			continue
		}
		l.deliver(e, packet)
	}
}

func (l *line) deliver(from *end, packet []byte) {
	for _, e := range l.ends {
		if e != from {
			_, _ = e.tap.Write(packet)
		}
	}
}
