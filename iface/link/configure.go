package link

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/bus/fail"
	"ipnfs/iface/netns"
)

// Config is what an interface is told. What is zero stays as it is.
type Config struct {
	MAC   net.HardwareAddr
	MTU   int            // bytes, without the Ethernet header
	Addrs []netip.Prefix // added; what is there already is no error
	Up    bool
}

// Configure puts c in force on an interface, as described by f, of ns: as a
// whole, or not at all. What it did, undo takes back, while ns is open.
func Configure(ns *netns.NS, f Facts, c Config) (undo func(), err error) {
	var done []func()
	back := func() {
		for i := len(done) - 1; i >= 0; i-- {
			done[i]()
		}
	}
	err = ns.Do(func() error {
		err := configure(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: f.Index}}, f, c, &done)
		if err != nil {
			back()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return func() {
		_ = ns.Do(func() error { back(); return nil })
	}, nil
}

// configure works in the namespace of the calling thread. It adds to done how
// each of its steps is taken back; there is nobody to tell if that fails.
func configure(l netlink.Link, f Facts, c Config, done *[]func()) error {
	if c.MAC != nil && !bytes.Equal(c.MAC, f.MAC) {
		if err := netlink.LinkSetHardwareAddr(l, c.MAC); err != nil {
			return fmt.Errorf("mac=%v: %w", c.MAC, err)
		}
		*done = append(*done, func() { _ = netlink.LinkSetHardwareAddr(l, f.MAC) })
	}
	if c.MTU != 0 && c.MTU != f.MTU {
		if err := netlink.LinkSetMTU(l, c.MTU); err != nil {
			return fmt.Errorf("mtu=%d: %w", c.MTU, err)
		}
		*done = append(*done, func() { _ = netlink.LinkSetMTU(l, f.MTU) })
	}
	for _, a := range c.Addrs {
		addr := &netlink.Addr{IPNet: &net.IPNet{
			IP:   a.Addr().AsSlice(),
			Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen()),
		}}
		err := netlink.AddrAdd(l, addr)
		if errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return explain(a, f, err)
		}
		*done = append(*done, func() { _ = netlink.AddrDel(l, addr) })
	}
	if c.Up && !f.Up {
		if err := netlink.LinkSetUp(l); err != nil {
			return fmt.Errorf("up: %w", err)
		}
		*done = append(*done, func() { _ = netlink.LinkSetDown(l) })
	}
	return nil
}

// explain tells why an address was refused if the kernel's error reads as if it
// were a matter of rights, or of nothing: IPv6 is switched off (addrconf_add_dev
// and inet6_init in net/ipv6), or cannot be (RFC 8200, 5).
func explain(a netip.Prefix, f Facts, err error) error {
	conf := "net/ipv6/conf/" + f.Name + "/disable_ipv6"
	off, noFile := os.ReadFile("/proc/sys/" + conf)
	switch {
	case !a.Addr().Is6():
	case errors.Is(err, unix.EACCES) && strings.TrimSpace(string(off)) == "1":
		return fail.Errorf(fail.Denied, "addr=%v: IPv6 is switched off on %s: in its network namespace, sysctl -w %s=0 switches it on, and net/ipv6/conf/default/disable_ipv6=0 for new interfaces", a, f.Name, conf)
	case errors.Is(err, unix.EOPNOTSUPP) && noFile != nil:
		return fail.Errorf(fail.Unsupported, "addr=%v: IPv6 is switched off in this kernel: boot it without ipv6.disable=1", a)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("addr=%v: %w: IPv6 takes an mtu of 1280 or more", a, err)
	}
	return fmt.Errorf("addr=%v: %w", a, err)
}
