package iface

import (
	"os/user"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"ipnfs/bus"
	"ipnfs/bus/fail"
	"ipnfs/bus/policy"
	"ipnfs/iface/link"
	"ipnfs/words"
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

// vethCommand is what a line for veth asks.
type vethCommand struct {
	port   bus.JoinOptions
	name   string
	netns  string // empty: the caller's own
	config link.Config
}

// grabCommand is what a line for grab asks.
type grabCommand struct {
	port  bus.JoinOptions
	name  string
	netns string // empty: the caller's own
	share bool   // "copy": the host goes on seeing the frames
}

// Limits of a tap, and of a veth, which has one behind it. What it carries, with the Ethernet header, is at most 65535
// bytes (drivers/net/tun.c), and IPv4 needs 68 (RFC 791).
const (
	minMTU    = 68
	maxMTU    = 65535 - 14
	maxQueues = 8
)

func parseTap(command string) (*tapCommand, error) {
	c := &tapCommand{queues: 1}
	var err error
	c.name, c.port, err = parse(command, append(madeOptions(&c.netns, &c.config),
		words.One("owner", &c.owner, parseUser),
		words.One("group", &c.group, parseGroup),
		words.Flag("persist", &c.persist),
		words.One("queues", &c.queues, words.Between(1, maxQueues)),
	))
	return c, err
}

// ofTapsAlone are the options of tap that veth does not take.
var ofTapsAlone = []string{"owner", "group", "persist", "queues"}

func parseVeth(command string) (*vethCommand, error) {
	c := &vethCommand{}
	var err error
	c.name, c.port, err = parse(command, madeOptions(&c.netns, &c.config))
	for _, s := range c.port.Setup {
		if slices.Contains(ofTapsAlone, s.Name) {
			return nil, fail.Errorf(fail.Invalid, "%s is an option of tap: a veth is nobody's, ends with its port, and needs no queues. It takes %s", s.Name, c.port.Words)
		}
	}
	return c, err
}

// madeOptions are those of an interface that is made: where it is to be, and what it
// is told.
func madeOptions(where *string, config *link.Config) words.Options {
	return words.Options{
		words.One("netns", where, words.Text),
		{Key: "mac", Value: true, Set: func(value string) error {
			mac, err := words.MAC("mac", value)
			config.MAC = mac[:]
			return err
		}},
		words.One("mtu", &config.MTU, words.Between(minMTU, maxMTU)),
		{Key: "addr", Value: true, Many: true, Set: func(value string) error {
			p, err := words.CIDR("addr", value)
			config.Addrs = append(config.Addrs, p)
			return err
		}},
		words.Flag("up", &config.Up),
	}
}

func parseGrab(command string) (*grabCommand, error) {
	c := &grabCommand{}
	var err error
	c.name, c.port, err = parse(command, words.Options{
		words.One("netns", &c.netns, words.Text),
		words.Flag("copy", &c.share),
	})
	return c, err
}

// parse reads NAME [KEY[=VALUE]]... What is no option is taken for a setting
// that the policy has for the port, which the network finds out: see
// bus.JoinOptions.
func parse(command string, options words.Options) (name string, port bus.JoinOptions, err error) {
	options = append(words.Options{
		words.One("port", &port.Number, words.Between(1, policy.MaxPorts)),
		words.One("name", &port.Name, words.Text),
	}, options...)
	port = bus.JoinOptions{Make: true, Alone: true, Words: options.String()}
	name, rest := words.Name(command)
	if err := checkName(name); err != nil {
		return "", port, err
	}
	err = options.Read(rest, func(w words.Word) error {
		port.Setup = append(port.Setup, bus.PortSetting{Name: w.Key, Value: w.Value})
		return nil
	})
	return name, port, err
}

// parseDetach reads NAME [netns=WHERE].
func parseDetach(command string) (name, where string, err error) {
	name, rest := words.Name(command)
	if name == "" {
		return "", "", errNoName
	}
	if (words.Options{words.One("netns", &where, words.Text)}).Read(rest, nil) != nil {
		return "", "", fail.Errorf(fail.Invalid, "-%s takes it off: nothing may follow the name but netns=WHERE", name)
	}
	return name, where, nil
}

var errNoName = fail.Errorf(fail.Invalid, "the name of an interface is missing")

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
	case name == "":
		return errNoName
	case len(name) > maxAltName:
		return fail.Errorf(fail.NameTooLong, "interface name of %d bytes: at most %d, and another name at most %d", len(name), maxName, maxAltName)
	case name == ".", name == "..", strings.ContainsAny(name, "/:%"),
		strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return fail.Errorf(fail.Invalid, "interface name %q: no white space, control characters, slash, colon or percent sign", name)
	}
	return nil
}

// parseUser takes a number or a name of this system.
func parseUser(what, value string) (*uint32, error) {
	return parseID(what, value, func() (string, error) {
		u, err := user.Lookup(value)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

func parseGroup(what, value string) (*uint32, error) {
	return parseID(what, value, func() (string, error) {
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
	id, err := words.ID(what, number)
	return &id, err
}
