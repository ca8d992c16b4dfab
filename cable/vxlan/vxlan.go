// Package vxlan is the cable vxlan://PEER[,PEER...]?vni=N: frames in VXLAN (RFC 7348), as
// Linux's vxlan devices and others speak it.
//
//   - vxlan.go: what a locator may say. dial.go: the socket.
//   - link.go: the driver. in.go: what comes in. out.go: to whom a frame goes.
//   - table.go: behind which peer a station is. ecn.go: marks of congestion (RFC 6040).
//
// # The path of a frame
//
// In: the socket brings runs of datagrams (ipnfs/lane/udp). Each that is of the network
// identifier, from a peer, is a frame behind a header; where its sender is is learned; what
// can be merged is, and goes as a super-frame into the bus. Out: a frame for a known
// station goes to its peer, another one to all; the header is a piece of memory that all
// frames share; runs of one length to one peer are a system call's one message.
//
// The source port is always the same one, and not a hash of the inner flow (RFC 7348, 5):
// a socket has one. Routers that spread load by it see one flow for each pair of peers.
//
// table.mu is a leaf.
package vxlan

import (
	"net/netip"
	"strings"

	"ipnfs/bus/fail"
	"ipnfs/cable"
	"ipnfs/lane/udp"
	"ipnfs/words"
)

func init() {
	cable.Register(cable.Scheme{Name: "vxlan", Summary: "vxlan://PEER[,PEER...]?vni=N: VXLAN (RFC 7348) to one or many", Open: open})
}

// defaultPort is IANA's for VXLAN.
const defaultPort = 4789

// Network identifiers have 24 bits.
const (
	maxVNI = 1<<24 - 1
	noVNI  = maxVNI + 1
)

// config is what a locator says.
type config struct {
	peers      []string // hosts
	group      netip.Addr
	vni        uint32
	port       uint16
	device     string
	ttl        int
	learn      bool
	noChecksum bool
}

// open is cable.Scheme's.
func open(l words.Locator, _ *cable.Origin) (cable.Dialer, error) {
	c, err := parse(l)
	if err != nil {
		return nil, err
	}
	return &dialer{config: *c}, nil
}

func parse(l words.Locator) (*config, error) {
	c := &config{port: defaultPort, learn: true}
	vni, checksum := uint32(noVNI), true
	options := words.Options{
		words.One("vni", &vni, words.Between(uint32(0), maxVNI)),
		words.One("port", &c.port, words.Between(uint16(1), 65535)),
		words.One("group", &c.group, parseGroup),
		words.One("dev", &c.device, parseDevice),
		words.One("ttl", &c.ttl, words.Between(1, 255)),
		words.One("learn", &c.learn, words.OnOff),
		words.One("checksum", &checksum, words.OnOff),
	}
	if err := options.Read(l.Args, nil); err != nil {
		return nil, err
	}
	if vni == noVNI {
		return nil, fail.Errorf(fail.Invalid, "vxlan: ?vni=N must say which network is meant: 0 to 16777215")
	}
	c.vni, c.noChecksum = vni, !checksum
	return c, c.readPeers(l.Rest)
}

// readPeers reads PEER[,PEER...]. One may be the group.
func (c *config) readPeers(list string) error {
	for host := range strings.SplitSeq(list, ",") {
		if host == "" || strings.ContainsAny(host, "/ ") {
			return fail.Errorf(fail.Invalid, "vxlan: peer %s: an address or a name is one, with , between several", fail.Quote(host))
		}
		a, err := netip.ParseAddr(host)
		switch {
		case err != nil || !a.IsMulticast():
			c.peers = append(c.peers, host)
		case c.group.IsValid():
			return fail.Errorf(fail.Invalid, "vxlan: there is one group, %v, and %v is another", c.group, a)
		default:
			c.group = a
		}
	}
	if len(c.peers) > udp.MaxCopies {
		return fail.Errorf(fail.Range, "vxlan: %d peers are too many: at most %d, or a group", len(c.peers), udp.MaxCopies)
	}
	return nil
}

func parseGroup(what, text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.IsMulticast() {
		return a, fail.Errorf(fail.Invalid, "%s %s: a multicast address is one: 239.1.1.1, ff05::1", what, fail.Quote(text))
	}
	return a, nil
}

// parseDevice reads the name of an interface.
func parseDevice(what, text string) (string, error) {
	if len(text) > 15 || strings.ContainsAny(text, "/ \x00") {
		return "", fail.Errorf(fail.Invalid, "%s %s: no interface has such a name", what, fail.Quote(text))
	}
	return text, nil
}
