// Package nstest makes network namespaces and interfaces for tests.
package nstest

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// prefix begins the names of all that tests make, so that what a killed test
// left can be found.
const prefix = "lnk"

var count atomic.Int32

// Name returns a name for a namespace or an interface that nothing else has.
func Name() string {
	return fmt.Sprintf("%s%x-%d", prefix, os.Getpid()&0xffff, count.Add(1))
}

// NeedRoot skips a test that needs root, unless IPNFS_TEST_REQUIRE asks to
// fail.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("IPNFS_TEST_REQUIRE") != "" {
		tb.Fatal("this test needs root")
	}
	tb.Skip("this test needs root")
}

// New makes a namespace with a name, as ip-netns(8) does, until the test ends.
func New(tb testing.TB) (name string, ns *netns.NS) {
	tb.Helper()
	NeedRoot(tb)
	here, err := netns.Current()
	if err != nil {
		tb.Fatal(err)
	}
	defer here.Close()
	name = Name()
	err = here.Do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		if ns, err = netns.Current(); err != nil {
			return err
		}
		return keep(name)
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ns.Close()
		Delete(name)
	})
	return name, ns
}

// namesDir is where ip-netns(8) keeps them.
const namesDir = "/run/netns/"

// keep gives the namespace of the calling thread a name.
func keep(name string) error {
	if err := os.MkdirAll(namesDir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(namesDir+name, nil, 0o444); err != nil {
		return err
	}
	return unix.Mount("/proc/thread-self/ns/net", namesDir+name, "", unix.MS_BIND, "")
}

// Delete removes the name of a namespace, as ip netns del does.
func Delete(name string) {
	_ = unix.Unmount(namesDir+name, unix.MNT_DETACH)
	_ = os.Remove(namesDir + name)
}

// In runs f in ns.
func In(tb testing.TB, ns *netns.NS, f func() error) {
	tb.Helper()
	if err := ns.Do(f); err != nil {
		tb.Fatal(err)
	}
}

// Add makes an interface in ns.
func Add(tb testing.TB, ns *netns.NS, l netlink.Link) {
	tb.Helper()
	In(tb, ns, func() error { return netlink.LinkAdd(l) })
}

// Tun says how a device of the tun driver is made. What is zero is not set.
type Tun struct {
	Flags        uint16 // besides IFF_TAP and IFF_NO_PI
	Owner, Group int
}

// Tap makes a persistent tap in ns, as ip tuntap add does.
func Tap(tb testing.TB, ns *netns.NS, name string, o Tun) {
	tb.Helper()
	In(tb, ns, func() error {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifr.SetUint16(o.Flags | unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
			return err
		}
		if o.Owner != 0 {
			if err := unix.IoctlSetInt(fd, unix.TUNSETOWNER, o.Owner); err != nil {
				return err
			}
		}
		if o.Group != 0 {
			if err := unix.IoctlSetInt(fd, unix.TUNSETGROUP, o.Group); err != nil {
				return err
			}
		}
		return unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
	})
}

// Veth makes a pair of interfaces in ns and returns their names.
func Veth(tb testing.TB, ns *netns.NS) (a, b string) {
	tb.Helper()
	a, b = Name(), Name()
	Add(tb, ns, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: a}, PeerName: b})
	return a, b
}

// Change finds an interface of ns and does something to it.
func Change(tb testing.TB, ns *netns.NS, name string, change func(netlink.Link) error) {
	tb.Helper()
	In(tb, ns, func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return change(l)
	})
}

// Wait waits until done, or fails.
func Wait(tb testing.TB, what string, done func() bool) {
	tb.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("waited in vain: %s", what)
		}
	}
}
