package bus

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ipnfs/bus/fail"
	"ipnfs/bus/frame"
	"ipnfs/bus/policy"
	"ipnfs/words"
)

// Overflow says what a frame for a receiver whose queue is full means.
type Overflow uint8

// The overflow settings.
const (
	DropNew     Overflow = iota // the new frame is lost (IPN's lossy network)
	DropOld                     // the oldest queued frame is lost
	BlockSender                 // the sender waits (IPN's lossless network)
	Disconnect                  // the receiver leaves the network
)

var overflowNames = [...]string{"drop-new", "drop-old", "block", "disconnect"}

func (o Overflow) String() string { return overflowNames[o] }

// ParseOverflow is the inverse of String.
func ParseOverflow(s string) (Overflow, error) {
	i, err := words.OneOf("overflow", s, overflowNames[:]...)
	return Overflow(i), err
}

// LinkTypes are what a network may say its frames are, for captures.
var LinkTypes = []string{"ethernet", "raw", "user0"}

// Limits of the settings; MTU's are in package frame.
const (
	DefaultQueue = 256
	MaxQueue     = 65536
	DefaultPorts = 1024
	MaxName      = 64 // bytes in the name of a network
	MaxPortName  = 128
)

// Settings are what a network can be told, as one value. Queue counts frames
// per receiver, MTU bytes.
type Settings struct {
	MTU      int
	Queue    int
	Overflow Overflow
	MaxPorts int
	Persist  bool
	LinkType string
}

// DefaultSettings are those of a new network.
func DefaultSettings() Settings {
	return Settings{MTU: frame.DefaultMTU, Queue: DefaultQueue, MaxPorts: DefaultPorts, Persist: true, LinkType: LinkTypes[0]}
}

func (s *Settings) check() error {
	_, err := words.OneOf("linktype", s.LinkType, LinkTypes...)
	return cmp.Or(words.Check("mtu", s.MTU, frame.MinMTU, frame.MaxFrame), words.Check("queue", s.Queue, 1, MaxQueue),
		words.Check("maxports", s.MaxPorts, 1, policy.MaxPorts), err)
}

// CheckName tells whether name may name a network: 1 to MaxName bytes of
// UTF-8, no leading dot, no white space, control characters or slash.
func CheckName(name string) error {
	if len(name) > MaxName {
		return fail.Errorf(fail.NameTooLong, "network name of %d bytes: at most %d", len(name), MaxName)
	}
	if name == "" || name[0] == '.' {
		return fail.Errorf(fail.Invalid, "network name %q: must not be empty or begin with a dot", name)
	}
	if !utf8.ValidString(name) {
		return fail.Errorf(fail.Invalid, "network name %q: must be UTF-8", name)
	}
	for _, r := range name {
		if r == '/' || unicode.IsControl(r) || unicode.IsSpace(r) {
			return fail.Errorf(fail.Invalid, "network name %q: no white space, control bytes or slash", name)
		}
	}
	return nil
}

// Setting is a named value of a network or a port, as people read and write it.
// Its functions take the network's lock themselves.
type Setting[T any] struct {
	Name string
	Get  func(of T) string
	// Set takes what Get gives, checks it whole and puts it in force, or refuses
	// it and changes nothing.
	Set func(of T, text string) error
	// Own is what Set takes to make the value so again; empty, if the value is not
	// the port's own but its network's. If Own is nil, Get tells it.
	Own func(of T) string
}

// NetworkSettings are what each network can be told, but its policy, in an order
// in which all of them can be put in force on a new one.
var NetworkSettings = []Setting[*Network]{
	numberSetting("mtu", frame.MinMTU, frame.MaxFrame, func(s *Settings) *int { return &s.MTU }),
	numberSetting("queue", 1, MaxQueue, func(s *Settings) *int { return &s.Queue }),
	{
		Name: "overflow",
		Get:  func(n *Network) string { return n.Settings().Overflow.String() },
		Set: func(n *Network, text string) error {
			o, err := ParseOverflow(text)
			if err != nil {
				return err
			}
			return n.Change(func(s *Settings) { s.Overflow = o })
		},
	},
	numberSetting("maxports", 1, policy.MaxPorts, func(s *Settings) *int { return &s.MaxPorts }),
	{
		Name: "persist",
		Get: func(n *Network) string {
			if n.Settings().Persist {
				return "1"
			}
			return "0"
		},
		Set: func(n *Network, text string) error {
			if text != "0" && text != "1" {
				return fail.Errorf(fail.Invalid, "%q: 1 keeps the network until rmdir, 0 ends it with its last port", text)
			}
			return n.Change(func(s *Settings) { s.Persist = text == "1" })
		},
	},
	{
		Name: "linktype",
		Get:  func(n *Network) string { return n.Settings().LinkType },
		Set: func(n *Network, text string) error {
			return n.Change(func(s *Settings) { s.LinkType = text })
		},
	},
}

// numberSetting makes a setting of a number among the Settings.
func numberSetting(name string, lo, hi int, at func(*Settings) *int) Setting[*Network] {
	return Setting[*Network]{
		Name: name,
		Get: func(n *Network) string {
			s := n.Settings()
			return strconv.Itoa(*at(&s))
		},
		Set: func(n *Network, text string) error {
			v, err := words.Int(name, text, lo, hi)
			if err != nil {
				return err
			}
			return n.Change(func(s *Settings) { *at(s) = v })
		},
	}
}

// inherit ends what a port has of its own.
const inherit = "network"

// PortSettings are what each port can be told, beside what its policy has for
// it, in any order.
var PortSettings = []Setting[*Port]{
	{
		Name: "name",
		Get:  func(p *Port) string { return p.Info().Name },
		Set:  (*Port).SetName,
	},
	{
		Name: "queue",
		Get:  func(p *Port) string { return strconv.Itoa(p.Queue()) },
		Set: func(p *Port, text string) error {
			frames, err := words.IntOr("queue", text, inherit, 1, MaxQueue)
			if err != nil {
				return err
			}
			return p.SetQueue(frames)
		},
		Own: func(p *Port) string {
			if queue, _ := p.own(); queue != 0 {
				return strconv.Itoa(queue)
			}
			return ""
		},
	},
	{
		Name: "overflow",
		Get:  func(p *Port) string { return p.Overflow().String() },
		Set: func(p *Port, text string) error {
			if text == inherit {
				return p.SetOverflow(nil)
			}
			o, err := ParseOverflow(text)
			if err != nil {
				return err
			}
			return p.SetOverflow(&o)
		},
		Own: func(p *Port) string {
			if _, overflow := p.own(); overflow != nil {
				return overflow.String()
			}
			return ""
		},
	},
	{
		Name: "mirror",
		Get:  func(p *Port) string { return strings.Trim(fmt.Sprint(p.Mirror()), "[]") },
		Set:  setMirror,
	},
}

// setMirror takes port numbers between spaces or commas; none clears.
func setMirror(p *Port, text string) error {
	list := words.List(text)
	if text == "none" {
		list = nil
	}
	numbers := make([]int, len(list))
	for i, word := range list {
		var err error
		if numbers[i], err = words.Int("port", word, 1, policy.MaxPorts); err != nil {
			return err
		}
	}
	return p.SetMirror(numbers)
}
