// Package link tells what a network interface is, changes it, and watches it.
// It speaks rtnetlink(7).
package link

import (
	"errors"
	"net"
	"slices"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"ipnfs/iface/netns"
)

// Facts describe an interface at one moment.
type Facts struct {
	Index    int
	Name     string
	AltNames []string         // others, by which it is found too (Linux 5.5)
	MAC      net.HardwareAddr // nil: it has none
	MTU      int              // bytes, without the Ethernet header
	Up       bool             // set up by its administrator
	Carrier  bool             // the wire works; false whenever it is down
	Kind     string           // "tun", "veth", "bridge", ...; empty: hardware, loopback
	Ethernet bool             // its frames are Ethernet's (ARPHRD_ETHER)
	Loopback bool
	Master   int // index of the bridge, bond or VRF that it belongs to; 0: none
	Peer     int // index of the other end of a veth, or of what it lies on; 0: none
	PeerNS   int // the id that Peer's namespace has in this one; -1: the same, or it ends
	Tun      Tun // if Kind is "tun"
}

// Nobody is the owner or group of a Tun that has none.
const Nobody = ^uint32(0)

// Tun is what the kernel's tun driver tells of a tap or tun device.
type Tun struct {
	Tap          bool
	Owner, Group uint32 // who may attach a queue without CAP_NET_ADMIN; Nobody: not set
	Persist      bool
	MultiQueue   bool
	Queues       int // attached now, enabled or not; 0 unless MultiQueue
}

// ErrMalformed says that a message of the kernel could not be read.
var ErrMalformed = errors.New("malformed rtnetlink message")

// Called tells whether the interface has that name, as its own or as another.
func (f *Facts) Called(name string) bool {
	return f.Name == name || slices.Contains(f.AltNames, name)
}

// Get returns the facts of the interface of ns that has that name, as its own
// or as another. The error is ENODEV if there is none.
func Get(ns *netns.NS, name string) (Facts, error) {
	kind := unix.IFLA_IFNAME // the kernel looks among all names, with either
	if len(name) >= unix.IFNAMSIZ {
		kind = unix.IFLA_ALT_IFNAME
	}
	return get(ns, nl.NewIfInfomsg(unix.AF_UNSPEC), nl.NewRtAttr(kind, nl.ZeroTerminated(name)))
}

// At is Get by index.
func At(ns *netns.NS, index int) (Facts, error) {
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(index)
	return get(ns, msg)
}

func get(ns *netns.NS, which ...nl.NetlinkRequestData) (f Facts, err error) {
	err = ns.Do(func() error {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, 0)
		for _, data := range which {
			req.AddData(data)
		}
		messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		if err != nil {
			return err
		}
		if len(messages) != 1 {
			return ErrMalformed
		}
		var ok bool
		if f, ok = parse(messages[0]); !ok {
			return ErrMalformed
		}
		return nil
	})
	return f, err
}
