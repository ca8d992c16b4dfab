package iface

import (
	"net"
	"net/netip"
	"os/user"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/iface/link"
)

// tapCommand is what a line for tap asks.
type tapCommand struct {
	port    bus.JoinOptions
	name    string
	netns   string // empty: the caller's own
	config  link.Config
	owner   *uint32
	group   *uint32
	persist bool
	queues  int
}

// grabCommand is what a line for grab asks.
type grabCommand struct {
	port  bus.JoinOptions
	name  string
	netns string // empty: the caller's own
	share bool   // "copy": the host goes on seeing the frames
}

// Limits of a tap. What it carries, with the Ethernet header, is at most 65535
// bytes (drivers/net/tun.c), and IPv4 needs 68 (RFC 791).
const (
	minMTU    = 68
	maxMTU    = 65535 - 14
	maxQueues = 8
)

const tapUsage = portUsage + ", netns=, mac=, mtu=, addr=, up, owner=, group=, persist, queues="

func parseTap(command string) (*tapCommand, error) {
	c := &tapCommand{queues: 1}
	var err error
	c.name, c.port, err = parse(command, tapUsage, map[string]option{
		"netns": one(&c.netns, text),
		"mac":   one(&c.config.MAC, parseMAC),
		"mtu":   one(&c.config.MTU, number("mtu", minMTU, maxMTU)),
		"addr": {many: true, value: true, set: func(value string) error {
			p, err := parseAddr(value)
			c.config.Addrs = append(c.config.Addrs, p)
			return err
		}},
		"up":      flag(&c.config.Up),
		"owner":   one(&c.owner, parseUser),
		"group":   one(&c.group, parseGroup),
		"persist": flag(&c.persist),
		"queues":  one(&c.queues, number("queues", 1, maxQueues)),
	})
	return c, err
}

const grabUsage = portUsage + ", netns=, copy"

func parseGrab(command string) (*grabCommand, error) {
	c := &grabCommand{}
	var err error
	c.name, c.port, err = parse(command, grabUsage, map[string]option{
		"netns": one(&c.netns, text),
		"copy":  flag(&c.share),
	})
	return c, err
}

// parseDetach reads NAME [netns=WHERE].
func parseDetach(command string) (name, where string, err error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return "", "", fail.Errorf(fail.Invalid, "the name of an interface is missing")
	}
	if len(words) > 1 {
		where = strings.TrimPrefix(words[1], "netns=")
	}
	if len(words) > 2 || len(words) == 2 && (where == "" || where == words[1]) {
		return "", "", fail.Errorf(fail.Invalid, "-%s takes it off: nothing may follow the name but netns=WHERE", words[0])
	}
	return words[0], where, nil
}

// maxAltName is how many bytes the longest name has by which an interface may
// be found (ALTIFNAMSIZ in linux/if.h), and maxName its own (IFNAMSIZ).
const (
	maxAltName = 127
	maxName    = unix.IFNAMSIZ - 1
)

// checkName says whether an interface can have that name (dev_valid_name in
// net/core/dev.c), at least as another one (IFLA_ALT_IFNAME). A % would be a
// pattern for the kernel to fill.
func checkName(name string) error {
	switch {
	case len(name) > maxAltName:
		return fail.Errorf(fail.NameTooLong, "interface name of %d bytes: at most %d, and another name at most %d", len(name), maxName, maxAltName)
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "/:%"),
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fail.Errorf(fail.Invalid, "interface name %q: no white space, control characters, slash, colon or percent sign", name)
	}
	return nil
}

func text(value string) (string, error) { return value, nil }

func number(what string, lo, hi int) func(string) (int, error) {
	return func(value string) (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, fail.Errorf(fail.Invalid, "%s=%s: must be a number", what, value)
		}
		return n, fail.CheckRange(what, n, lo, hi)
	}
}

// parseMAC takes the address of one station (IEEE 802 8.2.2: the first bit of
// a group's address is set).
func parseMAC(value string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(value)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return nil, fail.Errorf(fail.Invalid, "mac=%s: must be a station's address such as 02:00:00:00:00:01", value)
	}
	return mac, nil
}

func parseAddr(value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil || p.Addr().IsMulticast() || p.Addr().IsUnspecified() || p.Addr().Is4In6() {
		return p, fail.Errorf(fail.Invalid, "addr=%s: must be a host's address with its prefix length such as 10.0.0.1/24 or fd00::1/64", value)
	}
	return p, nil
}

// parseUser takes a number or a name of this system.
func parseUser(value string) (*uint32, error) {
	return parseID("owner", value, func() (string, error) {
		u, err := user.Lookup(value)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

func parseGroup(value string) (*uint32, error) {
	return parseID("group", value, func() (string, error) {
		g, err := user.LookupGroup(value)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func parseID(what, value string, lookup func() (string, error)) (*uint32, error) {
	number := value
	if value[0] < '0' || value[0] > '9' {
		var err error
		if number, err = lookup(); err != nil {
			return nil, fail.Errorf(fail.Unknown, "%s=%s: there is no such %s here", what, value, what)
		}
	}
	id, err := strconv.ParseUint(number, 10, 32)
	if err != nil || uint32(id) == link.Nobody {
		return nil, fail.Errorf(fail.Invalid, "%s=%s: must be a name or a number below %d", what, value, link.Nobody)
	}
	n := uint32(id)
	return &n, nil
}
