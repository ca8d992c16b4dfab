package plane

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
	"ipnfs/iface/tun"
)

// A port is made of three devices: a pair of which one end is the host's, and the punt tap,
// whose descriptor is the process's way to and from the port. The program is at the two
// that are in the plane's namespace, and finds the one by the other's index: that of the
// pair is even, that of the tap the next.
//
//	host: eth0 == s1 -> [program] -> s2 == eth0 :host
//	                        |    \-> f1 -> process, what it does not forward
//	process -> f2 -> [program] ----> s2
const (
	hostMTU  = 1500       // as that of any new device
	longMTU  = 65535      // the most that a pair can have: see Port.SetLong
	tapMTU   = 65535 - 14 // likewise
	tapQueue = 4096       // frames that wait for the process

	addrGenModeNone = 1 // IN6_ADDR_GEN_MODE_NONE of linux/if_link.h
)

// ShortMTU is the MTU of the daemon's end, and so of what it takes of the host's. A native
// XDP program at the host's end allows about that (veth_xdp_set in drivers/net/veth.c).
const ShortMTU = 3490

func pairIndex(slot int) int { return 2 * slot }
func tapIndex(slot int) int  { return 2*slot + 1 }

// makeDevices makes those of a port. The program is there before they are up.
func (p *Plane) makeDevices(slot int, host *netns.NS, name string) (int, error) {
	tap, made := -1, false
	err := p.ns.Do(func() (err error) {
		if tap, err = makeTap(slot); err != nil {
			return err
		}
		if err = p.makePair(slot, host, name); err != nil {
			return err
		}
		made = true
		return p.start(slot)
	})
	if err == nil {
		return tap, nil
	}
	if made { // else a device with that index would be another's
		p.remover.remove(slot)
	}
	closeTap(tap)
	return -1, err
}

// makeTap works in the namespace of the calling thread, as all below it.
func makeTap(slot int) (fd int, err error) {
	fd, err = tun.Open()
	if err != nil {
		return -1, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETIFINDEX, tapIndex(slot)); err != nil {
		return fd, err
	}
	if err := tun.Attach(fd, fmt.Sprintf("f%d", slot), 0); err != nil {
		return fd, err
	}
	return fd, tun.SetOffloads(fd, tun.Offloads)
}

func (p *Plane) makePair(slot int, host *netns.NS, name string) error {
	pair := netlink.NewVeth(netlink.NewLinkAttrs())
	pair.Index, pair.Name, pair.MTU = pairIndex(slot), fmt.Sprintf("s%d", slot), ShortMTU
	pair.PeerName, pair.PeerNamespace, pair.PeerMTU = name, netlink.NsFd(host.FD()), hostMTU
	return p.rtnl.LinkAdd(pair)
}

// start gets the tap and the pair going.
func (p *Plane) start(slot int) error {
	tap := device(tapIndex(slot))
	if err := p.rtnl.LinkSetMTU(tap, tapMTU); err != nil {
		return err
	}
	if err := p.rtnl.LinkSetTxQLen(tap, tapQueue); err != nil {
		return err
	}
	// A queue before that of the tap itself would hide from the program what the tap drops.
	none := &netlink.GenericQdisc{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: tap.Index, Parent: netlink.HANDLE_ROOT}, QdiscType: "noqueue"}
	if err := p.rtnl.QdiscReplace(none); err != nil {
		return err
	}
	if err := p.setUp(device(pairIndex(slot))); err != nil {
		return err
	}
	return p.setUp(tap)
}

// device is how the kernel is told of one.
func device(index int) *netlink.Device {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

// setUp puts the program at a device and sets it up. Nothing but the program uses it: it
// has no address, and sends nothing by itself.
func (p *Plane) setUp(l *netlink.Device) error {
	if p.ipv6 {
		err := p.rtnl.LinkSetIP6AddrGenMode(l, addrGenModeNone)
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
			return err
		}
	}
	// A filter, for which the kernel waits for nobody. TCX would be as right and costs a
	// frame some 20 ns less, but a device some 10 ms, at its beginning and at its end,
	// while nobody on the machine can change an interface.
	attrs := netlink.QdiscAttrs{LinkIndex: l.Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_INGRESS}
	if err := p.rtnl.QdiscAdd(&netlink.Ingress{QdiscAttrs: attrs}); err != nil {
		return err
	}
	err := p.rtnl.FilterAdd(&netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: l.Index, Parent: attrs.Handle, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd:          p.program.FD(), Name: programName, DirectAction: true,
	})
	if err != nil {
		return err
	}
	return p.rtnl.LinkSetUp(l)
}

// occupied tells whether there are devices with the indexes of a slot.
func (p *Plane) occupied(slot int) bool {
	for _, index := range []int{tapIndex(slot), pairIndex(slot)} {
		if _, err := p.rtnl.LinkByIndex(index); err == nil {
			return true
		}
	}
	return false
}

// closeTap gives a descriptor back, if there is one.
func closeTap(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// switchOffIPv6 keeps new devices of the namespace of the calling thread from greeting
// others on their link. It fails where the settings cannot be written.
func switchOffIPv6() error {
	err := os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil // there is none
	}
	return err
}
