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
	"ipnfs/iface/link"
)

// tapCommand is what a line for tap asks.
type tapCommand struct {
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

const tapUsage = "netns=, mac=, mtu=, addr=, up, owner=, group=, persist, queues="

func parseTap(command string) (*tapCommand, error) {
	c := &tapCommand{queues: 1}
	var err error
	c.name, err = parse(command, tapUsage, map[string]option{
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

const grabUsage = "netns=, copy"

func parseGrab(command string) (*grabCommand, error) {
	c := &grabCommand{}
	var err error
	c.name, err = parse(command, grabUsage, map[string]option{
		"netns": one(&c.netns, text),
		"copy":  flag(&c.share),
	})
	return c, err
}

// option is a word that may follow the name.
type option struct {
	value bool // it is KEY=VALUE
	many  bool // it may be repeated
	set   func(value string) error
}

func flag(to *bool) option {
	return option{set: func(string) error { *to = true; return nil }}
}

func one[T any](to *T, parse func(string) (T, error)) option {
	return option{value: true, set: func(value string) (err error) {
		*to, err = parse(value)
		return err
	}}
}

// parse reads NAME [KEY[=VALUE]]... .
func parse(command, usage string, options map[string]option) (name string, err error) {
	words := strings.Fields(command)
	if len(words) == 0 {
		return "", bus.Errorf(bus.Invalid, "the name of an interface is missing")
	}
	if err := checkName(words[0]); err != nil {
		return "", err
	}
	seen := map[string]bool{}
	for _, word := range words[1:] {
		key, value, hasValue := strings.Cut(word, "=")
		o, known := options[key]
		switch {
		case !known:
			return "", bus.Errorf(bus.Invalid, "%s: there is no option %q: one of %s", words[0], key, usage)
		case o.value && value == "":
			return "", bus.Errorf(bus.Invalid, "%s: %s needs a value: %s=...", words[0], key, key)
		case !o.value && hasValue:
			return "", bus.Errorf(bus.Invalid, "%s: %s takes no value", words[0], key)
		case seen[key] && !o.many:
			return "", bus.Errorf(bus.Invalid, "%s: %s is given twice", words[0], key)
		}
		seen[key] = true
		if err := o.set(value); err != nil {
			return "", err
		}
	}
	return words[0], nil
}

// checkName says whether an interface can have that name (dev_valid_name in
// net/core/dev.c). A % would be a pattern for the kernel to fill.
func checkName(name string) error {
	switch {
	case len(name) >= unix.IFNAMSIZ:
		return bus.Errorf(bus.NameTooLong, "interface name %q: at most %d bytes", name, unix.IFNAMSIZ-1)
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "/:%"),
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return bus.Errorf(bus.Invalid, "interface name %q: no white space, control characters, slash, colon or percent sign", name)
	}
	return nil
}

func text(value string) (string, error) { return value, nil }

func number(what string, lo, hi int) func(string) (int, error) {
	return func(value string) (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, bus.Errorf(bus.Invalid, "%s=%s: must be a number", what, value)
		}
		return n, bus.CheckRange(what, n, lo, hi)
	}
}

// parseMAC takes the address of one station (IEEE 802 8.2.2: the first bit of
// a group's address is set).
func parseMAC(value string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(value)
	if err != nil || len(mac) != 6 || mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return nil, bus.Errorf(bus.Invalid, "mac=%s: must be a station's address such as 02:00:00:00:00:01", value)
	}
	return mac, nil
}

func parseAddr(value string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(value)
	if err != nil || p.Addr().IsMulticast() || p.Addr().IsUnspecified() || p.Addr().Is4In6() {
		return p, bus.Errorf(bus.Invalid, "addr=%s: must be a host's address with its prefix length such as 10.0.0.1/24 or fd00::1/64", value)
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
			return nil, bus.Errorf(bus.Unknown, "%s=%s: there is no such %s here", what, value, what)
		}
	}
	id, err := strconv.ParseUint(number, 10, 32)
	if err != nil || uint32(id) == link.Nobody {
		return nil, bus.Errorf(bus.Invalid, "%s=%s: must be a name or a number below %d", what, value, link.Nobody)
	}
	n := uint32(id)
	return &n, nil
}
